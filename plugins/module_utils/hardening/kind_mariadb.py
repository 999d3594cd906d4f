# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``mariadb``: settings and plugins of Debian's MariaDB, in a file of ours that is read last.

What the server would only miss when it starts (a plugin, a certificate) is looked for before
anything is written: one control that lacks it must not take the others of its group down.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.mariadb import (
    known_variables,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.mariadb_instances import (
    instances,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening import kind_drop_in
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import (
    FixFailed,
    Step,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.telling import words

_FOLDER = "/etc/mysql/mariadb.conf.d"
# behind every name that a site would choose: the last file wins
_OURS = _FOLDER + "/zz-storewarden.cnf"
# a plugin has a line of its own, every other key stands once
_KEY = r"^plugin_load_add\s*=\s*\w+|^[^=\s]+"


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``settings: {name: value}``, ``plugins`` to load, ``needs``: files that mysql must read."""
    _refuse_others(system)
    needed, plugins = words(fix.get("needs")), words(fix.get("plugins"))
    for path in needed + _plugin_files(system, plugins):
        if not system.exists(path):
            raise FixFailed(
                "{0} is not there: put it there first".format(path),
                "缺少 {0}：请先放置该文件".format(path),
            )
    settings = dict(fix.get("settings") or {})
    # loose_: the server starts also when a plugin of this name should be gone one day
    loose = "loose_" if plugins else ""
    lines = ["[mariadb]", *("plugin_load_add = " + one for one in plugins)]
    lines += ["{0}{1} = {2}".format(loose, name, value) for name, value in settings.items()]
    as_mysql = ["runuser", "-u", "mysql", "--", "head", "-c0"]
    checks = [[*as_mysql, path] for path in needed]
    checks.append(["mariadbd", "--user=mysql", "--verbose", "--help"])
    ours = {"path": _OURS, "lines": lines, "key": _KEY, "check": checks, "restart": "mariadb"}
    return kind_drop_in.plan(system, ours)


def _refuse_others(system: Any) -> None:
    found = system.stat(_FOLDER)
    if found is None or found.kind != "dir":
        raise FixFailed(
            "{0} is not there: only Debian's MariaDB is set by this fix".format(_FOLDER),
            "缺少 {0}：本修复仅适用于 Debian 的 MariaDB".format(_FOLDER),
        )


def _plugin_files(system: Any, plugins: list[str]) -> list[str]:
    folders = {str(known_variables(system, one).get("plugin_dir")) for one in instances(system)}
    return [
        "{0}/{1}.so".format(folder.rstrip("/"), name)
        for folder in sorted(folders)
        for name in plugins
    ]
