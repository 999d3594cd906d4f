# SPDX-License-Identifier: GPL-3.0-or-later
"""Where occurrences of alerts and repairs are kept. Every write is one transaction with the
journal; what was decided about an alert is decided once, whoever asks again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from storewarden.domain.healing.alert import Alert
from storewarden.domain.healing.events import AlertEvent
from storewarden.domain.healing.incident import Incident, IncidentEvent
from storewarden.domain.healing.incident_follow import Course
from storewarden.domain.healing.record import HostEnd, Occurrence, Repair, Stage
from storewarden.ports.alerts import AlertInbox
from storewarden.ports.ledger import JournalEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What one decision comes to: events of occurrences, repairs to open, and incidents that they
    open or join.

    A repair's id and an incident's number are taken from ``Numbers``; a repair's occurrences have
    a Decided among ``events``.
    """

    events: tuple[AlertEvent, ...] = ()
    repairs: tuple[Repair, ...] = ()
    incidents: tuple[IncidentEvent, ...] = ()


class Numbers(Protocol):
    """What a decision may ask for under the lock."""

    def __call__(self, change: str) -> str:
        """The id of the next repair of a change: "GMBG-20260601-001-H1780272000"."""
        ...

    def incident(self) -> str:
        """The number of the next incident, its second (UTC) or the first free one after it:
        "INC-20260601-083000". Counted from the clock, as repairs are: a restored ledger must not
        give a number out again that a ticket system knows."""
        ...

    def open_incidents(self) -> Mapping[str, Incident]:
        """Incidents that are not closed, by ``Incident.name``."""
        ...


type DecideAlerts = Callable[[Mapping[str, Occurrence], Numbers], Settled]
"""Pure and quick; it runs while everybody else who writes waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """An occurrence in few words, for what counts them: storms, store faults, recurrence."""

    key: str
    received_at: datetime
    rule: str
    action: str
    hosts: tuple[str, ...]
    stage: Stage
    incident: str = ""


class HealingBook(AlertInbox, Protocol):
    """Occurrences and repairs of the ledger. Methods raise LedgerConflict and AdapterError like
    the ledger."""

    def due(self, now: datetime, limit: int = 500) -> tuple[Occurrence, ...]:
        """Occurrences about which something is to be decided now, in the order of arrival."""
        ...

    def next_due(self) -> datetime | None:
        """When the next one's time comes, or came."""
        ...

    def amend(self, keys: Collection[str], decide: DecideAlerts) -> Settled:
        """Decide under the lock about these occurrences as they are now, and record it all."""
        ...

    def occurrence(self, key: str) -> Occurrence | None:
        """One occurrence by its key, or by the beginning of it when only one begins so."""
        ...

    def occurrences(
        self,
        *,
        stages: Collection[Stage] = (),
        since: datetime | None = None,
        rule: str = "",
        limit: int = 0,
    ) -> tuple[Occurrence, ...]:
        """Occurrences, newest first."""
        ...

    def recent(self, since: datetime) -> tuple[Recent, ...]:
        """Those received since then, oldest first. Cheap with ten thousands."""
        ...

    def counts(self) -> Mapping[Stage, int]:
        """How many occurrences stand where; a stage without any is left out."""
        ...

    def held(self) -> tuple[Recent, ...]:
        """Those that are suppressed until they are looked at again, oldest first."""
        ...

    def stages(self, keys: Collection[str]) -> Mapping[str, Stage]:
        """Where these occurrences stand."""
        ...

    def standing(self, keys: Collection[str]) -> Mapping[str, tuple[Stage, tuple[str, ...]]]:
        """Where these occurrences stand, and the hosts that were decided for them."""
        ...

    def courses(self, keys: Collection[str]) -> Mapping[str, Course]:
        """Where these occurrences stand, and whether their senders say that they are over. Cheap
        with ten thousands."""
        ...

    def firing(self, source: str) -> tuple[Alert, ...]:
        """Alerts of a source that nobody has called over yet."""
        ...

    def history(self, run: str) -> tuple[JournalEntry, ...]:
        """The journal entries of an occurrence (by its key) or a repair (by its id), in order."""
        ...

    def repair(self, ident: str) -> Repair | None:
        """One repair."""
        ...

    def repairs(
        self, *, since: datetime | None = None, open_only: bool = False, limit: int = 0
    ) -> tuple[Repair, ...]:
        """Repairs, newest first."""
        ...

    def begin_repair(self, ident: str, worker: str, now: datetime) -> Repair | None:
        """Take it: its run is about to be started; None when somebody has begun or ended it."""
        ...

    def end_repair(
        self, ident: str, ends: Sequence[HostEnd], now: datetime, decide: DecideAlerts
    ) -> Repair:
        """Record its end, and what follows for its occurrences, in one step; once: again nothing
        happens. Raises ConfigInvalid when there is no such repair."""
        ...
