# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose program listens on a port of this machine.

While the service is down, anybody may listen where it would, and be sent the tokens that are
meant for it. The kernel knows whose socket it is.
"""

from __future__ import annotations

from pathlib import Path

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LOCAL, _STATE, _USER = 1, 3, 7  # columns: address:port, state, uid
_LISTENS = "0A"


def listening_users(port: int, tables: tuple[Path, ...] = _TABLES) -> frozenset[int]:
    """The user ids whose programs listen on TCP ``port``; none when it cannot be told."""
    found = set[int]()
    for table in tables:
        try:
            lines = table.read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue  # no such system, or no IPv6
        for columns in (line.split() for line in lines):
            if columns[_STATE] == _LISTENS and int(columns[_LOCAL].split(":")[1], 16) == port:
                found.add(int(columns[_USER]))
    return frozenset(found)
