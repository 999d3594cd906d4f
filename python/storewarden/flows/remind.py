# SPDX-License-Identifier: GPL-3.0-or-later
"""What time does to changes: approvals run out, standing changes end, people are reminded.

What is due is decided in ``domain.change.due``. Here is only the appointment book: the next
moment of every change, read once and then kept up by following the journal, since three
years of closed changes are too many to look at every minute. It is kept in memory alone; a
restarted controller reads it anew and misses nothing, because moments that have passed are
still due.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from storewarden.domain.change.due import due, next_due
from storewarden.domain.change.record import Change
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.errors import StorewardenError
from storewarden.ports.changes import ChangeBook
from storewarden.ports.ledger import Ledger

NAME = "remind"
_CHANGE = "change "
_IN_A_ROW = 5  # things due at once for one change: an approval ran out, and then a reminder
_LATER = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemindParts:
    """What reminding needs."""

    book: ChangeBook
    ledger: Ledger
    rules: ApprovalRules


class Reminding:
    """The duty that lets time pass for changes."""

    def __init__(self, parts: RemindParts) -> None:
        self._parts = parts
        self.name = NAME
        self.every = timedelta(hours=1)
        self._next: dict[str, datetime] = {}
        self._read_to: int | None = None
        self._ticked = datetime.min.replace(tzinfo=UTC)

    def tick(self, now: datetime) -> datetime | None:
        """Record what is due; when to come again. One broken change does not stop the others."""
        if now < self._ticked:  # the clock was put back: what was noted since means nothing
            self._next, self._read_to = {}, None
        self._ticked = now
        self._catch_up()
        troubles = []
        for number in [number for number, at in self._next.items() if at <= now]:
            try:
                self._pass_time(number, now)
            except StorewardenError as trouble:
                self._next[number] = now + _LATER
                troubles.append(trouble)
        if troubles:
            raise troubles[0]
        return min(self._next.values(), default=None)

    def _catch_up(self) -> None:
        """Note the moments of changes that moved since the last look."""
        if self._read_to is None:
            self._read_to = self._parts.ledger.head().sequence
            for change in self._parts.book.changes():
                self._note(change)
            return
        moved = set()
        for entry in self._parts.ledger.journal(after=self._read_to):
            self._read_to = entry.sequence
            if entry.kind.startswith(_CHANGE):
                moved.add(entry.run)
        for number in sorted(moved):
            found = self._parts.book.change(number)
            if found is not None:
                self._note(found)

    def _note(self, change: Change) -> None:
        at = next_due(change, self._parts.rules)
        if at is None:
            self._next.pop(change.number, None)
        else:
            self._next[change.number] = at

    def _pass_time(self, number: str, now: datetime) -> None:
        change = self._parts.book.change(number)
        for _ in range(_IN_A_ROW):
            if change is None:
                self._next.pop(number, None)
                return
            self._note(change)
            if self._next.get(number, now + _LATER) > now:
                return
            # The version makes the key: the same state is answered once, also after a crash.
            amended = self._parts.book.amend(
                number,
                f"clock after {change.version}",
                lambda current: due(current, now, self._parts.rules),
            )
            change = amended.change
            if not amended.decision.events:
                break
        self._next[number] = now + _LATER
