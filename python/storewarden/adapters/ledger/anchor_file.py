# SPDX-License-Identifier: GPL-3.0-or-later
"""Anchors on a disk: one line of JSON each, appended and synced, never rewritten.

Put it where whoever can write the ledger cannot (another owner, ``chattr +a``,
another machine's disk). A line that was torn by a power cut was never
acknowledged: the next write cuts it off, reading leaves it out.

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
                _cut_torn(handle)
                _write_whole(handle, line)
                os.fsync(handle)
            finally:
                os.close(handle)
            if new:
                _sync(self.path.parent)
        except OSError as failure:
            raise AdapterError(
                f"an anchor cannot be written: {failure.strerror}",
                where=str(self.path),
                hint="set anchors.file to a place that can be written",
                retryable=True,
            ) from failure

    def _lines(self) -> tuple[_Line, ...]:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return ()
        except OSError as failure:
            raise AdapterError(
                f"cannot be read: {failure.strerror}", where=str(self.path)
            ) from failure
        whole = content[: content.rfind(b"\n") + 1].splitlines()
        return tuple(_parsed(line, f"{self.path}:{n}") for n, line in enumerate(whole, 1))


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


def _cut_torn(handle: int) -> None:
    """Remove an unfinished last line, whose writer never heard that it was written."""
    size = os.fstat(handle).st_size
    start = size
    while start > 0:
        begin = max(0, start - 4096)
        block = os.pread(handle, start - begin, begin)
        if start == size and block.endswith(b"\n"):
            return
        newline = block.rfind(b"\n")
        if newline >= 0:
            os.ftruncate(handle, begin + newline + 1)
            return
        start = begin
    if size:
        os.ftruncate(handle, 0)


def _write_whole(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
