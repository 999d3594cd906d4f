# SPDX-License-Identifier: GPL-3.0-or-later
"""Anchors on a disk: one line of JSON each, appended and synced, never rewritten.

Put it where whoever can write the ledger cannot (another owner, ``chattr +a``,
another machine's disk). A line that was torn by a power cut or a full disk was
never acknowledged: the next write begins a new line behind it, since it may be
forbidden to cut anything off, and reading leaves out what is only the beginning
of a line. Who tears a whole line afterwards gains nothing: the journal notes it.

After a restore that gave entries up, anchors of those entries are right and of
no use any more. They are not removed: a line marked ``restored`` says up to
which entry the ones above it still hold. It counts only where the journal tells
of that restore, too.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storewarden.adapters.ledger.anchors import anchor_from
from storewarden.domain.errors import AdapterError, LedgerConflict
from storewarden.ports.journal import canonical, stamp
from storewarden.ports.ledger import Anchor, Problem

FILE = "file"
"""The ``where`` of anchors in this file."""

_MARK = "restored"
_BEGIN = b'{"at":"'
"""Every line begins so: their keys are sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    anchor: Anchor
    restored: bool


class JsonAnchorFile:
    """The anchor file at ``path``; made (0600) with its first line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, anchor: Anchor) -> None:
        """Add a line; on the disk when it returns."""
        self._append(anchor, {})

    def mark_restored(self, anchor: Anchor) -> None:
        """From here on anchors above that are newer than ``anchor`` hold no longer."""
        self._append(anchor, {_MARK: True})

    def read(self) -> tuple[Anchor, ...]:
        """All lines in order. Raises LedgerConflict naming a line that is no anchor."""
        return tuple(line.anchor for line in self._lines() if not line.restored)

    def torn(self) -> tuple[Problem, ...]:
        """Lines that were left out because they were never written to their end."""
        what = "a torn line, which nobody was told was written, is left out"
        return tuple(
            Problem(where=f"{self.path}:{number}", what=what)
            for number, line in self._whole()
            if _is_torn(line)
        )

    def holding(self, restores: Collection[str]) -> tuple[Anchor, ...]:
        """The anchors that still hold; ``restores`` are the times of the journal's restores."""
        found: list[Anchor] = []
        for line in self._lines():
            if not line.restored:
                found.append(line.anchor)
            elif stamp(line.anchor.at) in restores:
                found = [each for each in found if each.sequence <= line.anchor.sequence]
        return tuple(found)

    def missing(self, noted: Iterable[Anchor]) -> tuple[Problem, ...]:
        """What the journal notes as written here, and is not."""
        here = {(anchor.sequence, anchor.hash) for anchor in self.read()}
        gone = sorted(
            anchor.sequence
            for anchor in noted
            if anchor.where == FILE and (anchor.sequence, anchor.hash) not in here
        )
        if not gone:
            return ()
        several = f" and of {len(gone) - 1} more" if len(gone) > 1 else ""
        what = f"cut off or altered: the anchor of entry {gone[0]}{several} is missing"
        return (Problem(where=f"anchor file {self.path}", what=what),)

    def _append(self, anchor: Anchor, more: dict[str, object]) -> None:
        fields = {
            "sequence": anchor.sequence,
            "hash": anchor.hash,
            "at": stamp(anchor.at),
            "where": anchor.where,
        }
        line = canonical({**fields, **more}) + b"\n"
        try:
            new = not self.path.exists()
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            handle = os.open(self.path, flags, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                _write_whole(handle, line if _at_line_start(handle) else b"\n" + line)
                os.fsync(handle)
            finally:
                os.close(handle)
            if new:
                _sync(self.path.parent)
        except OSError as failure:
            raise AdapterError(
                f"an anchor cannot be written: {failure.strerror}",
                where=str(self.path),
                hint="free some space there, or set controller.anchor_file to another place",
                retryable=True,
            ) from failure

    def _lines(self) -> tuple[_Line, ...]:
        whole = ((number, line) for number, line in self._whole() if not _is_torn(line))
        return tuple(_parsed(line, f"{self.path}:{number}") for number, line in whole)

    def _whole(self) -> list[tuple[int, bytes]]:
        """Numbered lines, without an unfinished last one."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as failure:
            raise AdapterError(
                f"cannot be read: {failure.strerror}", where=str(self.path)
            ) from failure
        return list(enumerate(content.split(b"\n")[:-1], 1))


def _parsed(line: bytes, where: str) -> _Line:
    try:
        data: dict[str, Any] = json.loads(line)
        return _Line(anchor=anchor_from(data), restored=data.get(_MARK) is True)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise LedgerConflict(
            "is no anchor: the line was altered",
            where=where,
            hint="compare it with the anchors in tickets and messages",
        ) from None


def _at_line_start(handle: int) -> bool:
    size = os.fstat(handle).st_size
    return size == 0 or os.pread(handle, 1, size - 1) == b"\n"


def _is_torn(line: bytes) -> bool:
    """Whether it is the beginning of a line and no more; some disks fill up with zero bytes."""
    begun = line.rstrip(b"\0")
    if not line or begun.endswith(b"}"):
        return False
    return begun.startswith(_BEGIN) or _BEGIN.startswith(begun)


def _write_whole(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
