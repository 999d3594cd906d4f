# SPDX-License-Identifier: GPL-3.0-or-later
"""What is mirrored into ticket systems: changes, drift tickets, incidents and problems.

To the mirror all are the same: something with a number, a ticket made once, a note for each
of its journal entries, and an end. What its ticket says, and where the ledger notes the
ticket's id, differs, and is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from storewarden.domain.baseline.drift_ticket import (
    ENTRY,
    DriftTicket,
    TicketEvent,
    is_ticket,
    opened_body,
)
from storewarden.domain.change.events import ChangeEvent, Decision, EventKind
from storewarden.domain.change.people import CLOCKWORK
from storewarden.domain.change.plain import entry_kind
from storewarden.domain.change.record import Change
from storewarden.domain.healing.numbers import is_incident, is_problem
from storewarden.domain.healing.sla import IncidentPolicy
from storewarden.domain.outbox.drift_words import (
    end_of_drift,
    ends_drift,
    note_of_drift,
    ticket_of_drift,
)
from storewarden.domain.outbox.notice import Event
from storewarden.domain.outbox.rollout_words import is_rollout, note_of_rollout
from storewarden.domain.outbox.ticket import (
    TicketWords,
    Voice,
    ends_ticket,
    note_words,
    resolution,
    ticket_words,
)
from storewarden.flows.mirror_incidents import incident_subject
from storewarden.ports.changes import ChangeBook
from storewarden.ports.clock import Clock
from storewarden.ports.drift_tickets import DriftBook
from storewarden.ports.incidents import IncidentBook

_CHANGE_MIRRORED = entry_kind(EventKind.TICKET)
_DRIFT_MIRRORED = ENTRY + TicketEvent.MIRRORED.value


class Subject(Protocol):
    """One thing that has a ticket."""

    @property
    def number(self) -> str:
        """Its number, which is the run of its entries and the run id of its ticket."""
        ...

    @property
    def tickets(self) -> Mapping[str, str]:
        """Ticket system -> ticket id, as far as the ledger knows."""
        ...

    def ticket(self, voice: Voice) -> TicketWords:
        """The ticket to be opened."""
        ...

    def note(self, event: Event, seal: str, voice: Voice) -> str:
        """The note for an entry."""
        ...

    def mirrored_by(self, event: Event, system: str) -> bool:
        """Whether the entry only says that ``system`` has this ticket."""
        ...

    def ends(self, kind: str) -> bool:
        """Whether an entry of that kind closes the ticket."""
        ...

    def resolution(self, event: Event, voice: Voice) -> str:
        """How it ends, in a few words."""
        ...

    def remember(self, system: str, ticket: str) -> None:
        """Let the ledger know under which id ``system`` has it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subjects:
    """Finds what a delivery is about."""

    book: ChangeBook
    drift: DriftBook
    clock: Clock
    incidents: IncidentBook | None = None
    policy: IncidentPolicy = field(default_factory=IncidentPolicy)

    def find(self, number: str) -> Subject | None:
        """What has that number; None when there is none."""
        if self.incidents is not None and (is_incident(number) or is_problem(number)):
            return incident_subject(number, self.incidents, self.policy, self.clock)
        if is_ticket(number):
            ticket = self.drift.ticket(number)
            return _DriftSubject(subject=ticket, book=self.drift) if ticket else None
        change = self.book.change(number)
        return _ChangeSubject(change=change, book=self.book, clock=self.clock) if change else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _ChangeSubject:
    change: Change
    book: ChangeBook
    clock: Clock

    @property
    def number(self) -> str:
        return self.change.number

    @property
    def tickets(self) -> Mapping[str, str]:
        return self.change.tickets

    def ticket(self, voice: Voice) -> TicketWords:
        return ticket_words(self.change, voice)

    def note(self, event: Event, seal: str, voice: Voice) -> str:
        if is_rollout(event.kind):
            return note_of_rollout(event, seal, voice)
        return note_words(event, seal, voice)

    def mirrored_by(self, event: Event, system: str) -> bool:
        return event.kind == _CHANGE_MIRRORED and event.body.get("system") == system

    def ends(self, kind: str) -> bool:
        return ends_ticket(kind)

    def resolution(self, event: Event, voice: Voice) -> str:
        return resolution(event, voice)

    def remember(self, system: str, ticket: str) -> None:
        at = self.clock.now()

        def decide(change: Change) -> Decision:
            if change.tickets.get(system) == ticket:
                return Decision(events=())
            noted = ChangeEvent(
                number=change.number,
                kind=EventKind.TICKET,
                at=at,
                by=CLOCKWORK,
                data={"system": system, "ticket": ticket},
            )
            return Decision(events=(noted,))

        self.book.amend(self.number, f"ticket {system} {ticket}", decide)


@dataclass(frozen=True, slots=True, kw_only=True)
class _DriftSubject:
    subject: DriftTicket
    book: DriftBook

    @property
    def number(self) -> str:
        return self.subject.number

    @property
    def tickets(self) -> Mapping[str, str]:
        return self.subject.tickets

    def ticket(self, voice: Voice) -> TicketWords:
        return ticket_of_drift(self.number, opened_body(self.subject), voice)

    def note(self, event: Event, seal: str, voice: Voice) -> str:
        return note_of_drift(event, seal, voice)

    def mirrored_by(self, event: Event, system: str) -> bool:
        return event.kind == _DRIFT_MIRRORED and event.body.get("system") == system

    def ends(self, kind: str) -> bool:
        return ends_drift(kind)

    def resolution(self, event: Event, voice: Voice) -> str:
        return end_of_drift(event, voice)

    def remember(self, system: str, ticket: str) -> None:
        self.book.mirrored(self.number, system, ticket)
