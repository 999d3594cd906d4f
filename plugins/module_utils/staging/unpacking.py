# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An archive unpacked into a new folder: the same rules again while it is written.

Links are made last, so nothing is ever written through one. Who packed it does not matter: owner
and group are given, nothing can be written by others, and no file is set-user or set-group.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from .listing import Listing
from .tar_stream import Entry, TarStream

_PIECE = 1 << 20
_MASK = 0o755
# By name: [kind, mode, digest or target]
Manifest = Dict[str, List[Any]]


class Wish(NamedTuple):
    """How an archive is to lie on the disk."""

    uid: int = 0
    gid: int = 0
    strip: int = 0
    most: Optional[int] = None


def unpack(archive: str, folder: str, wish: Wish, beat: Callable[[], None]) -> Manifest:
    """Fill ``folder``, which must be new and empty; Unfit or OSError leave it half full.

    ``beat`` is called again and again meanwhile. Nothing is flushed to the disk here.
    """
    listing = Listing(wish.most, wish.strip)
    work = _Unpacking(folder, wish, beat)
    for entry, content in TarStream(archive):
        beat()
        taken = listing.take(entry)
        if taken is not None:
            work.put(taken, content)
    listing.finish()
    work.finish(listing)
    return work.manifest


class _Unpacking:
    """One archive on its way into one folder."""

    def __init__(self, folder: str, wish: Wish, beat: Callable[[], None]) -> None:
        self._folder = folder
        self._wish = wish
        self._beat = beat
        self._modes: Dict[str, int] = {}
        self.manifest: Manifest = {}

    def put(self, entry: Entry, content: Any) -> None:
        self._make(posixpath.dirname(entry.name))
        if entry.kind == "folder":
            self._make(entry.name)
            self._modes[entry.name] = (entry.mode & _MASK) | 0o700
        elif entry.kind == "file":
            self._write(entry, content)
        elif entry.kind == "hard":
            os.link(self._at(entry.target), self._at(entry.name), follow_symlinks=False)
            self.manifest[entry.name] = list(self.manifest[entry.target])
        else:
            self.manifest[entry.name] = ["link", 0, entry.target]

    def finish(self, listing: Listing) -> None:
        """Links, which the listing has found to stay inside; then modes, the deepest first."""
        for name, target in listing.links.items():
            os.symlink(target, self._at(name))
            os.lchown(self._at(name), self._wish.uid, self._wish.gid)
        for name in sorted(self._modes, reverse=True):
            os.chmod(self._at(name), self._modes[name])
            os.chown(self._at(name), self._wish.uid, self._wish.gid)
            self.manifest[name] = ["folder", self._modes[name], ""]

    def _at(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def _make(self, name: str) -> None:
        """A folder with those above it, each 0755 until its own entry says otherwise."""
        if name and name not in self._modes:
            self._make(posixpath.dirname(name))
            os.mkdir(self._at(name), 0o755)
            self._modes[name] = 0o755

    def _write(self, entry: Entry, content: Any) -> None:
        mode = (entry.mode & _MASK) | 0o400
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        digest = hashlib.sha256()
        with os.fdopen(os.open(self._at(entry.name), flags, 0o600), "wb") as target:
            for piece in iter(lambda: content.read(_PIECE), b""):
                digest.update(piece)
                target.write(piece)
                self._beat()
            os.fchown(target.fileno(), self._wish.uid, self._wish.gid)
            os.fchmod(target.fileno(), mode)
        self.manifest[entry.name] = ["file", mode, digest.hexdigest()]


def differences(folder: str, manifest: Manifest) -> List[str]:
    """Names that are not as they were unpacked; what came since is not asked for."""
    return [
        name
        for name in sorted(manifest)
        if not _as_unpacked(os.path.join(folder, name), manifest[name])
    ]


def _as_unpacked(path: str, wanted: List[Any]) -> bool:
    kind, mode, value = wanted
    try:
        if kind == "link":
            return os.readlink(path) == value
        status = os.lstat(path)
        if status.st_mode & 0o7777 != mode:
            return False
        if kind == "folder":
            return os.path.isdir(path) and not os.path.islink(path)
        return _digest(path) == value
    except OSError:
        return False


def _digest(path: str) -> str:
    digest = hashlib.sha256()
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as source:
        for piece in iter(lambda: source.read(_PIECE), b""):
            digest.update(piece)
    return digest.hexdigest()
