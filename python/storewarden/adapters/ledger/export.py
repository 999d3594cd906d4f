# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal as lines of JSON, and the check of such a file on any machine.

A line holds every stored field of one entry, the body as the text that was
hashed, so that whoever has the file and ``ports/journal.py`` (or an auditor's own
ten lines) can compute the chain again. The last line is the head: a file that was
cut off at a line lacks it. A line must be exactly as it was written; only the time of the
export itself, in the head, is nobody's proof.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from storewarden.adapters.ledger import journal
from storewarden.adapters.ledger.chain import ChainCheck, link_of
from storewarden.adapters.ledger.verify import listed, pages
from storewarden.ports.journal import Sealed, stamp
from storewarden.ports.ledger import Problem, Verification

FORMAT = "storewarden-journal-export-1"
_FIELDS = frozenset({*Sealed.__slots__, "hash"})
_HEAD = frozenset({"format", "at", "entries", "sequence", "hash"})


def lines(connection: Connection, now: datetime) -> Iterator[str]:
    """All entries in order, then the head; ``connection`` sees one moment."""
    number = 0
    for rows in pages(connection):
        for row in rows:
            number += 1
            body = bytes(row["body"]).decode("utf-8", "surrogateescape")
            yield _line({**row, "body": body})
    head = journal.head(connection)
    about = {"format": FORMAT, "at": stamp(now), "entries": number}
    yield _line({"head": {**about, "sequence": head.sequence, "hash": head.hash}})


def check(told: Iterable[str], known: Mapping[int, str]) -> Verification:
    """The chain in an export against itself, its head line and ``known`` hashes."""
    reading = _Reading(known)
    for number, line in enumerate(told, 1):
        reading.take(number, line)
    return reading.close()


class _Reading:
    """Takes the lines of an export."""

    def __init__(self, known: Mapping[int, str]) -> None:
        self._chain = ChainCheck(known)
        self._problems: list[Problem] = []
        self._doubts: list[Problem] = []  # told behind what explains them
        self._head: Mapping[str, Any] | None = None

    def take(self, number: int, line: str) -> None:
        """The next line."""
        where = f"line {number}"
        if self._head is not None:
            self._say(where, "inserted: it stands behind the head line")
            return
        try:
            data = json.loads(line)
            if line.rstrip("\n") != _line(data):  # a key that stands twice says two things
                self._doubt(where, "altered: it is not as the export wrote it")
            if set(data) == {"head"}:
                self._head = data["head"]
            else:
                self._entry(where, data)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self._say(where, "altered: it is no entry of a journal")

    def close(self) -> Verification:
        """Everything found."""
        if self._head is None:
            self._say("export", "cut off: its last line, the head, is missing")
            heads = [(self._chain.last.sequence, self._chain.last.hash)]
        else:
            heads = [self._told_head(self._head)]
        problems = [*self._problems, *self._chain.close(heads), *self._doubts]
        last = self._chain.last.hash
        return Verification(entries=self._chain.entries, head=last, problems=listed(problems))

    def _entry(self, where: str, data: Mapping[str, Any]) -> None:
        if set(data) != _FIELDS or type(data["sequence"]) is not int:
            raise ValueError("not the fields of an entry")
        if data["sequence"] <= self._chain.last.sequence:
            last = self._chain.last.sequence
            what = f"re-ordered: entry {data['sequence']} stands behind entry {last}"
            self._say(where, what)
            return
        body = data["body"].encode("utf-8", "surrogateescape")
        self._chain.take(link_of({**data, "body": body}))

    def _told_head(self, head: Mapping[str, Any]) -> tuple[int, str]:
        try:
            if head["format"] == FORMAT and set(head) == _HEAD:
                if head["entries"] != self._chain.entries:
                    self._doubt("export", "altered: its head line tells another number of entries")
                if type(head["sequence"]) is int and isinstance(head["hash"], str):
                    return head["sequence"], head["hash"]
        except (KeyError, TypeError, ValueError):
            pass
        self._say("export", "altered: its head line cannot be read")
        return self._chain.last.sequence, self._chain.last.hash

    def _doubt(self, where: str, what: str) -> None:
        self._doubts.append(Problem(where=where, what=what))

    def _say(self, where: str, what: str) -> None:
        self._problems.append(Problem(where=where, what=what))


def _line(data: Mapping[str, object]) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
