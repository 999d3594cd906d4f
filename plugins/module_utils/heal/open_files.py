# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that processes have open or mapped, found without asking a server that may be dead.

To look at a file through /proc/PID/fd asks its filesystem, and on a hung network mount that takes
for ever. Which mount an open file came through, and of what kind that mount is, the kernel tells by
itself: only files on local mounts that it lists are looked at.
"""

from __future__ import annotations

import os
import stat
from typing import Iterator, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.heal.tree_walk import plain

ANY = -1
"""In place of a device: the kernel names the device of a mapped file otherwise than stat does
(overlay, btrfs), so a mapped file is known by its inode alone, which spares one too many."""

# Whoever asks one of these asks another machine, or a program. fuse.* is added below.
_ELSEWHERE = frozenset((
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "glusterfs", "lustre", "9p",
    "autofs", "fuse", "gfs2", "ocfs2", "beegfs", "pvfs2", "coda", "virtiofs",
))  # fmt: skip


class Open(NamedTuple):
    """One regular file that a process has open."""

    pid: int
    device: int
    inode: int


def elsewhere(kind: str) -> bool:
    """Whether a filesystem of that type is another machine's or a program's."""
    return kind in _ELSEWHERE or kind.startswith("fuse.")


def open_now(proc: str = "/proc") -> frozenset[tuple[int, int]]:
    """(device, inode) of every file that some process has open or mapped. Ask with ``in_use``."""
    found = {(one.device, one.inode) for one in opened_files(proc)}
    found.update((ANY, inode) for pid in _pids(proc) for inode in _mapped(proc, pid))
    return frozenset(found)


def in_use(used: frozenset[tuple[int, int]], device: int, inode: int) -> bool:
    """Whether that file is among those of ``open_now``."""
    return (device, inode) in used or (ANY, inode) in used


def opened_files(proc: str = "/proc") -> Iterator[Open]:
    """Every regular file on a local filesystem that a process has open."""
    local = local_mounts(proc)
    for pid in _pids(proc):
        for number in _listed("{0}/{1}/fd".format(proc, pid)):
            link = "{0}/{1}/fd/{2}".format(proc, pid, number)
            try:
                # Most are sockets and pipes, which have no path.
                if not os.readlink(link).startswith("/"):
                    continue
                if mount_of_open(proc, pid, number) not in local:
                    continue
                info = os.stat(link)
            except OSError:
                continue
            if stat.S_ISREG(info.st_mode):
                yield Open(pid, info.st_dev, info.st_ino)


def local_mounts(proc: str = "/proc") -> dict[int, str]:
    """Number and device (``8:2``) of each mount of a local filesystem, in all namespaces."""
    found: dict[int, str] = {}
    seen = set()
    for pid in _pids(proc):
        try:
            # Containers have mounts of their own; each table is read once.
            space = os.readlink("{0}/{1}/ns/mnt".format(proc, pid))
            if space in seen:
                continue
            seen.add(space)
            found.update(_table("{0}/{1}/mountinfo".format(proc, pid)))
        except OSError:
            continue
    return found


def own_device(path: str) -> str:
    """The device (``8:2``) of the filesystem that a path lies on, as this process's own table
    has it; empty when none is."""
    found, longest = "", -1
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            words = line.split(" ")
            below = plain(words[4]).rstrip("/") + "/"
            if (path.rstrip("/") + "/").startswith(below) and len(below) >= longest:
                found, longest = words[2], len(below)
    return found


def _table(path: str) -> Iterator[tuple[int, str]]:
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            left, _dash, right = line.partition(" - ")
            before, after = left.split(" "), right.split(" ")
            if len(before) > 4 and not elsewhere(after[0]):
                yield int(before[0]), before[2]


def mount_of_open(proc: str, pid: int, number: str) -> int:
    """The mount that an open file came through; -1 when that cannot be told."""
    try:
        path = "{0}/{1}/fdinfo/{2}".format(proc, pid, number)
        with open(path, encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith("mnt_id:"):
                    return int(line.split()[1])
    except (OSError, ValueError, IndexError):
        pass
    return -1


def _mapped(proc: str, pid: int) -> Iterator[int]:
    """Inodes of the files that a process has mapped."""
    try:
        path = "{0}/{1}/maps".format(proc, pid)
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                words = line.split(None, 5)
                if len(words) == 6 and words[4] != "0":
                    yield int(words[4])
    except (OSError, ValueError):
        return


def _pids(proc: str) -> list[int]:
    return sorted(int(name) for name in _listed(proc) if name.isdigit())


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
