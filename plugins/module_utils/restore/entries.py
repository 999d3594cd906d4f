# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One place in the file system: what lies there, and how to make it lie there again.

Access lists and capabilities are extended attributes, so they are kept as the kernel hands them
over, byte for byte. A socket is left out: it is a process's, not the file system's.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import fcntl
import hashlib
import os
import stat
import struct
from typing import Any, Iterator

from .blobs import Blobs
from .disk import file_digest, fresh, pour

Entry = dict[str, Any]

# <linux/fs.h>
_GETFLAGS, _SETFLAGS = 0x80086601, 0x40086602
_FLAGS = 0x10 | 0x20  # immutable, append only: they would stop an undo
_TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
    stat.S_IFSOCK: "socket",
}
_SPECIAL = {"fifo": stat.S_IFIFO, "char": stat.S_IFCHR, "block": stat.S_IFBLK}
_ACCESS = "system.posix_acl_"


def look(path: str) -> Entry | None:
    """What lies there, None when nothing does. Content as a digest."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    kind = _TYPES[stat.S_IFMT(found.st_mode)]
    entry: Entry = {"type": kind, "uid": found.st_uid, "gid": found.st_gid}
    if kind == "symlink":
        entry["target"] = os.readlink(path)
    else:
        entry["mode"] = stat.S_IMODE(found.st_mode)
    if kind == "file":
        entry["digest"] = file_digest(path)
        entry["size"] = found.st_size
    if kind in ("char", "block"):
        entry["device"] = found.st_rdev
    entry["xattr"] = _attributes(path, follow=False)
    if kind in ("file", "dir"):
        entry["flags"] = get_flags(path)
    return entry


def _attributes(path: str, follow: bool) -> dict[str, str]:
    found = {}
    with contextlib.suppress(OSError):
        for name in os.listxattr(path, follow_symlinks=follow):
            value = os.getxattr(path, name, follow_symlinks=follow)
            found[name] = base64.b64encode(value).decode("ascii")
    return found


def get_flags(path: str) -> int:
    """The flags that forbid writing; 0 where the file system has none."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return 0
    try:
        raw = fcntl.ioctl(handle, _GETFLAGS, struct.pack("l", 0))
        return int(struct.unpack("l", raw)[0]) & _FLAGS
    except OSError:
        return 0
    finally:
        os.close(handle)


def set_flags(path: str, wanted: int) -> None:
    """Set or clear the flags that forbid writing, leaving all others alone."""
    if get_flags(path) == wanted:
        return
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        now = struct.unpack("l", fcntl.ioctl(handle, _GETFLAGS, struct.pack("l", 0)))[0]
        fcntl.ioctl(handle, _SETFLAGS, struct.pack("l", (now & ~_FLAGS) | wanted))
    finally:
        os.close(handle)


def loosen(path: str) -> None:
    """Take the flags that forbid writing off a file or folder."""
    with contextlib.suppress(OSError):
        # Opening a device or a pipe may do something; they have no flags.
        if stat.S_IFMT(os.lstat(path).st_mode) in (stat.S_IFREG, stat.S_IFDIR):
            set_flags(path, 0)


@contextlib.contextmanager
def writable(path: str) -> Iterator[None]:
    """The place may be replaced; the folder that it lies in has its flags again afterwards."""
    folder = os.path.dirname(path)
    before = get_flags(folder)
    loosen(folder)
    loosen(path)
    try:
        yield
    finally:
        if before:
            set_flags(folder, before)


def remove(path: str) -> None:
    """Remove whatever is no folder with something in it."""
    with writable(path):
        if os.path.isdir(path) and not os.path.islink(path):
            os.rmdir(path)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def beside(path: str) -> str:
    """The name under which a new file is prepared; always the same, so a killed run's is reused."""
    mark = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return os.path.join(os.path.dirname(path), ".storewarden-" + mark)


def put(path: str, entry: Entry, blobs: Blobs, mtime: int | None) -> None:
    """Make what is not a folder lie there as it did, in one step for everyone who looks."""
    with writable(path):
        _put(path, entry, blobs, mtime)
    if entry.get("flags"):
        set_flags(path, entry["flags"])


def _put(path: str, entry: Entry, blobs: Blobs, mtime: int | None) -> None:
    new = beside(path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    kind = entry["type"]
    if kind == "file":
        with blobs.open(entry["digest"]) as source, fresh(new) as target:
            pour(source, target)
    elif kind == "symlink":
        os.symlink(entry["target"], new)
    else:
        os.mknod(new, _SPECIAL[kind] | 0o600, entry.get("device", 0))
    dress(new, {key: value for key, value in entry.items() if key != "flags"}, mtime)
    try:
        os.replace(new, path)
    except OSError as error:
        # A mount point cannot be renamed over; its content can be replaced.
        if kind != "file" or error.errno != errno.EBUSY:
            raise
        _overwrite(path, entry, blobs)
        dress(path, entry, mtime)
        os.unlink(new)


def _overwrite(path: str, entry: Entry, blobs: Blobs) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)
    with blobs.open(entry["digest"]) as source, os.fdopen(handle, "wb") as target:
        pour(source, target)


def dress(path: str, entry: Entry, mtime: int | None) -> None:
    """Owner, mode, attributes and time; the order matters, each step may undo an earlier one."""
    if "flags" in entry:
        with contextlib.suppress(OSError):
            set_flags(path, 0)
    if entry["type"] == "symlink":
        _dress(path, entry, mtime, follow=False)
    else:
        # By handle: whoever owns the folder could put a link to another file in this place.
        handle = os.open(path, os.O_PATH | os.O_NOFOLLOW)
        try:
            if _TYPES[stat.S_IFMT(os.fstat(handle).st_mode)] != entry["type"]:
                raise OSError(errno.ELOOP, "something else was put in its place", path)
            _dress("/proc/self/fd/{0}".format(handle), entry, mtime, follow=True)
        finally:
            os.close(handle)
    if entry.get("flags"):
        set_flags(path, entry["flags"])


def _dress(place: str, entry: Entry, mtime: int | None, follow: bool) -> None:
    os.chown(place, entry["uid"], entry["gid"], follow_symlinks=follow)
    if "mode" in entry:
        os.chmod(place, entry["mode"])
    _set_attributes(place, entry["xattr"], follow)
    if mtime is not None:
        os.utime(place, ns=(mtime, mtime), follow_symlinks=follow)


def _set_attributes(place: str, wanted: dict[str, str], follow: bool) -> None:
    now = _attributes(place, follow)
    for name in sorted(set(now) - set(wanted)):
        os.removexattr(place, name, follow_symlinks=follow)
    # An access list sets the mode's group bits as well, so it comes last.
    for name in sorted(wanted, key=lambda one: one.startswith(_ACCESS)):
        if now.get(name) != wanted[name] or name.startswith(_ACCESS):
            value = base64.b64decode(wanted[name])
            os.setxattr(place, name, value, follow_symlinks=follow)
