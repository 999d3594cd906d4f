# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looking at files and removing them where others may write at the same time, as root.

Whoever may write to /tmp may swap a folder for a link between a look and a removal. So every
folder is opened from its parent without following a link, a file is looked at and removed through
its folder's descriptor, and a file counts only while it is still the one that was looked at.
"""

from __future__ import annotations

import os
import re
import stat
from typing import Any, Iterator, NamedTuple

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A folder with one of these is a database's, wherever it lies.
_DATA_MARKS = frozenset(("PG_VERSION", "ibdata1", "aria_log_control", "appendonly.aof"))

NEVER = (
    "/home", "/root", "/etc", "/usr", "/boot", "/dev", "/proc", "/sys", "/run", "/var/lib",
    "/var/backups", "/var/spool", "/var/mail", "/var/www", "/backup", "/backups",
    "/srv/backup", "/srv/backups",
)  # fmt: skip
"""Where databases, accounts, backups, queues and restore points lie: no option opens them."""

_WHOLE = ("", "/", "/var", "/opt", "/srv", "/mnt", "/media")


class Found(NamedTuple):
    """One regular file: its path on the host, bytes that it takes, when it was last written,
    when it was last written, read or moved (seconds since 1970)."""

    path: str
    size: int
    written: float
    touched: float
    device: int
    inode: int


def inside(path: str, folders: Any) -> bool:
    """Whether ``path`` is one of the folders or lies below one."""
    return any(path == one or path.startswith(one.rstrip("/") + "/") for one in folders)


def forbidden(folder: str, data: Any = ()) -> bool:
    """Whether nothing may ever be removed below ``folder``: it is data, has data below it, or is
    no plain absolute path. What of ``data`` lies below it is left out later, file by file."""
    plain = os.path.normpath(folder)
    if plain != folder.rstrip("/") or not folder.startswith("/"):
        return True
    if plain in _WHOLE or inside(plain, (*NEVER, *data)):
        return True
    return any(inside(one, (plain,)) for one in NEVER)


def opened(root: str, folder: str) -> int:
    """A descriptor of ``folder``, reached without following one link. OSError when that fails."""
    here = os.open(root or "/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in folder.split("/"):
        if not part:
            continue
        outer = here
        try:
            here = os.open(part, _FOLDER, dir_fd=outer)
        finally:
            os.close(outer)
    return here


def mount_of(descriptor: int) -> int:
    """The kernel's number of the mount that a descriptor came through. Unlike a device number
    it tells a bind mount from its origin, and is the same for all files of an overlay."""
    with open("/proc/self/fdinfo/{0}".format(descriptor), encoding="ascii") as lines:
        for line in lines:
            if line.startswith("mnt_id:"):
                return int(line.split()[1])
    raise OSError("the kernel does not tell the mount of a descriptor")


def mount_at(root: str, folder: str) -> int:
    """As ``mount_of``, of a folder of the host. OSError when it cannot be reached."""
    descriptor = opened(root, folder)
    try:
        return mount_of(descriptor)
    finally:
        os.close(descriptor)


def files(root: str, folder: str, mount: int, data: Any = ()) -> Iterator[Found]:
    """Regular files below ``folder`` with one name only, on this mount. What lies in ``data``
    and folders of databases are left out; what cannot be reached has no files."""
    try:
        top = opened(root, folder)
    except OSError:
        return
    try:
        yield from _below(top, folder.rstrip("/"), mount, data)
    finally:
        os.close(top)


def _below(top: int, folder: str, mount: int, data: Any) -> Iterator[Found]:
    for where, folders, names, descriptor in os.fwalk(".", dir_fd=top):
        here = folder + where[1:]
        if mount_of(descriptor) != mount or inside(here, data) or _DATA_MARKS & set(names):
            folders[:] = []
            continue
        folders[:] = [one for one in folders if not _private(one)]
        for name in names:
            found = _found(descriptor, here, name)
            if found is not None and not inside(found.path, data):
                yield found


_PRIVATE = re.compile(
    r"systemd-private-|storewarden|\.(X11|ICE|font|XIM|Test)-unix$|snap-private-tmp"
)


def _private(name: str) -> bool:
    """Folders of temporary places that live as long as a service or a screen does."""
    return _PRIVATE.match(name) is not None


def _found(descriptor: int, folder: str, name: str) -> Found | None:
    try:
        info = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    except OSError:
        return None
    if not stat.S_ISREG(info.st_mode) or info.st_nlink != 1:
        return None
    return Found(
        path="{0}/{1}".format(folder, name),
        size=info.st_blocks * 512,
        written=info.st_mtime,
        touched=max(info.st_mtime, info.st_atime, info.st_ctime),
        device=info.st_dev,
        inode=info.st_ino,
    )


def remove(root: str, wanted: dict[str, Any], mount: int, in_use: Any) -> bool:
    """Remove ``{path, inode, written}`` if that very file is still there, unopened and unwritten
    since; whether it was removed."""
    folder, name = os.path.split(wanted["path"])
    try:
        descriptor = opened(root, folder)
    except OSError:
        return False
    try:
        now = _found(descriptor, folder, name)
        if now is None or mount_of(descriptor) != mount or (now.device, now.inode) in in_use:
            return False
        if now.inode != wanted["inode"] or int(now.written) != int(wanted["written"]):
            return False
        os.unlink(name, dir_fd=descriptor)
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)


def open_now() -> frozenset[tuple[int, int]]:
    """(device, inode) of every file that some process has open or mapped by its path."""
    found = set()
    for process in _processes():
        for place in ("fd", "map_files"):
            for one in _listed("{0}/{1}".format(process, place)):
                try:
                    info = os.stat(one)
                except OSError:
                    continue
                if stat.S_ISREG(info.st_mode):
                    found.add((info.st_dev, info.st_ino))
    return frozenset(found)


def _processes() -> Iterator[str]:
    return ("/proc/" + name for name in os.listdir("/proc") if name.isdigit())


def _listed(folder: str) -> list[str]:
    try:
        return ["{0}/{1}".format(folder, name) for name in os.listdir(folder)]
    except OSError:
        return []
