# SPDX-License-Identifier: GPL-3.0-or-later
"""Incidents and problems as what is mirrored: a ticket made once, a note for each entry, an end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from storewarden.domain.healing.incident import Incident, IncidentEvent, Mirrored
from storewarden.domain.healing.incident_clock import promised
from storewarden.domain.healing.numbers import is_incident
from storewarden.domain.healing.problem_ticket import ProblemEvent, ProblemMirrored, ProblemTicket
from storewarden.domain.healing.sla import IncidentPolicy
from storewarden.domain.outbox.incident_ticket import (
    end_of_incident,
    ends_incident,
    note_of_incident,
    ticket_of_incident,
    ticket_of_problem,
)
from storewarden.domain.outbox.notice import Event
from storewarden.domain.outbox.ticket import TicketWords, Voice
from storewarden.domain.plain_data import plain_record, stamp
from storewarden.ports.clock import Clock
from storewarden.ports.incidents import IncidentBook

_MIRRORED = frozenset({"incident mirrored", "problem mirrored"})


def incident_subject(
    number: str, book: IncidentBook, policy: IncidentPolicy, clock: Clock
) -> IncidentSubject | ProblemSubject | None:
    """The incident or problem of that number; None when there is none."""
    if is_incident(number):
        found = book.incident(number)
        if found is None:
            return None
        return IncidentSubject(incident=found, book=book, policy=policy, clock=clock)
    ticket = book.problem(number)
    return ProblemSubject(problem=ticket, book=book, clock=clock) if ticket is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entries:
    """What is the same for both: their entries' words."""

    book: IncidentBook
    clock: Clock

    def note(self, event: Event, seal: str, voice: Voice) -> str:
        """The note for an entry."""
        return note_of_incident(event, seal, voice)

    def mirrored_by(self, event: Event, system: str) -> bool:
        """Whether the entry only says that ``system`` has this ticket."""
        return event.kind in _MIRRORED and event.body.get("system") == system

    def ends(self, kind: str) -> bool:
        """Whether an entry of that kind closes the ticket."""
        return ends_incident(kind)

    def resolution(self, event: Event, voice: Voice) -> str:
        """How it ends, in a few words."""
        return end_of_incident(event, voice)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentSubject(_Entries):
    """An incident and its ticket."""

    incident: Incident
    policy: IncidentPolicy

    @property
    def number(self) -> str:
        """Its number."""
        return self.incident.number

    @property
    def tickets(self) -> Mapping[str, str]:
        """Ticket system -> ticket id, as far as the ledger knows."""
        return self.incident.tickets

    def ticket(self, voice: Voice) -> TicketWords:
        """The ticket to be opened: with what is known of it by now."""
        until = promised(self.incident, self.policy)
        body = plain_record(self.incident)
        first = self.incident.timeline[0]
        body["summary"] = {"en": first.en, "zh": first.zh}
        clocks = {clock.value: stamp(at) for clock, at in until.items()}
        return ticket_of_incident(self.number, body, clocks, voice)

    def remember(self, system: str, ticket: str) -> None:
        """Let the ledger know under which id ``system`` has it."""

        def decide(there: Incident) -> tuple[IncidentEvent, ...]:
            if there.tickets.get(system) == ticket:
                return ()
            what = Mirrored(system=system, ticket=ticket)
            return (IncidentEvent(number=there.number, at=self.clock.now(), what=what),)

        self.book.amend(self.number, decide)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemSubject(_Entries):
    """A problem and its ticket."""

    problem: ProblemTicket

    @property
    def number(self) -> str:
        """Its number."""
        return self.problem.number

    @property
    def tickets(self) -> Mapping[str, str]:
        """Ticket system -> ticket id, as far as the ledger knows."""
        return self.problem.tickets

    def ticket(self, voice: Voice) -> TicketWords:
        """The ticket to be opened."""
        return ticket_of_problem(self.number, plain_record(self.problem), voice)

    def remember(self, system: str, ticket: str) -> None:
        """Let the ledger know under which id ``system`` has it."""

        def decide(there: ProblemTicket) -> tuple[ProblemEvent, ...]:
            if there.tickets.get(system) == ticket:
                return ()
            what = ProblemMirrored(system=system, ticket=ticket)
            return (ProblemEvent(number=there.number, at=self.clock.now(), what=what),)

        self.book.amend_problem(self.number, decide)
