# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A path with all below it, or the path alone: look, keep, put back.

Nothing there is a state like any other: what a change created is removed again, with the folders
it made for it. Other file systems mounted below are not entered.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Any, Iterator

from .context import Context
from .entries import (
    Entry,
    beside,
    dress,
    get_flags,
    look,
    loosen,
    put,
    remove,
    set_flags,
    writable,
)
from .failures import RestoreError

State = dict[str, Any]
# A file takes whole blocks of the disk.
_BLOCK = 4096


def observe(context: Context, path: str, deep: bool = True) -> State:
    """``entries`` by path below the item (the item itself is ``.``), and ``missing``.

    ``missing`` is the topmost folder or file that does not exist, None when all is there.
    """
    entries: dict[str, Entry] = {}
    first_links: dict[tuple[int, int], str] = {}
    for below in _walk(context, path, deep):
        real = context.host.at(_join(path, below))
        entry = look(real)
        if entry is None or entry["type"] == "socket":
            continue
        entries[below] = entry
        if entry["type"] == "file":
            _note_link(real, below, entry, first_links)
    return {"entries": entries, "missing": None if entries else _first_missing(context, path)}


def _join(path: str, below: str) -> str:
    return path if below == "." else path + "/" + below


def _walk(context: Context, path: str, deep: bool) -> list[str]:
    found = ["."]
    if deep:
        _below(context, path, ".", found)
    return found


def _below(context: Context, path: str, folder: str, found: list[str]) -> None:
    here = context.host.at(_join(path, folder))
    try:
        if not stat.S_ISDIR(os.lstat(here).st_mode) or (folder != "." and os.path.ismount(here)):
            return
        names = sorted(os.listdir(here))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        below = name if folder == "." else folder + "/" + name
        if not context.exclusions.cover(_join(path, below)):
            found.append(below)
            _below(context, path, below, found)


def _note_link(real: str, below: str, entry: Entry, firsts: dict[tuple[int, int], str]) -> None:
    """Two names of one file stay two names of one file."""
    status = os.lstat(real)
    if status.st_nlink > 1:
        first = firsts.setdefault((status.st_dev, status.st_ino), below)
        if first != below:
            entry["same_as"] = first


def _first_missing(context: Context, path: str) -> str:
    missing = path
    while os.path.dirname(missing) != "/":
        above = os.path.dirname(missing)
        if os.path.lexists(context.host.at(above)):
            break
        missing = above
    return missing


def size(context: Context, path: str, deep: bool = True) -> int:
    """Bytes of the regular files."""
    total = 0
    for below in _walk(context, path, deep):
        with contextlib.suppress(OSError):
            status = os.lstat(context.host.at(_join(path, below)))
            total += -(-status.st_size // _BLOCK) * _BLOCK if stat.S_ISREG(status.st_mode) else 0
    return total


def keep(context: Context, path: str, state: State) -> State:
    """Take the contents in; returns what else is needed later: times, and folders above."""
    times = {}
    for below, entry in state["entries"].items():
        real = context.host.at(_join(path, below))
        if entry["type"] == "file":
            context.blobs.keep(real, entry["digest"])
        times[below] = os.lstat(real).st_mtime_ns
    return {"times": times, "above": _above(context, path)}


def _above(context: Context, path: str) -> list[list[Any]]:
    """The folders above, top first, without their attributes: for when they vanish."""
    found: list[list[Any]] = []
    folder = os.path.dirname(path)
    while folder != "/":
        if os.path.isdir(context.host.at(folder)):
            status = os.stat(context.host.at(folder))
            mode = stat.S_IMODE(status.st_mode)
            found.insert(0, [folder, mode, status.st_uid, status.st_gid])
        folder = os.path.dirname(folder)
    return found


def digests(state: State) -> list[str]:
    """The contents that the state needs from the pack."""
    return [one["digest"] for one in state["entries"].values() if one["type"] == "file"]


def restore(context: Context, path: str, state: State, extra: State, deep: bool = True) -> bool:
    """Make it as it was; returns whether anything had to be done.

    All that can be put back is, also when something cannot: then RestoreError says what.
    """
    now = observe(context, path, deep)
    if now == state:
        _forget_half_made(context, path)
        return False
    if _opened_way(context, path, state["missing"]):
        now = observe(context, path, deep)
    work = _Work(context, path, state["entries"], extra)
    work.clear(now["entries"])
    work.fill(now["entries"])
    if not state["entries"]:
        work.drop_folders(state["missing"])
    if work.wrong:
        raise RestoreError("; ".join(work.wrong[:5]))
    return True


def _opened_way(context: Context, path: str, missing: str | None) -> bool:
    """No folder above is a link now (at capture none was): restoring would act on what lies
    behind it. One that came where nothing was is removed: True; RestoreError for any other."""
    removed = False
    folder = os.path.dirname(path)
    above = [folder]
    while os.path.dirname(above[-1]) != above[-1]:
        above.append(os.path.dirname(above[-1]))
    for place in reversed(above):
        real = context.host.at(place)
        if place != "/" and os.path.islink(real):
            if missing is None or len(place) < len(missing):
                raise RestoreError("{0} was a folder and is a link now".format(place))
            remove(real)
            removed = True
    return removed


def _forget_half_made(context: Context, path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(beside(context.host.at(path)))


class _Work:
    """One restoring of one tree, with what went wrong on the way."""

    def __init__(self, context: Context, path: str, wanted: dict[str, Entry], extra: State) -> None:
        self._context = context
        self._path = path
        self._wanted = wanted
        self._extra = extra
        self.wrong: list[str] = []

    def _real(self, below: str) -> str:
        return self._context.host.at(_join(self._path, below))

    def clear(self, now: dict[str, Entry]) -> None:
        """Remove what was not there, or was of another kind; the deepest first."""
        for below in sorted(now, key=lambda one: one.count("/"), reverse=True):
            wanted = self._wanted.get(below)
            if wanted is None or (wanted["type"] == "dir") != (now[below]["type"] == "dir"):
                self._tried(below, lambda below=below: self._clear(below))

    def _clear(self, below: str) -> None:
        real = self._real(below)
        if os.path.isdir(real) and not os.path.islink(real):
            self._clear_folder(real, _join(self._path, below))
        remove(real)

    def _clear_folder(self, real: str, path: str) -> None:
        """Below an undeclared folder, what is not excluded goes; sockets too."""
        for name in os.listdir(real):
            inner = os.path.join(real, name)
            if self._context.exclusions.cover(path + "/" + name):
                continue
            if os.path.isdir(inner) and not os.path.islink(inner) and not os.path.ismount(inner):
                self._clear_folder(inner, path + "/" + name)
            remove(inner)

    def fill(self, now: dict[str, Entry]) -> None:
        """Folders from the top, then their contents, then the folders' own dress from below."""
        if self._wanted and not self._tried(".", self._make_above):
            return
        folders = [below for below, one in self._wanted.items() if one["type"] == "dir"]
        for below in sorted(folders, key=_depth):
            self._tried(below, lambda below=below: self._make_folder(below))
        # A file's first name has to be there before its further names.
        for below in sorted(self._wanted, key=lambda one: "same_as" in self._wanted[one]):
            if below not in folders and (self._wanted[below] != now.get(below)):
                self._tried(below, lambda below=below: self._make(below, now.get(below)))
        for below in sorted(folders, key=_depth, reverse=True):
            self._tried(below, lambda below=below: self._dress_folder(below))

    def _make_above(self) -> None:
        for folder, mode, uid, gid in self._extra["above"]:
            real = self._context.host.at(folder)
            if not os.path.lexists(real):
                os.mkdir(real, 0o700)
                os.chown(real, uid, gid)
                os.chmod(real, mode)
            elif not _is_folder(real):
                raise RestoreError("{0} is no folder any more".format(folder))

    def _make_folder(self, below: str) -> None:
        real = self._real(below)
        if _is_folder(real):
            loosen(real)
        else:
            with writable(real):
                os.mkdir(real, 0o700)

    def _make(self, below: str, now: Entry | None) -> None:
        entry = self._wanted[below]
        time = self._extra["times"].get(below)
        if "same_as" in entry:
            self._link(below, entry["same_as"])
        elif now is not None and _same_thing(entry, now) and self._alone(below):
            dress(self._real(below), entry, time)
        else:
            put(self._real(below), entry, self._context.blobs, time)

    def _alone(self, below: str) -> bool:
        """A second name may be one of a file that is none of ours."""
        status = os.lstat(self._real(below))
        return stat.S_ISDIR(status.st_mode) or status.st_nlink == 1

    def _link(self, below: str, first: str) -> None:
        real, original = self._real(below), self._real(first)
        if os.path.lexists(real) and os.path.samestat(os.lstat(real), os.lstat(original)):
            return
        new = beside(real)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        with writable(real), _unfixed(original):
            os.link(original, new, follow_symlinks=False)
            os.replace(new, real)

    def _dress_folder(self, below: str) -> None:
        """Always when anything changed: filling a folder changes its time."""
        dress(self._real(below), self._wanted[below], self._extra["times"].get(below))

    def drop_folders(self, missing: str) -> None:
        """The folders that were made for something that is gone again, as far as they are empty."""
        folder = os.path.dirname(self._path)
        while len(folder) >= len(missing) and folder != "/":
            with contextlib.suppress(OSError):
                os.rmdir(self._context.host.at(folder))
            folder = os.path.dirname(folder)

    def _tried(self, below: str, step: Any) -> bool:
        try:
            step()
        except (OSError, RestoreError) as error:
            self.wrong.append("{0}: {1}".format(_join(self._path, below), error))
            return False
        return True


def _is_folder(real: str) -> bool:
    return os.path.isdir(real) and not os.path.islink(real)


@contextlib.contextmanager
def _unfixed(real: str) -> Iterator[None]:
    """Nobody, root included, may give a further name to a file that is immutable."""
    flags = get_flags(real)
    loosen(real)
    try:
        yield
    finally:
        if flags:
            set_flags(real, flags)


def _depth(below: str) -> int:
    return 0 if below == "." else 1 + below.count("/")


_INNER = ("type", "digest", "size", "target", "device")


def _same_thing(wanted: Entry, now: Entry) -> bool:
    """Whether only its dress differs. A second name of a file is never changed in place."""
    alike = all(wanted.get(key) == now.get(key) for key in _INNER)
    return alike and wanted["type"] != "symlink" and "same_as" not in now
