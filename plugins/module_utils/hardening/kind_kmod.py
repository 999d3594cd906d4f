# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``kmod``: kernel modules that must not be loaded, taken out when they are."""

from __future__ import annotations

from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.kernel import GETTERS
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.own_lines import (
    HEADER,
    key_of,
    merged,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import Change, Step
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.telling import told, words
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.touching import (
    content,
    file_items,
)

_LOOK = next(one for one in GETTERS if one.name == "kmod").look
# modprobe takes the first install line it finds, so ours has to be read early.
_OURS = "/etc/modprobe.d/00-storewarden.conf"


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``blocked: [names]``. A module in use cannot be taken out: then the fix fails."""
    path = str(fix.get("path", _OURS))
    modules = _LOOK(system, {"names": words(fix["blocked"])})
    open_ = [one["name"] for one in modules if not one["blocked"]]
    loaded = [one["name"].replace("-", "_") for one in modules if one["loaded"]]
    now = content(system, path)
    lines = ["install {0} /bin/false".format(name) for name in open_]
    lines += ["blacklist {0}".format(name) for name in open_]
    text, different = merged(HEADER if now is None else now, lines, key_of(r"^\w+\s+\S+", None))
    changes = [Change("module {0}".format(name), "allowed", "blocked") for name in open_]
    changes += [Change("module {0} loaded".format(name), True, False) for name in loaded]
    items = file_items(system, path) if different else []
    items += [{"kind": "modules", "names": loaded}] if loaded else []

    def act(hands: Any) -> None:
        if different:
            hands.write(path, text)
        for name in loaded:
            hands.run(["modprobe", "-r", name])

    return told(fix, changes, items, act)
