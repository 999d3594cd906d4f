# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts took back by themselves, read into the journal at the next contact.

The host keeps telling until its restore point expires, so each record is journaled once: under
the host's name, by restore point and number. The change that owns the restore point gets a note,
since its outcome is not what it was taken for; people are told from the journal entry.

A contact is an audit or a hardening that does something else: whatever fails here must not fail
that, and is tried again at the next contact.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from storewarden.domain.baseline.restored import UndoRecord, undo_records
from storewarden.domain.change.commands import Note
from storewarden.domain.change.decide import decide
from storewarden.domain.change.events import Decision, EventKind
from storewarden.domain.change.machine import allows
from storewarden.domain.change.numbers import parse_number
from storewarden.domain.change.people import CLOCK
from storewarden.domain.change.record import Change
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.errors import StorewardenError
from storewarden.domain.outbox.restore_words import RESTORED
from storewarden.ports.changes import ChangeBook
from storewarden.ports.clock import Clock
from storewarden.ports.ledger import JournalEntry, Ledger

_UNDONE_AT_MOST = 9  # times that one restore point is undone; some of them were asked for
PART = "restore_records"
"""The key of a report under which a host tells them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordReader:
    """Reads undo records out of reports; see the module."""

    ledger: Ledger
    book: ChangeBook
    clock: Clock
    rules: ApprovalRules

    def __call__(self, host: str, report: Mapping[str, object]) -> None:
        """Take in what ``host`` tells."""
        for record in undo_records(host, report.get(PART)):
            with suppress(StorewardenError):
                if record.by_itself:
                    self._take(record)

    def _take(self, record: UndoRecord) -> None:
        run = run_of(record.host)
        if self.ledger.entry(run, record.key) is None:
            self.ledger.append(RESTORED, body_of(record), run=run, step=record.key)
        self._explain(record)

    def _explain(self, record: UndoRecord) -> None:
        """On the change, under a key of its own: a second contact adds nothing."""
        if not is_number(record.owner):
            return
        change = self.book.change(record.owner)
        key = f"restored {record.host} {record.key}"
        if change is None or not allows(change.state, EventKind.NOTED):
            return
        if self.ledger.entry(record.owner, key) is not None:
            return
        now = self.clock.now()

        def judge(current: Change) -> Decision:
            return decide(current, Note(text=told(record)), CLOCK, self.rules, now)

        self.book.amend(record.owner, key, judge)


def recorded(ledger: Ledger, host: str, point: str) -> tuple[UndoRecord, ...]:
    """What the journal has of one restore point of one host."""
    keys = (f"{point} {number}" for number in range(1, _UNDONE_AT_MOST + 1))
    entries = (ledger.entry(run_of(host), key) for key in keys)
    return tuple(record_of(entry) for entry in entries if entry is not None)


def told(record: UndoRecord) -> str:
    """One line for people."""
    late = f", {record.overdue:.0f} s after the deadline" if record.overdue else ""
    head = f"{record.host} took back {record.point} by itself at {record.ended}{late}"
    left = f"; left over: {', '.join(record.residue[:3])}" if record.residue else ""
    return f"{head}: {record.reason}{left}" if record.reason else f"{head}{left}"


def run_of(host: str) -> str:
    """The run of a host's records."""
    return f"restore {host}"


def is_number(text: str) -> bool:
    """Whether a restore point's owner is a change, and not a person's own playbook."""
    try:
        parse_number(text)
    except ValueError:
        return False
    return True


def body_of(record: UndoRecord) -> dict[str, object]:
    """The journal entry's body."""
    return {
        "host": record.host,
        "point": record.point,
        "number": record.number,
        "owner": record.owner,
        "outcome": record.outcome,
        "cause": record.cause,
        "reason": record.reason,
        "ended": record.ended,
        "overdue": record.overdue,
        "touched": list(record.touched),
        "residue": list(record.residue),
    }


def record_of(entry: JournalEntry) -> UndoRecord:
    """The same, read back."""
    body = cast("Mapping[str, Any]", entry.body)
    return UndoRecord(
        host=str(body["host"]),
        point=str(body["point"]),
        number=int(body["number"]),
        owner=str(body["owner"]),
        outcome=str(body["outcome"]),
        cause=str(body["cause"]),
        reason=str(body["reason"]),
        ended=str(body["ended"]),
        overdue=body["overdue"],
        touched=tuple(body["touched"]),
        residue=tuple(body["residue"]),
    )
