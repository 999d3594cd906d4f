# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift tickets as the ledger keeps them: journaled, and explained by the journal."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from storewarden.domain.baseline.drift_ticket import ClosedBecause, DriftTicket, TicketKey
from storewarden.domain.baseline.finding import Verdict
from storewarden.ports.ledger import JournalEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketEnd:
    """A ticket to be closed, by the audit or month ``by``."""

    key: TicketKey
    because: ClosedBecause
    by: str


class DriftBook(Protocol):
    """Raises LedgerConflict and AdapterError like the ledger."""

    def settle(
        self, opened: Sequence[DriftTicket], ended: Sequence[TicketEnd]
    ) -> tuple[DriftTicket, ...]:
        """Close and open in one step; the tickets that it changed, as they are now.

        Nothing happens for a key that is open already, a number that was used, or an end
        without an open ticket. So the same step again changes nothing, and of two processes
        that ask at once one does it.
        """
        ...

    def mirrored(self, number: str, system: str, ticket: str) -> DriftTicket:
        """Note under which id a ticket system has it; once per system and id.

        Raises ConfigInvalid when there is no such ticket.
        """
        ...

    def ticket(self, number: str) -> DriftTicket | None:
        """One ticket; None when there is none."""
        ...

    def open_tickets(self, hosts: Collection[str] = ()) -> tuple[DriftTicket, ...]:
        """Those that are open (of ``hosts``, when any are named), by due date, then number."""
        ...

    def tickets(
        self, *, host: str = "", since: datetime | None = None, limit: int = 0
    ) -> tuple[DriftTicket, ...]:
        """All, newest first; those of one device, opened since."""
        ...

    def closed_by(self, source: str) -> int:
        """How many tickets the audit (or month) ``source`` has closed."""
        ...

    def history(self, number: str) -> tuple[JournalEntry, ...]:
        """The journal entries of one ticket, in order."""
        ...

    def earlier(self, host: str, audit: str, controls: Collection[str]) -> Mapping[str, Verdict]:
        """What was last found of these controls of a device before ``audit``, by somebody who
        could look (pass, fail, na); a control that nobody ever looked at is left out."""
        ...
