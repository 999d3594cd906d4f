# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Walking through folders as root, where others may write at the same time.

os.fwalk opens a name after a look at it, and waits: whoever may write to /tmp has it open a pipe
that nobody writes to, or a device; it walks into mounts of dead servers and as deep as somebody
makes folders. So every folder is opened as a folder only, from its parent and without following a
link; mount points are known from the kernel's table and never touched; depth, entries and time
have limits.
"""

from __future__ import annotations

import os
import time
from typing import Iterator

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DEPTH = 64  # one descriptor is held per level
_LOOK_EVERY = 256  # entries between two looks at the clock
_ESCAPES = (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\"))


class Bounds:
    """What a look may cost: seconds and entries. ``whole`` is False once something was left out
    because of that."""

    def __init__(self, seconds: float = 60.0, entries: int = 5_000_000) -> None:
        self.end = time.monotonic() + seconds
        self.entries = entries
        self.whole = True
        self._spent = False

    def more(self) -> bool:
        """Count one entry; whether it may still be looked at."""
        self.entries -= 1
        if self.entries < 0 or (self.entries % _LOOK_EVERY == 0 and self.over()):
            self._spent, self.whole = True, False
        return not self._spent

    def over(self) -> bool:
        return self._spent or time.monotonic() > self.end


def plain(text: str) -> str:
    """A path of /proc/mounts or fstab without its octal escapes."""
    for code, mark in _ESCAPES:
        text = text.replace(code, mark)
    return text


def mount_table() -> list[tuple[int, str]]:
    """The kernel's number and the place of every mount, in the order in which they were made."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        words = [line.split(" ") for line in lines]
    return [(int(one[0]), plain(one[4])) for one in words if len(one) > 4]


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


class Folder:
    """One folder that is open. Who takes ``names`` goes below it afterwards: into ``below``, which
    may be cut short."""

    def __init__(self, path: str, descriptor: int, bounds: Bounds, apart: frozenset[str]) -> None:
        self.path, self.descriptor = path, descriptor
        self.below: list[str] = []
        self._bounds, self._apart = bounds, apart

    def names(self) -> Iterator[str]:
        """Names of what is no folder, as they come: a folder may have millions of them."""
        try:
            with os.scandir(self.descriptor) as listed:
                for one in listed:
                    if not self._bounds.more():
                        return
                    if one.name in self._apart:
                        continue
                    if one.is_dir(follow_symlinks=False):
                        self.below.append(one.name)
                    else:
                        yield one.name
        except OSError:
            return

    def has(self, name: str) -> bool:
        """Whether something of that name lies in it."""
        if name in self._apart:
            return False
        try:
            os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except OSError:
            return False
        return True


class Walk:
    """Folders of one mount: ``mount`` is its number; paths are the host's, below ``root``."""

    def __init__(self, root: str, mount: int, bounds: Bounds) -> None:
        self._root, self._mount, self._bounds = root, mount, bounds
        self._real = "" if root in ("", "/") else os.path.realpath(root)
        self._table = mount_table()
        self._apart: dict[str, set[str]] = {}
        for _number, place in self._table:
            above, _slash, name = place.rpartition("/")
            self._apart.setdefault(above, set()).add(name)

    def through(self, folder: str) -> Iterator[Folder]:
        """``folder`` and all below it on this mount, each before what lies below it. What cannot
        be reached is left out."""
        folder = folder.rstrip("/")
        if self._lies_on(self._real + folder) != self._mount:
            return
        try:
            top = opened(self._root, folder)
        except OSError:
            return
        first = self._folder(folder, top)
        open_ones = [] if first is None else [first]
        try:
            if first is not None:
                yield first
            while open_ones:
                here = self._next(open_ones)
                if here is not None:
                    yield here
        finally:
            for one in open_ones:
                os.close(one.descriptor)

    def _next(self, open_ones: list[Folder]) -> Folder | None:
        """The next folder below the last open one; closes that one when it has no more."""
        last = open_ones[-1]
        if not last.below or self._bounds.over():
            self._bounds.whole = self._bounds.whole and not last.below
            os.close(open_ones.pop().descriptor)
            return None
        name = last.below.pop()
        if len(open_ones) >= _DEPTH:
            self._bounds.whole = False
            return None
        try:
            descriptor = os.open(name, _FOLDER, dir_fd=last.descriptor)
        except OSError:
            return None
        found = self._folder("{0}/{1}".format(last.path, name), descriptor)
        if found is not None:
            open_ones.append(found)
        return found

    def _folder(self, path: str, descriptor: int) -> Folder | None:
        """An open folder; None, and closed, when it lies on another mount after all."""
        try:
            if mount_of(descriptor) == self._mount:
                apart = frozenset(self._apart.get(self._real + path, ()))
                return Folder(path, descriptor, self._bounds, apart)
        except OSError:
            pass
        os.close(descriptor)
        return None

    def _lies_on(self, path: str) -> int:
        """The mount that a path lies on, as the kernel's table has it; nothing is touched."""
        found = -1
        longest = -1
        for number, place in self._table:
            below = place.rstrip("/") + "/"
            if (path + "/").startswith(below) and len(below) >= longest:
                found, longest = number, len(below)
        return found
