# SPDX-License-Identifier: GPL-3.0-or-later
"""Incidents, problem tickets and their events as JSON data and back, for rows and the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from storewarden.domain.healing import incident_events as e
from storewarden.domain.healing import problem_ticket as p
from storewarden.domain.healing.plain import happening_of, said_at, said_by
from storewarden.domain.plain_data import plain_value, stamp

INCIDENT, PROBLEM = "incident ", "problem "
"""What the kinds of journal entries begin with."""

INCIDENTS: Mapping[str, type[e.Happening]] = {
    "opened": e.Opened,
    "joined": e.Joined,
    "answered": e.Answered,
    "noted": e.Noted,
    "solved": e.Solved,
    "confirmed": e.Confirmed,
    "disputed": e.Disputed,
    "warned": e.Warned,
    "breached": e.Breached,
    "closed": e.Closed,
    "traced": e.Traced,
    "mirrored": e.Mirrored,
}
"""The word of what may happen to an incident."""

PROBLEMS: Mapping[str, type[p.ProblemHappening]] = {
    "opened": p.ProblemOpened,
    "grew": p.ProblemGrew,
    "mirrored": p.ProblemMirrored,
    "closed": p.ProblemClosed,
}
"""The word of what may happen to a problem ticket."""

_WORDS: Mapping[type, str] = {
    **{happening: INCIDENT + word for word, happening in INCIDENTS.items()},
    **{happening: PROBLEM + word for word, happening in PROBLEMS.items()},
}


def entry_kind(event: e.IncidentEvent | p.ProblemEvent) -> str:
    """The journal's word for an event."""
    return _WORDS[type(event.what)]


def body_of(event: e.IncidentEvent | p.ProblemEvent) -> dict[str, object]:
    """The journal body of an event."""
    own: Any = event.what
    data = {each.name: plain_value(getattr(own, each.name)) for each in fields(own)}
    return {"by": event.by, "at": stamp(event.at), **data}


def incident_event(
    number: str, kind: str, at: datetime, body: Mapping[str, object]
) -> e.IncidentEvent:
    """The event that an entry tells of; ``number`` is the entry's run. Raises ValueError."""
    what: Any = happening_of(INCIDENTS, kind.removeprefix(INCIDENT), body)
    return e.IncidentEvent(number=number, at=said_at(body, at), by=said_by(body), what=what)


def problem_event(
    number: str, kind: str, at: datetime, body: Mapping[str, object]
) -> p.ProblemEvent:
    """The event that an entry tells of; ``number`` is the entry's run. Raises ValueError."""
    what: Any = happening_of(PROBLEMS, kind.removeprefix(PROBLEM), body)
    return p.ProblemEvent(number=number, at=said_at(body, at), by=said_by(body), what=what)
