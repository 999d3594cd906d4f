# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looking at files and removing them where others may write at the same time, as root.

Whoever may write to /tmp may swap a folder for a link between a look and a removal. So a file is
looked at and removed through the descriptor of its folder, and a file counts only while it is still
the one that was looked at.
"""

from __future__ import annotations

import os
import re
import stat
from typing import Any, Callable, Iterator, NamedTuple, Optional

from ansible_collections.storewarden.ops.plugins.module_utils.heal.open_files import in_use
from ansible_collections.storewarden.ops.plugins.module_utils.heal.tree_walk import (
    Bounds,
    Folder,
    Walk,
    mount_of,
    opened,
)

# A folder with one of these is a database's, wherever it lies.
_DATA_MARKS = frozenset(("PG_VERSION", "ibdata1", "aria_log_control", "appendonly.aof"))

NEVER = (
    "/home", "/root", "/etc", "/usr", "/boot", "/dev", "/proc", "/sys", "/run", "/var/lib",
    "/var/backups", "/var/spool", "/var/mail", "/var/www", "/backup", "/backups",
    "/srv/backup", "/srv/backups",
)  # fmt: skip
"""Where databases, accounts, backups, queues and restore points lie: no option opens them."""

# Below /var/lib, where all else is data: where PHP keeps its sessions (Debian and EL).
SESSIONS = ("/var/lib/php/sessions", "/var/lib/php/session")
SHARED = ("/tmp", "/var/tmp", "/dev/shm", *SESSIONS)
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


def long_enough(folder: str, days: Any) -> bool:
    """Whether files there may go after so many days without use. In the folders that all programs
    share they may be in use for hours without being touched."""
    try:
        number = float(days)
    except (TypeError, ValueError):
        return False
    return number >= 1.0 if folder.rstrip("/") in SHARED else number > 0.0


def files(
    root: str, folder: str, mount: int, data: Any = (), bounds: Optional[Bounds] = None
) -> Iterator[Found]:
    """Regular files below ``folder`` with one name only, on this mount. What lies in ``data``
    and folders of databases are left out; what cannot be reached has no files."""
    bounds = Bounds() if bounds is None else bounds
    for here in Walk(root, mount, bounds).through(folder):
        for _name, found in _in(here, data):
            yield found


class Sweep(NamedTuple):
    """Where files may go: below ``folder`` of the host, on this mount, nothing of ``data``."""

    root: str
    folder: str
    mount: int
    data: Any
    bounds: Bounds


def swept(sweep: Sweep, wanted: Callable[[Found], bool]) -> Iterator[Found]:
    """Remove each file that is ``wanted``, at the moment in which it is looked at; those that
    are gone. However many there are, none is remembered."""
    for here in Walk(sweep.root, sweep.mount, sweep.bounds).through(sweep.folder):
        for name, found in _in(here, sweep.data):
            if not wanted(found):
                continue
            try:
                os.unlink(name, dir_fd=here.descriptor)
            except OSError:
                continue
            yield found


def _in(here: Folder, data: Any) -> Iterator[tuple[str, Found]]:
    """Names and files directly in one folder; below it follow those that may be looked at."""
    if inside(here.path, data) or any(here.has(mark) for mark in _DATA_MARKS):
        return
    for name in here.names():
        if name.startswith(".") and name.endswith("-lock"):
            continue  # a screen's: .X0-lock
        found = _found(here.descriptor, here.path, name)
        if found is not None and not inside(found.path, data):
            yield name, found
    here.below[:] = [one for one in here.below if not _private(one)]


_PRIVATE = re.compile(
    r"systemd-private-|storewarden|podman-run-|containers-user-|snap-private-tmp"
    r"|\.(X11|ICE|font|XIM|Test)-unix$"
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


def remove(root: str, wanted: dict[str, Any], mount: int, used: frozenset[tuple[int, int]]) -> bool:
    """Remove ``{path, inode, written, touched}`` if that very file is still there, unopened,
    unread and unwritten since; whether it was removed. ``used`` is what ``open_now`` told: a file
    that was opened after it is known by ``touched``."""
    folder, name = os.path.split(wanted["path"])
    try:
        descriptor = opened(root, folder)
    except OSError:
        return False
    try:
        now = _found(descriptor, folder, name)
        if now is None or mount_of(descriptor) != mount or in_use(used, now.device, now.inode):
            return False
        if now.inode != wanted["inode"] or _apart(now.written, wanted["written"]):
            return False
        if _apart(now.touched, wanted["touched"]):
            return False
        os.unlink(name, dir_fd=descriptor)
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _apart(one: float, other: Any) -> bool:
    """Whether two times differ, beyond what is lost on the way through JSON."""
    return abs(one - float(other)) > 0.001
