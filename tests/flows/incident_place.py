# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain of ``heal_place`` with its incidents: followed, mirrored into a ticket system, and told
to people, all of it through the real ledger and its outbox."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.healing.incident import Incident, IncidentEvent
from storewarden.domain.healing.sla import IncidentPolicy
from storewarden.domain.outbox.digest import ChannelRules
from storewarden.domain.outbox.notice import IncidentFacts
from storewarden.domain.outbox.ticket import Voice
from storewarden.flows import heal_incidents
from storewarden.flows.heal_repair import RepairParts, RepairWork
from storewarden.flows.heal_tick import HealingDuty, TickParts
from storewarden.flows.incident_duty import FollowParts, IncidentDuty
from storewarden.flows.mirror import Mirror, MirrorParts
from storewarden.flows.tell import AuditStory, Telling, TellParts
from storewarden.ports.engine import Duty
from storewarden.testing.engine import ManualEngine
from storewarden.testing.notify import MemorySender
from storewarden.testing.tickets import MemoryTickets
from tests.flows.duty_scene import Documents
from tests.flows.heal_place import HealPlace
from tests.unit.healing.scenes import RULES

DEPENDS = {"CI-pos-001-1": ("CI-printer-001-1",)}


@dataclass(slots=True)
class IncidentPlace(HealPlace):
    """``tickets`` and ``sender`` keep what other systems were told."""

    tickets: MemoryTickets = field(default_factory=MemoryTickets)
    sender: MemorySender = field(default_factory=MemorySender)
    promises: IncidentPolicy = field(default_factory=IncidentPolicy)
    language: str = "en"

    def __post_init__(self) -> None:
        HealPlace.__post_init__(self)
        self.ledger.outbox.subscribe("ticket:memory")
        self.ledger.outbox.subscribe("notify:ops")
        self._begin(ManualEngine(self.clock))

    def restart(self) -> None:
        """The next controller, after the last one was killed."""
        self._begin(ManualEngine(self.clock, after=self.engine))

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """All of them, oldest first."""
        return tuple(reversed(self.ledger.incidents.incidents()))

    def person(self, number: str, *events: IncidentEvent) -> None:
        """What people do about an incident."""
        self.ledger.incidents.amend(number, lambda _there: events)

    def notes(self, number: str) -> list[str]:
        """The notes of the ticket of an incident or a problem."""
        (ticket,) = self.tickets.tickets(number)
        return [text for _key, text in self.tickets.kept[ticket].notes]

    @property
    def titles(self) -> list[str]:
        """What people were told, message by message."""
        return [each.title for each in self.sender.messages]

    @property
    def heard(self) -> str:
        """Everything that people were told."""
        return "\n".join(f"{each.title}\n{each.text}" for each in self.sender.messages)

    def _begin(self, engine: ManualEngine) -> None:
        self.engine = engine
        engine.start(self._duties(), (RepairWork(self._repairs()),))

    def _duties(self) -> tuple[Duty, ...]:
        ledger = self.ledger
        follow = FollowParts(
            incidents=ledger.incidents, book=ledger.alerts, clock=self.clock, policy=self.promises
        )
        mirror = MirrorParts(
            system=self.tickets,
            outbox=ledger.outbox,
            book=ledger.changes,
            drift=ledger.drift_tickets,
            ledger=ledger,
            evidence=Documents(),
            clock=self.clock,
            voice=Voice(language=self.language),
            incidents=ledger.incidents,
            promises=self.promises,
        )
        tell = TellParts(
            sender=self.sender,
            rules=ChannelRules(name="ops", language=self.language),
            outbox=ledger.outbox,
            book=ledger.changes,
            ledger=ledger,
            people=None,
            approvals=ApprovalRules(),
            audits=AuditStory(facts=lambda _audit: None, report=lambda _audit: None),
            clock=self.clock,
            incidents=self._about,
        )
        return (self._healing(), IncidentDuty(follow), Mirror(mirror), Telling(tell))

    def _healing(self) -> HealingDuty:
        parts: TickParts = self._tick_parts()
        return HealingDuty(replace(parts, incidents=self._facts()))

    def _repairs(self) -> RepairParts:
        return replace(HealPlace._repairs(self), incidents=self._facts())

    def _facts(self) -> heal_incidents.IncidentFacts:
        devices = {each.name: each for each in self._estate()().devices}
        return heal_incidents.IncidentFacts(
            rules=lambda: RULES, devices=lambda: devices, depends=lambda: DEPENDS
        )

    def _about(self, number: str) -> IncidentFacts | None:
        found = self.ledger.incidents.incident(number)
        if found is None:
            return None
        return IncidentFacts(name=found.name, priority=found.priority.value, hosts=found.hosts)
