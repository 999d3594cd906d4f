# SPDX-License-Identifier: GPL-3.0-or-later
"""What time does to incidents: warnings, broken promises, the end of the two hours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from storewarden.domain.healing.incident import (
    Breached,
    Clock,
    Closed,
    Happening,
    Incident,
    IncidentEvent,
    IncidentState,
    Warned,
    fold,
)
from storewarden.domain.healing.sla import IncidentPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What will be told of an incident, and when, if nothing else happens."""

    at: datetime
    what: Happening


def upcoming(incident: Incident, policy: IncidentPolicy) -> tuple[Due, ...]:
    """Everything that time will do to it as it stands, the earliest first."""
    return tuple(sorted(_upcoming(incident, policy), key=lambda each: each.at))


def next_look(incident: Incident, policy: IncidentPolicy) -> datetime | None:
    """When to look at it again; None when time does nothing more to it."""
    found = upcoming(incident, policy)
    return found[0].at if found else None


def follow(incident: Incident, policy: IncidentPolicy, now: datetime) -> tuple[IncidentEvent, ...]:
    """What follows by ``now``; folding the events and asking again says nothing more."""
    told: list[IncidentEvent] = []
    while True:
        due = next((each for each in upcoming(incident, policy) if each.at <= now), None)
        if due is None:
            return tuple(told)
        event = IncidentEvent(number=incident.number, at=now, what=due.what)
        incident = fold(incident, event)
        told.append(event)


def promised(incident: Incident, policy: IncidentPolicy) -> dict[Clock, datetime]:
    """Until when it has to be answered, and solved."""
    promise = policy.promise(incident.kind, incident.priority)
    return {
        Clock.ANSWER: incident.began_at + promise.answer,
        Clock.SOLVE: incident.began_at + promise.solve,
    }


def _upcoming(incident: Incident, policy: IncidentPolicy) -> Iterator[Due]:
    if incident.over:
        return
    for clock in _running(incident):
        end = promised(incident, policy)[clock]
        early = incident.began_at + (end - incident.began_at) * float(policy.warn_share)
        if clock not in (*incident.warned, *incident.breached):
            yield Due(at=early, what=Warned(clock=clock))
        if clock not in incident.breached:
            yield Due(at=end, what=Breached(clock=clock))
    if incident.state is IncidentState.SOLVED and incident.solved_at is not None:
        if incident.confirmed_at is not None and incident.verified:
            yield Due(at=incident.confirmed_at, what=Closed())
        else:
            silent = incident.confirmed_at is None
            yield Due(at=incident.solved_at + policy.confirm, what=Closed(silent=silent))


def _running(incident: Incident) -> Iterator[Clock]:
    if incident.answered_at is None:
        yield Clock.ANSWER
    if incident.solved_at is None:
        yield Clock.SOLVE
