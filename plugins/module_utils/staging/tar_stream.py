# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tar archive read once from front to back, plain or compressed, without trusting its numbers.

Python's tarfile believes what an archive says about itself: it takes a header of any length into
memory, ends without a word at a damaged header, and takes a file that was cut off between two
members for whole. The stream beneath it refuses the first and remembers enough to notice the rest.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from typing import Any, BinaryIO, Iterator, NamedTuple

from .unfit import Unfit

_LARGEST_READ = 1 << 22
_BLOCK = 512
_MOST_PADDING = 1 << 20
_MAGIC = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", lzma.open))
# What compressed data that is damaged or cut off makes of the libraries.
_BROKEN = (
    EOFError,
    zlib.error,
    lzma.LZMAError,
    OSError,
    tarfile.TarError,
    UnicodeError,
    ValueError,
)
_KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "link",
    tarfile.LNKTYPE: "hard",
}


class Entry(NamedTuple):
    """One member: ``kind`` is file, folder, link, hard, or another; ``target`` of a link."""

    name: str
    kind: str
    mode: int
    size: int
    target: str


class _Stream:
    """What tarfile reads from: forward only, in small pieces."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self._at = 0
        self.last = b""  # the last block of a header's size that was read

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _LARGEST_READ:
            raise Unfit("the archive has a header of {0} bytes".format(size),
                        "归档中有 {0} 字节的头部".format(size))  # fmt: skip
        data: bytes = self._source.read(size)
        self._at += len(data)
        if size == _BLOCK:
            self.last = data
        return data

    def tell(self) -> int:
        return self._at

    def seek(self, place: int, whence: int = 0) -> int:
        if whence != 0 or place < self._at:
            raise Unfit("the archive cannot be read from front to back", "归档无法顺序读取")
        while self._at < place:
            if not self.read(min(_LARGEST_READ, place - self._at)):
                break
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    @property
    def closed(self) -> bool:
        return False


class TarStream:
    """``for entry, content in TarStream(path)``: each member, its content to be read at once."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __iter__(self) -> Iterator[tuple[Entry, Any]]:
        """Unfit as soon as something is wrong with the archive itself."""
        try:
            with open(self._path, "rb") as raw, _plain(raw) as source:
                yield from _members(_Stream(source))
        except _BROKEN as error:
            raise damaged(error) from None


def damaged(error: BaseException) -> Unfit:
    said = " ".join(str(error).split()) or type(error).__name__
    return Unfit(
        "the archive is damaged or cut off: {0}".format(said),
        "归档已损坏或被截断：{0}".format(said),
    )


def _plain(raw: BinaryIO) -> Any:
    begin = raw.read(6)
    raw.seek(0)
    for magic, opener in _MAGIC:
        if begin.startswith(magic):
            return opener(raw, "rb")
    return raw


def _members(stream: _Stream) -> Iterator[tuple[Entry, Any]]:
    with tarfile.open(fileobj=stream, mode="r:", encoding="utf-8", errors="strict") as archive:  # type: ignore[call-overload]
        while True:
            member = archive.next()
            if member is None:
                break
            yield _entry(member), archive.extractfile(member) if member.isreg() else None
            # tarfile keeps all members it has seen
            archive.members = []
    if stream.last != bytes(_BLOCK):
        raise tarfile.ReadError("it has no end")
    _to_the_end(stream)


def _to_the_end(stream: _Stream) -> None:
    """Behind the archive there is padding only; what was cut off there shows when it is read."""
    if stream.read(_MOST_PADDING) and stream.read(1):
        raise tarfile.ReadError("something lies behind its end")


def _entry(member: tarfile.TarInfo) -> Entry:
    kind = "sparse" if member.issparse() else _KINDS.get(member.type, "special")
    return Entry(member.name, kind, member.mode, member.size, member.linkname)
