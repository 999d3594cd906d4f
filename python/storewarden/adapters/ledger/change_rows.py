# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a change and the journal entries behind them.

Writer and verifier both build on this file: a row is whatever the events of the
journal add up to, so the one who writes folds what he has just written, as it
will be read again, and the one who verifies folds the same entries.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from storewarden.adapters.ledger.entries import text_of
from storewarden.adapters.ledger.journal import Note
from storewarden.domain.change.events import ChangeEvent, Decision, EventKind
from storewarden.domain.change.plain import body_of, entry_kind, event_of, plain, typed
from storewarden.domain.change.record import Change, State
from storewarden.domain.errors import LedgerConflict
from storewarden.ports.journal import stamp
from storewarden.ports.ledger import JournalEntry

KINDS = "change "
"""What the kinds of all entries about changes begin with."""

ENDED = frozenset({State.REJECTED, State.CANCELLED, State.CLOSED})
"""Changes in these states get no delivery on a channel that begins later."""


def note_of(event: ChangeEvent, step: str, now: datetime) -> Note:
    """The journal entry of an event."""
    kind, body = entry_kind(event.kind), body_of(event)
    return Note(at=stamp(now), kind=kind, run=event.number, step=step, body=body)


def told(entry: JournalEntry) -> ChangeEvent:
    """The event that an entry tells of. Raises ValueError when it tells of none."""
    return event_of(entry.run, entry.kind, entry.at, entry.body)


def decision_of(entries: Iterable[JournalEntry]) -> Decision:
    """What was decided when these were written, for the one who asks a second time."""
    events = tuple(told(entry) for entry in entries)
    refused = next((event for event in events if _says_no(event)), None)
    if refused is None:
        return Decision(events=events)
    reason, hint = (str(refused.data.get(name, "")) for name in ("reason", "hint"))
    return Decision(events=events, refusal=reason, hint=hint)


def _says_no(event: ChangeEvent) -> bool:
    """A refusal, or a rejection by rule; a person who rejects has done what he wanted."""
    if event.kind is EventKind.REJECTED:
        return event.data.get("rule") is True
    return event.kind is EventKind.REFUSED


def row_of(change: Change, sequence: int) -> dict[str, Any]:
    """The columns that follow from a change and the sequence of its last entry."""
    return {
        "number": change.number,
        "sequence": sequence,
        "state": change.state.value,
        "kind": change.draft.kind.value,
        "risk": change.draft.risk.value,
        "opened": stamp(change.opened_at),
        "updated": stamp(change.updated_at or change.opened_at),
        "body": text_of(plain(change)),
    }


def change_of(number: str, body: str) -> Change:
    """A stored change. Raises LedgerConflict when it cannot be read."""
    try:
        data: Mapping[str, object] = json.loads(body)
        return typed(data)
    except (ValueError, TypeError) as failure:
        raise LedgerConflict(
            f"is unreadable: {failure}",
            where=f"change row (number {number})",
            hint="run storewarden ledger verify",
        ) from failure


def series_of(number: str) -> str:
    """The series of a number: prefix and day, of which numbers are consecutive."""
    return number.rpartition("-")[0]


def hosts_of(change: Change) -> list[str]:
    """The hosts that a change touches, each once, in order."""
    return sorted(set(change.hosts))
