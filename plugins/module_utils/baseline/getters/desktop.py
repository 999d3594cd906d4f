# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a desktop is told for all its users: dconf's system databases.

A key counts for everybody only when it is locked, and a database only as it was compiled. Where
several key files of the profile's databases name a key, every one of their values is told: whoever
has to rely on an order has two opinions on one host.
"""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import Getter

_PROFILE = "/etc/dconf/profile/user"


def _dconf(system: Any, query: dict[str, Any]) -> dict[str, Any]:
    folder, name = str(query["key"]).rsplit("/", 1)
    values: list[str] = []
    locked = False
    compiled = True
    for database in _databases(system):
        place = "/etc/dconf/db/{0}".format(database)
        sources = _files(system, place + ".d")
        locks = _files(system, place + ".d/locks")
        for path in sources:
            values += _values(system.lines(path), folder.strip("/"), name)
        lines = [line.strip() for path in locks for line in system.lines(path)]
        locked = locked or any(line == query["key"] for line in lines)
        compiled = compiled and _is_newer(system, place, [*sources, *locks])
    return {"values": sorted(set(values)), "locked": locked, "compiled": compiled}


def _databases(system: Any) -> list[str]:
    """The system databases of the profile that sessions use, in its order."""
    found = []
    for line in system.lines(_PROFILE):
        match = re.match(r"\s*system-db:([\w.-]+)\s*$", line)
        if match:
            found.append(match.group(1))
    return found


def _files(system: Any, folder: str) -> list[str]:
    paths = ["{0}/{1}".format(folder, name) for name in system.listdir(folder)]
    entries = [(path, system.stat(path)) for path in paths]
    return [path for path, entry in entries if entry is not None and entry.kind == "file"]


def _values(lines: list[str], section: str, name: str) -> list[str]:
    """Values of a key in a key file, without GVariant's type ("uint32 300" is 300)."""
    found, current = [], ""
    for line in lines:
        text = line.strip()
        if text.startswith("[") and text.endswith("]"):
            current = text[1:-1].strip("/")
        elif "=" in text and text[0] != "#" and current == section:
            key, value = (part.strip() for part in text.split("=", 1))
            if key == name:
                found.append(re.sub(r"^u?int\d+\s+", "", value).strip("'\""))
    return found


def _is_newer(system: Any, database: str, sources: list[str]) -> bool:
    """Whether `dconf update` ran after the last change of its sources."""
    made = system.stat(database)
    if made is None or made.kind != "file":
        return False
    times = [entry.mtime for entry in map(system.stat, sources) if entry is not None]
    return all(one <= made.mtime for one in times)


GETTERS = (Getter("dconf", _dconf, ("key",)),)
