# SPDX-License-Identifier: GPL-3.0-or-later
"""Where incidents are kept, and the tickets of the problems behind them. Incidents are opened and
joined in the step that decides about alerts (see ``ports.healing.Settled``), so that nobody who has
to be called is forgotten by a crash; everything else that happens to one is told here. Every write
is one transaction with the journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from storewarden.domain.healing.incident import Incident, IncidentEvent
from storewarden.domain.healing.problem import Problem
from storewarden.domain.healing.problem_ticket import ProblemEvent, ProblemTicket
from storewarden.ports.ledger import JournalEntry

type DecideIncident = Callable[[Incident], Sequence[IncidentEvent]]
"""Pure and quick; it runs while everybody else who writes waits. It may raise a leaf of
``domain.errors``: then nothing is written."""

type DecideProblem = Callable[[ProblemTicket], Sequence[ProblemEvent]]
"""The same for a problem ticket."""


class IncidentBook(Protocol):
    """Incidents of the ledger. Methods raise LedgerConflict and AdapterError like the ledger."""

    def incident(self, number: str) -> Incident | None:
        """One incident by its number."""
        ...

    def open_ones(self) -> tuple[Incident, ...]:
        """Those that are not closed, oldest first."""
        ...

    def incidents(
        self, *, since: datetime | None = None, name: str = "", limit: int = 0
    ) -> tuple[Incident, ...]:
        """Incidents, newest first; of one fault (``Incident.name``) when it is given."""
        ...

    def amend(self, number: str, decide: DecideIncident) -> Incident:
        """Record what ``decide`` makes of it as it is now, under the lock; what has happened
        already is the decider's to leave out. Raises ConfigInvalid when there is none."""
        ...

    def history(self, number: str) -> tuple[JournalEntry, ...]:
        """The journal entries of an incident, or of a problem ticket, in order."""
        ...

    def trace(self, problem: Problem) -> ProblemTicket:
        """Open a problem's ticket ("PRB-20260601-083000"), or let the open one of its fault grow,
        and note it on each of the incidents; in one step. Again nothing happens."""
        ...

    def problem(self, number: str) -> ProblemTicket | None:
        """One problem ticket by its number."""
        ...

    def problems(self, *, open_only: bool = False, limit: int = 0) -> tuple[ProblemTicket, ...]:
        """Problem tickets, newest first."""
        ...

    def amend_problem(self, number: str, decide: DecideProblem) -> ProblemTicket:
        """Record what ``decide`` makes of a problem ticket. Raises ConfigInvalid when there is
        none."""
        ...
