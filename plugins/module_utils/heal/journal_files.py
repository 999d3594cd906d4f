# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The journal's archived files, and how old the newest line of each is.

``journalctl --vacuum-time`` goes by a file's oldest line: it removes a file that begins before
the limit together with its younger lines. A log that must be kept for six months may not be
vacuumed that way, so files are judged here by the newest line that their header names.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from typing import Any, Iterator

from ansible_collections.storewarden.ops.plugins.module_utils.heal.safe_files import (
    Found,
    files,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.tree_walk import opened

FOLDER = "/var/log/journal"
REMOTE = FOLDER + "/remote"  # what other hosts have sent: here those are the only copies
_ARCHIVED = re.compile(r".+@[0-9a-f-]+\.journal$|.+@[0-9a-f-]+\.journal~$")
_PLAINLY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SIGNATURE = b"LPKSHHRH"
_TAIL = 192  # where a header keeps tail_entry_realtime, microseconds since 1970
_HEADER = 208
_STATE, _ONLINE = 16, 1


def archived(root: str, mount: int, data: Any = ()) -> Iterator[tuple[Found, float]]:
    """Archived files on this mount, each with the time of its newest line. One that journald
    writes, or whose header cannot be read, is left out, and so is what other hosts have sent."""
    for found in files(root, FOLDER, mount, (REMOTE, *data)):
        if not _ARCHIVED.match(os.path.basename(found.path)):
            continue
        newest = newest_line(_header(root, found.path))
        if newest is not None:
            yield found, newest


def newest_line(header: bytes) -> float | None:
    """Seconds since 1970; None for what is no header of a journal that is at rest."""
    if len(header) < _HEADER or not header.startswith(_SIGNATURE) or header[_STATE] == _ONLINE:
        return None
    (microseconds,) = struct.unpack_from("<Q", header, _TAIL)
    return float(microseconds) / 1e6 if microseconds else None


def _read(name: str, folder: int) -> int:
    """A descriptor; where that is allowed, the file does not look read afterwards."""
    try:
        return os.open(name, _PLAINLY | os.O_NOATIME, dir_fd=folder)
    except PermissionError:
        return os.open(name, _PLAINLY, dir_fd=folder)


def _header(root: str, path: str) -> bytes:
    folder, name = os.path.split(path)
    try:
        outer = opened(root, folder)
        try:
            inner = _read(name, outer)
        finally:
            os.close(outer)
        with os.fdopen(inner, "rb") as file:
            if not stat.S_ISREG(os.fstat(inner).st_mode):
                return b""
            return file.read(_HEADER)
    except OSError:
        return b""
