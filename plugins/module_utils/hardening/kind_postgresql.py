# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``postgresql``: settings of every cluster of the host, in a file of ours in its conf.d.

A plain drop-in is not enough here. ALTER SYSTEM and lines behind the include win over it; a
library is added to those that are loaded already, which another cluster may not have; and only
the server knows which setting needs a restart instead of a reload.
"""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.postgresql_clusters import (
    Cluster,
    clusters,
    select,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening import (
    kind_comment_out,
    kind_drop_in,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import (
    Change,
    FixFailed,
    Step,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.telling import told
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.together import together
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.touching import (
    content,
    file_items,
)

_KNOWN = "SELECT name, setting, context FROM pg_settings"
_LIBRARIES = "shared_preload_libraries"
# behind every name that a site would choose: the last file wins
_OURS = "zz-storewarden.conf"
_INCLUDE = re.compile(r"^\s*include_dir\s*=?\s*'conf\.d'", re.M)


class _Server:
    """One cluster: where its files are and what its server says."""

    def __init__(self, system: Any, cluster: Cluster) -> None:
        self.name, self.owner = cluster.name, cluster.owner
        self.folder = "/etc/postgresql/" + cluster.name
        self.programs = "/usr/lib/postgresql/{0}".format(cluster.name.split("/")[0])
        self.unit = "postgresql@{0}.service".format(cluster.name.replace("/", "-"))
        rows = [dict(row) for row in select(system, cluster, _KNOWN)]
        self.values = {row["name"]: str(row["setting"]) for row in rows}
        self.at_start = {row["name"] for row in rows if row["context"] == "postmaster"}


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``settings: {name: value}``, and ``preload``: a library that is to be loaded as well."""
    return together([_of_cluster(system, one, fix) for one in clusters(system)])


def _of_cluster(system: Any, cluster: Cluster, fix: dict[str, Any]) -> Step:
    main = "/etc/postgresql/{0}/postgresql.conf".format(cluster.name)
    text = content(system, main) if "/" in cluster.name else None
    if text is None or not _INCLUDE.search(text):
        raise FixFailed(
            "the PostgreSQL cluster {0} does not read a conf.d folder: set it by hand".format(
                cluster.name
            ),
            "PostgreSQL 实例 {0} 未包含 conf.d 目录：请手工设置".format(cluster.name),
        )
    server = _Server(system, cluster)
    settings = dict(fix.get("settings") or {})
    if fix.get("preload"):
        settings = {_LIBRARIES: _libraries(system, server, str(fix["preload"])), **settings}
    _refuse_missing(system, server, settings)
    after = {_word(server, settings): server.unit}
    altered = [_in_data(server, "postgresql.auto.conf")]  # ALTER SYSTEM's file is read last of all
    others = {"files": altered, "match": _pattern(settings), **after}
    ours = {"path": _path(server), "lines": _lines(settings), **after}
    return together(
        [
            _behind_include(system, main, text, _pattern(settings), after),
            kind_comment_out.plan(system, others),
            kind_drop_in.plan(system, {**ours, "check": _checks(server, settings, fix)}),
        ]
    )


def _word(server: _Server, settings: dict[str, Any]) -> str:
    """A name that the server does not know yet is one of a library that it has yet to load."""
    restart = any(one in server.at_start or one not in server.values for one in settings)
    return "restart" if restart else "reload"


def _lines(settings: dict[str, Any]) -> list[str]:
    return ["{0} = {1}".format(name, _quoted(value)) for name, value in settings.items()]


def _libraries(system: Any, server: _Server, library: str) -> str:
    """What is loaded now, what our file will load at the next start, and the new one."""
    ours = content(system, _path(server)) or ""
    planned = re.findall(r"^{0} = '(.*)'$".format(_LIBRARIES), ours, re.M)
    lists = [server.values.get(_LIBRARIES, ""), *planned, library]
    names = [name.strip() for one in lists for name in one.split(",") if name.strip()]
    return ", ".join(dict.fromkeys(names))


def _path(server: _Server) -> str:
    return "{0}/conf.d/{1}".format(server.folder, _OURS)


def _quoted(value: Any) -> str:
    return "'{0}'".format(str(value).replace("'", "''"))


def _checks(server: _Server, settings: dict[str, Any], fix: dict[str, Any]) -> list[list[str]]:
    """The server's own reader of its files, and what it would only miss when it starts."""
    as_owner = ["runuser", "-u", server.owner, "--"]
    postgres = [server.programs + "/bin/postgres", "-D", server.folder, "-C", "data_directory"]
    found = [[*as_owner, *postgres]]
    if fix.get("preload"):
        found.append(["ls", "{0}/lib/{1}.so".format(server.programs, fix["preload"])])
    if "ssl" in settings:
        found += [[*as_owner, "head", "-c0", path] for path in _certificate(server)]
    return found


def _certificate(server: _Server) -> list[str]:
    return [_in_data(server, server.values[name]) for name in ("ssl_cert_file", "ssl_key_file")]


def _refuse_missing(system: Any, server: _Server, settings: dict[str, Any]) -> None:
    """One control that lacks its certificate must not take the others of its group down."""
    for path in _certificate(server) if "ssl" in settings else ():
        if not system.exists(path):
            raise FixFailed(
                "{0}, which PostgreSQL needs for TLS, is not there".format(path),
                "缺少 PostgreSQL 启用 TLS 所需的 {0}".format(path),
            )


def _in_data(server: _Server, path: str) -> str:
    return path if path.startswith("/") else server.values["data_directory"] + "/" + path


def _behind_include(system: Any, main: str, text: str, match: str, after: dict[str, Any]) -> Step:
    """What somebody added at the end of postgresql.conf is read after conf.d."""
    include = list(_INCLUDE.finditer(text))[-1].end()
    rest, gone = kind_comment_out.without(text[include:], re.compile(match), "#")
    changes = [Change(main, line, None) for line in gone]
    whole = text[:include] + rest
    items = file_items(system, main) if gone else []
    return told(after, changes, items, lambda hands: hands.write(main, whole))


def _pattern(settings: dict[str, Any]) -> str:
    return r"(?i)^({0})\s*(=|\s)".format("|".join(re.escape(one) for one in settings))
