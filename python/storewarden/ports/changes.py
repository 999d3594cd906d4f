# SPDX-License-Identifier: GPL-3.0-or-later
"""Where changes are kept. Every write is one transaction with the journal."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from storewarden.domain.change.events import Decision
from storewarden.domain.change.record import Change, State
from storewarden.ports.ledger import JournalEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Amended:
    """The change as it is now, and what was decided; ``new`` is False for a repeated key."""

    change: Change
    decision: Decision
    new: bool


class ChangeBook(Protocol):
    """Changes of the ledger. Methods raise LedgerConflict and AdapterError like the ledger."""

    def open_change(
        self, key: str, prefix: str, day: date, compose: Callable[[str], Decision]
    ) -> Amended:
        """Take the next number of ``day`` and record what ``compose`` makes of it.

        Numbers of one day and prefix are consecutive from 001, whoever asks at once. The same
        ``key`` again (one per request of a caller) returns the change opened by it. When
        ``compose`` raises, no number is used up. ``compose`` runs while everybody else who
        writes waits: it must be quick and must not call the ledger. No ``key`` may end like
        "#2", by which several events of one decision are told apart.
        """
        ...

    def amend(self, number: str, key: str, decide: Callable[[Change], Decision]) -> Amended:
        """Decide under the lock and record the events; nobody else writes in between.

        The same ``key`` for the same change again changes nothing. Raises ConfigInvalid when
        there is no such change. Refusals are recorded like any event; the caller raises them.
        """
        ...

    def change(self, number: str) -> Change | None:
        """One change, None when there is none."""
        ...

    def changes(
        self,
        *,
        states: Collection[State] = (),
        host: str = "",
        since: datetime | None = None,
        limit: int = 0,
    ) -> tuple[Change, ...]:
        """Changes, newest number first; in any of ``states``, touching ``host``, opened since."""
        ...

    def history(self, number: str, *, after: int = 0) -> tuple[JournalEntry, ...]:
        """The journal entries of one change with a sequence above ``after``, in order."""
        ...
