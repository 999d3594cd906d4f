# SPDX-License-Identifier: GPL-3.0-or-later
"""Incidents with their clocks as they stand at a moment, and as JSON data for the API and the
command line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from storewarden.domain.healing.incident import Clock, Incident, IncidentState, Needs
from storewarden.domain.healing.incident_clock import promised
from storewarden.domain.healing.record import Occurrence, Repair, Stage
from storewarden.domain.healing.rule import Impact
from storewarden.domain.healing.sla import IncidentPolicy
from storewarden.flows.heal_view import occurrence_data, repair_data
from storewarden.ports.healing import HealingBook

SHOWN = 100
"""Alerts of an incident that are shown with everything; a storm has thousands."""


class Mark(StrEnum):
    """How a promise stands."""

    RUNNING = "running"  # there is time left
    WARNED = "warned"  # little of it
    BREACHED = "breached"  # none, and it is not done
    KEPT = "kept"  # done in time
    LATE = "late"  # done, and too late


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockLook:
    """One promise: until when, and when it was kept (None: not yet)."""

    clock: Clock
    promised: datetime
    actual: datetime | None
    mark: Mark

    @property
    def runs(self) -> bool:
        """Whether it is still to be kept."""
        return self.actual is None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentLook:
    """One incident at a moment. ``closes_at`` is when it closes if nobody objects, None where
    nothing was solved. ``alerts`` are at most the first hundred, ``repairs`` those made for them.
    """

    incident: Incident
    at: datetime
    clocks: tuple[ClockLook, ...]
    closes_at: datetime | None
    alerts: tuple[Occurrence, ...] = ()
    repairs: tuple[Repair, ...] = ()

    @property
    def breached(self) -> bool:
        """Whether a promise is broken now, and goes on being broken."""
        return any(each.mark is Mark.BREACHED for each in self.clocks)

    @property
    def pressing(self) -> ClockLook | None:
        """The promise that is to be kept next."""
        running = [each for each in self.clocks if each.runs]
        return min(running, key=lambda each: each.promised, default=None)

    @property
    def needs(self) -> Needs:
        """What is to be done still. After a yes its repair runs: nobody is asked for it again,
        except for one of the alerts shown that asks still."""
        asks = any(each.stage is Stage.ASKING and not each.granted for each in self.alerts)
        if self.incident.needs is Needs.ANSWER and self.incident.repairs and not asks:
            return Needs.NOBODY
        return self.incident.needs

    @property
    def evidence(self) -> tuple[str, ...]:
        """Names of stored documents, in the order in which they came."""
        names = (name for entry in self.incident.timeline for name in entry.evidence)
        return tuple(dict.fromkeys(names))


def look_at(incident: Incident, policy: IncidentPolicy, now: datetime) -> IncidentLook:
    """It and its clocks; its alerts and repairs are left out."""
    ends = {Clock.ANSWER: incident.answered_at, Clock.SOLVE: incident.solved_at}
    clocks = tuple(
        ClockLook(
            clock=clock,
            promised=until,
            actual=ends[clock],
            mark=_mark(incident, clock, until, ends[clock] or now, policy),
        )
        for clock, until in promised(incident, policy).items()
    )
    solved = incident.solved_at if incident.state is IncidentState.SOLVED else None
    closes = solved + policy.confirm if solved is not None else None
    return IncidentLook(incident=incident, at=now, clocks=clocks, closes_at=closes)


def whole_look(
    incident: Incident, book: HealingBook, policy: IncidentPolicy, now: datetime
) -> IncidentLook:
    """It with its alerts and what was done about them."""
    found = (book.occurrence(key) for key in incident.occurrences[:SHOWN])
    alerts = tuple(each for each in found if each is not None)
    asked = (each.repair for each in alerts if each.repair)
    ids = dict.fromkeys((*incident.repairs, *asked))
    repairs = tuple(each for each in map(book.repair, ids) if each is not None)
    look = look_at(incident, policy, now)
    return replace(look, alerts=alerts, repairs=repairs)


def by_urgency(looks: Iterable[IncidentLook]) -> list[IncidentLook]:
    """What has to be done first, first: by the promise that runs out next; then what is solved."""
    return sorted(looks, key=_urgency)


def row_data(look: IncidentLook) -> dict[str, Any]:
    """One line of a list."""
    incident = look.incident
    return {
        "number": incident.number,
        "name": incident.name,
        "rule": incident.rule,
        "kind": incident.kind.value,
        "priority": incident.priority.value,
        "state": incident.state.value,
        "needs": look.needs.value,
        "holder": incident.holder,
        "hosts": list(incident.hosts),
        "began_at": incident.began_at.isoformat(),
        "opened_at": incident.opened_at.isoformat(),
        "clocks": [_clock(each) for each in look.clocks],
        "closes_at": _moment(look.closes_at),
        "closed_at": _moment(incident.closed_at),
        "verified": incident.verified,
        "disputes": incident.disputes,
        "problem": incident.problem,
    }


def whole_data(look: IncidentLook) -> dict[str, Any]:
    """Everything."""
    incident = look.incident
    return {
        **row_data(look),
        "answered_by": incident.answered_by,
        "solved_by": incident.solved_by,
        "confirmed_at": _moment(incident.confirmed_at),
        "confirmed_by": incident.confirmed_by,
        "items": list(incident.items),
        "dependents": list(incident.dependents),
        "occurrences": len(incident.occurrences),
        "alerts": [occurrence_data(each) for each in look.alerts],
        "repairs": [repair_data(each) for each in look.repairs],
        "evidence": list(look.evidence),
        "tickets": dict(incident.tickets),
        "timeline": [
            {
                "at": entry.at.isoformat(),
                "by": entry.by,
                "en": entry.en,
                "zh": entry.zh,
                "evidence": list(entry.evidence),
            }
            for entry in incident.timeline
        ],
    }


def _urgency(look: IncidentLook) -> tuple[bool, datetime, int, str]:
    rank = tuple(Impact).index(look.incident.priority)
    pressing = look.pressing
    until = pressing.promised if pressing is not None else look.closes_at or look.incident.opened_at
    return pressing is None, until, rank, look.incident.number


def _mark(
    incident: Incident, clock: Clock, until: datetime, at: datetime, policy: IncidentPolicy
) -> Mark:
    """``at`` is when it was done, or now."""
    if (incident.answered_at if clock is Clock.ANSWER else incident.solved_at) is not None:
        return Mark.KEPT if at < until else Mark.LATE
    if at >= until:
        return Mark.BREACHED
    early = incident.began_at + (until - incident.began_at) * float(policy.warn_share)
    return Mark.WARNED if at >= early else Mark.RUNNING


def _clock(look: ClockLook) -> dict[str, Any]:
    return {
        "clock": look.clock.value,
        "promised": look.promised.isoformat(),
        "actual": _moment(look.actual),
        "state": look.mark.value,
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
