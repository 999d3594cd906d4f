# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of all changes at once, kept at hand: states, owners, open debts.

Three years of closed changes are too many to read for every look at what is owed. So they
are read once, and then the journal is followed: each new entry names the one change that
moved. The index is memory alone and never the truth; who needs a change reads it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from storewarden.domain.change.asking import owed
from storewarden.domain.change.overriding import people_missing
from storewarden.domain.change.record import Change, Debt, DebtKind, State
from storewarden.ports.changes import ChangeBook
from storewarden.ports.ledger import Ledger

_CHANGE = "change "


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """One change in short; ``asks``: somebody's yes is wanted, to it or to its override."""

    number: str
    state: State
    requester: str
    owner: str
    asks: bool
    debts: tuple[Debt, ...]


class ChangeIndex:
    """Follows the changes of one ledger. For many threads."""

    def __init__(self, book: ChangeBook, ledger: Ledger) -> None:
        self._book = book
        self._ledger = ledger
        self._lock = threading.Lock()
        self._noted: dict[str, Noted] = {}
        self._read_to = -1

    def current(self) -> tuple[Noted, ...]:
        """All changes as they stand now, oldest first. Raises LedgerConflict and AdapterError."""
        with self._lock:
            if self._read_to < 0:
                self._begin()
            else:
                self._follow()
            return tuple(self._noted.values())

    def _begin(self) -> None:
        """Read everything once; what is written meanwhile is read again afterwards."""
        head = self._ledger.head().sequence
        changes = self._book.changes()
        self._noted = {change.number: _noted(change) for change in reversed(changes)}
        self._read_to = head

    def _follow(self) -> None:
        """Only when all that moved has been read again, the place in the journal moves on."""
        moved, read_to = dict[str, None](), self._read_to
        for entry in self._ledger.journal(after=read_to):
            read_to = entry.sequence
            if entry.kind.startswith(_CHANGE):
                moved[entry.run] = None
        for number in moved:
            change = self._book.change(number)
            if change is not None:
                self._noted[number] = _noted(change)
        self._read_to = read_to


def _noted(change: Change) -> Noted:
    asks = change.state is State.REQUESTED or owed(change, DebtKind.APPROVAL) is not None
    return Noted(
        number=change.number,
        state=change.state,
        requester=change.requester,
        owner=change.owner,
        asks=asks or people_missing(change) > 0,
        debts=tuple(debt for debt in change.debts if debt.settled_at is None),
    )
