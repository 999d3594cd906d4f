# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files as such, saved device configurations, and rules on our own records."""

from __future__ import annotations

import re
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


def _netcfg(_system: Any, query: dict[str, Any]) -> list[str]:
    """Matching lines of a saved configuration; section limits them to indented blocks."""
    if query["text"] is None:
        raise ProbeError(QUERY, "no saved configuration of this device")
    wanted = re.compile(str(query["match"]))
    section = re.compile(str(query["section"])) if query.get("section") else None
    inside = section is None
    found = []
    for line in str(query["text"]).splitlines():
        if section is not None and not line.startswith((" ", "\t")):
            inside = section.search(line) is not None
            continue
        if inside and wanted.search(line):
            found.append(line.strip())
    return found


def _value(_system: Any, query: dict[str, Any]) -> Any:
    return query["of"]


GETTERS = (
    Getter("stat", _stat, ("paths",), ("follow", "kinds", "newest", "beyond")),
    Getter("netcfg", _netcfg, ("text", "match"), ("section",)),
    Getter("value", _value, ("of",)),
)
