# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How full a filesystem is, in the one formula of alert, repair and verification.

``df`` leaves out what is reserved for root and so shows another share than an alert does: 1 -
avail/size was 70.7 % where df said 22 %. Here it is what node_exporter measures: avail is
f_bavail, size is f_blocks (both times f_frsize), free inodes are f_ffree of f_files.
"""

from __future__ import annotations

import heapq
import os
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import Evidence
from ansible_collections.storewarden.ops.plugins.module_utils.heal.tree_walk import (
    Bounds,
    Folder,
    Walk,
    mount_at,
    plain,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

_UNITS = ("B", "kB", "MB", "GB", "TB")
_MOST = 10  # how many of the largest are told


class Room(NamedTuple):
    """Bytes and inodes of a filesystem; of inodes 0 where it counts none (btrfs)."""

    avail: int
    size: int
    inodes_free: int
    inodes: int

    @property
    def free_share(self) -> float:
        """node_filesystem_avail_bytes / node_filesystem_size_bytes."""
        return self.avail / self.size if self.size else 0.0

    @property
    def inode_share(self) -> float:
        """node_filesystem_files_free / node_filesystem_files."""
        return self.inodes_free / self.inodes if self.inodes else 1.0


def room(host: Host, mountpoint: str) -> Room:
    """OSError when it cannot be asked."""
    seen = os.statvfs(host.at(mountpoint))
    return Room(
        avail=seen.f_bavail * seen.f_frsize,
        size=seen.f_blocks * seen.f_frsize,
        inodes_free=seen.f_ffree,
        inodes=seen.f_files,
    )


def mounted(host: Host, mountpoint: str) -> bool:
    """Whether something is mounted exactly there, as /proc/self/mounts has it."""
    with open(host.at("/proc/self/mounts"), encoding="utf-8", errors="surrogateescape") as lines:
        return any(plain(line.split(" ")[1]) == mountpoint for line in lines if line.strip())


def human(size: float) -> str:
    """``1536000`` as ``1.5 MB``."""
    for unit in _UNITS:
        if abs(size) < 1000 or unit == _UNITS[-1]:
            break
        size /= 1000.0
    return "{0:.0f} {1}".format(size, unit) if unit == "B" else "{0:.1f} {1}".format(size, unit)


def percent(share: float) -> str:
    return "{0:.1f} %".format(100 * share)


class Largest(NamedTuple):
    """The largest files, folders by what lies directly in them, folders by their entries; whether
    all was read in time."""

    files: list[tuple[int, str]]
    folders: list[tuple[int, str]]
    entries: list[tuple[int, str]]
    whole: bool


def largest(host: Host, mountpoint: str, seconds: float = 20.0) -> Largest:
    """What takes the room on one filesystem; others that are mounted below are left out."""
    bounds = Bounds(seconds)
    found = Largest([], [], [], True)
    for here in Walk(host.root, mount_at(host.root, mountpoint), bounds).through(mountpoint):
        _count(here, found)
        for one in found[:3]:
            # Of millions of folders only those are remembered that may be told.
            if len(one) > 50 * _MOST:
                one[:] = heapq.nlargest(_MOST, one)
    kept = (heapq.nlargest(_MOST, one) for one in (found.files, found.folders, found.entries))
    return Largest(*kept, bounds.whole)


def _count(here: Folder, found: Largest) -> None:
    """Add one folder, and the largest files in it."""
    whole, number = 0, 0
    most: list[tuple[int, str]] = []
    for name in here.names():
        size = _size(here.descriptor, name)
        whole, number = whole + size, number + 1
        if len(most) < _MOST:
            heapq.heappush(most, (size, name))
        else:
            heapq.heappushpop(most, (size, name))
    found.folders.append((whole, here.path or "/"))
    found.entries.append((number + len(here.below), here.path or "/"))
    found.files.extend((size, "{0}/{1}".format(here.path, name)) for size, name in most)


def _size(descriptor: int, name: str) -> int:
    try:
        return os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_blocks * 512
    except OSError:
        return 0


def biggest(found: Largest) -> list[tuple[int, str]]:
    """The ten largest files and folders together; a folder that is one file is that file."""
    heavy = {os.path.dirname(path): size for size, path in reversed(found.files)}
    folders = [one for one in found.folders if heavy.get(one[1], 0) < 0.8 * one[0] and one[0]]
    named = [(size, path + "/") for size, path in folders] + [one for one in found.files if one[0]]
    return heapq.nlargest(_MOST, named)


def told(pairs: list[tuple[int, str]]) -> str:
    """On one line, for a reason."""
    return ", ".join("{0} {1}".format(path, human(size)) for size, path in pairs)


def pieces(found: Largest) -> tuple[Evidence, ...]:
    """The same as evidence."""
    rest = "" if found.whole else "(not all was read in time)\n"

    def lines(pairs: list[tuple[Any, str]]) -> str:
        return rest + "".join("{0}\t{1}\n".format(size, path) for size, path in pairs)

    return (
        Evidence("largest files (bytes)", lines(found.files)),
        Evidence("largest folders (bytes directly in them)", lines(found.folders)),
        Evidence("folders with the most entries", lines(found.entries)),
    )
