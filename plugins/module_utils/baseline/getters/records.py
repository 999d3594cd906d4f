# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files as such, and rules on our own records."""

from __future__ import annotations

from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import Getter, texts
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.operators import mode_within
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    QUERY,
    ProbeError,
)


def _stat(system: Any, query: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = query.get("kinds")
    seen: dict[str, dict[str, Any]] = {}
    for pattern in texts(query["paths"]):
        for path in system.glob(pattern):
            entry = system.stat(path, follow=bool(query.get("follow", False)))
            if entry is not None and (not kinds or entry.kind in kinds):
                seen[path] = _described(system, path, entry)
    found = [one for one in seen.values() if _beyond(one, query.get("beyond") or {})]
    return sorted(found, key=lambda one: one["mtime"])[-1:] if query.get("newest") else found


def _beyond(entry: dict[str, Any], limit: dict[str, Any]) -> bool:
    """Whether an entry has a permission outside ``mode`` or an owner that is not in ``owner``."""
    unknown = set(limit) - {"mode", "owner"}
    if unknown:
        raise ProbeError(QUERY, "stat knows no beyond.{0}".format(sorted(unknown)[0]))
    wide = "mode" in limit and not mode_within(entry["mode"], limit["mode"])
    foreign = "owner" in limit and entry["owner"] not in texts(limit["owner"])
    return wide or foreign or not limit


def _described(system: Any, path: str, entry: Any) -> dict[str, Any]:
    return {
        "path": path,
        "kind": entry.kind,
        "mode": "{0:04o}".format(entry.mode),
        "owner": system.user_name(entry.uid),
        "group": system.group_name(entry.gid),
        "size": entry.size,
        "mtime": int(entry.mtime),
    }


def _value(_system: Any, query: dict[str, Any]) -> Any:
    return query["of"]


GETTERS = (
    Getter("stat", _stat, ("paths",), ("follow", "kinds", "newest", "beyond")),
    Getter("value", _value, ("of",)),
)
