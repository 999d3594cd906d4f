# SPDX-License-Identifier: GPL-3.0-or-later
"""Incidents: what people work on. One per fault, however many alerts there are of it.

An incident is what its events add up to. It is answered when a person takes it, or when a repair
begins; solved when a repair was verified, or a person says so; and closed when the business
confirms that, or says nothing for two hours (guide 2.3). Who finds it broken all the same disputes
it: then it is open again, and its clock never stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from storewarden.domain.healing.events import STOREWARDEN
from storewarden.domain.healing.incident_events import (
    Answered,
    Breached,
    Clock,
    Closed,
    Confirmed,
    Disputed,
    Happening,
    IncidentEvent,
    Joined,
    Mirrored,
    Needs,
    Noted,
    Opened,
    Solved,
    Traced,
    Warned,
)
from storewarden.domain.healing.incident_words import words_of
from storewarden.domain.healing.rule import Impact, Kind

__all__ = [
    "Answered",
    "Breached",
    "Clock",
    "Closed",
    "Confirmed",
    "Disputed",
    "Entry",
    "Happening",
    "Incident",
    "IncidentEvent",
    "IncidentState",
    "Joined",
    "Mirrored",
    "Needs",
    "Noted",
    "Opened",
    "Solved",
    "Traced",
    "Warned",
    "dependents_of",
    "fold",
    "replay",
]


class IncidentState(StrEnum):
    """Where an incident stands."""

    OPEN = "open"  # nobody has taken it
    ANSWERED = "answered"  # a person or a repair is at it
    SOLVED = "solved"  # solved and verified; the business may confirm or dispute
    CLOSED = "closed"  # over


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the story."""

    at: datetime
    by: str
    en: str
    zh: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """An incident after its events so far. Times are UTC; ``warned`` and ``breached`` name clocks.

    ``disputes`` is how often it was said to be solved and was not. ``holder`` is the person who
    took it last, "" while nobody has; ``solved_by`` who said that it is solved. ``repairs`` are
    those that began for it, ``told`` what its story has told already (``Noted.about``).
    ``settled`` is how many alerts it had when it was last found well by its alerts: a person who
    disputes that is not contradicted by the same alerts again. ``tickets`` maps a ticket system to
    the id there.
    """

    number: str
    name: str
    rule: str
    kind: Kind
    priority: Impact
    began_at: datetime
    opened_at: datetime
    hosts: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    dependents: tuple[str, ...] = ()
    occurrences: tuple[str, ...] = ()
    state: IncidentState = IncidentState.OPEN
    answered_at: datetime | None = None
    answered_by: str = ""
    holder: str = ""
    solved_at: datetime | None = None
    solved_by: str = ""
    verified: bool = False
    confirmed_at: datetime | None = None
    confirmed_by: str = ""
    closed_at: datetime | None = None
    disputes: int = 0
    warned: tuple[Clock, ...] = ()
    breached: tuple[Clock, ...] = ()
    problem: str = ""
    needs: Needs = Needs.NOBODY
    repairs: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    settled: int = 0
    tickets: Mapping[str, str] = field(default_factory=dict)
    timeline: tuple[Entry, ...] = ()

    @property
    def over(self) -> bool:
        """Whether nothing more can happen to it, except that a problem takes it up."""
        return self.state is IncidentState.CLOSED


def fold(incident: Incident | None, event: IncidentEvent) -> Incident:
    """The incident after ``event``; None only before Opened.

    Raises ValueError for what cannot happen to it.
    """
    what = event.what
    if incident is None:
        if not isinstance(what, Opened):
            raise ValueError(f"{event.number} begins with {type(what).__name__}, not with Opened")
        return _told(_opened(what, event), event)
    if event.number != incident.number:
        raise ValueError(f"an event of {event.number} is none of {incident.number}")
    if isinstance(what, Opened):
        raise ValueError(f"{event.number} was opened twice")
    if incident.over and not isinstance(what, Traced | Noted | Mirrored):
        raise ValueError(f"{event.number} is closed: {type(what).__name__} comes too late")
    return _told(_after(incident, event), event)


def replay(events: Iterable[IncidentEvent]) -> Incident:
    """The incident after all its events, in order. ValueError when there are none."""
    incident: Incident | None = None
    for event in events:
        incident = fold(incident, event)
    if incident is None:
        raise ValueError("no events")
    return incident


def _opened(what: Opened, event: IncidentEvent) -> Incident:
    if what.number != event.number:
        raise ValueError(f"{event.number} is not the number of its incident")
    return Incident(
        number=what.number,
        name=what.name,
        rule=what.rule,
        kind=what.kind,
        priority=what.priority,
        began_at=min(what.began_at, event.at),
        opened_at=event.at,
        hosts=what.hosts,
        items=what.items,
        dependents=what.dependents,
        occurrences=what.occurrences,
        needs=what.needs,
        told=told_of(what.needs, 0),
    )


def told_of(needs: Needs, disputes: int) -> tuple[str, ...]:
    """What has been told when people were told that they are needed: once for each time that it
    is open, and whoever has to do it need not be asked for a yes as well."""
    asked, called = f"asked {disputes}", f"called {disputes}"
    if needs is Needs.PERSON:
        return asked, called
    return (asked,) if needs is Needs.ANSWER else ()


def _after(incident: Incident, event: IncidentEvent) -> Incident:
    what = event.what
    if isinstance(what, Joined):
        return _joined(incident, what)
    if isinstance(what, Answered):
        return _answered(incident, event)
    if isinstance(what, Solved | Confirmed | Disputed | Closed):
        return _ended(incident, event)
    return _marked(incident, what)


def _marked(incident: Incident, what: Happening) -> Incident:
    """What changes nothing about where it stands."""
    if isinstance(what, Warned):
        return replace(incident, warned=_more(incident.warned, (what.clock,)))
    if isinstance(what, Breached):
        return replace(incident, breached=_more(incident.breached, (what.clock,)))
    if isinstance(what, Traced):
        return replace(incident, problem=what.problem)
    if isinstance(what, Mirrored):
        return replace(incident, tickets={**incident.tickets, what.system: what.ticket})
    if isinstance(what, Noted):
        return _noted(incident, what)
    return incident


def _noted(incident: Incident, what: Noted) -> Incident:
    told = told_of(what.needs, incident.disputes)
    told = (what.about, *told) if what.about else told
    needs = incident.needs if what.needs is Needs.NOBODY else what.needs
    return replace(incident, told=_more(incident.told, told), needs=needs)


def _ended(incident: Incident, event: IncidentEvent) -> Incident:
    what = event.what
    if isinstance(what, Solved):
        answered = incident if incident.answered_at is not None else _answered(incident, event)
        solved = replace(answered, state=IncidentState.SOLVED, verified=what.verified)
        itself = len(incident.occurrences) if event.by == STOREWARDEN else incident.settled
        return replace(solved, solved_at=event.at, solved_by=event.by, settled=itself)
    if incident.state is not IncidentState.SOLVED:
        raise ValueError(f"{incident.number} is {incident.state.value}, not solved")
    if isinstance(what, Confirmed):
        return replace(incident, confirmed_at=event.at, confirmed_by=event.by)
    if isinstance(what, Disputed):
        again = replace(incident, state=IncidentState.ANSWERED, disputes=incident.disputes + 1)
        again = replace(again, solved_at=None, solved_by="", verified=False)
        return replace(again, confirmed_at=None, confirmed_by="")
    assert isinstance(what, Closed)  # noqa: S101 - for the type checker
    return replace(incident, state=IncidentState.CLOSED, closed_at=event.at)


def _joined(incident: Incident, what: Joined) -> Incident:
    """More of the same; what was held for solved is not, when the fault fires again."""
    back = incident.state is IncidentState.SOLVED
    return replace(
        incident,
        occurrences=_more(incident.occurrences, what.occurrences),
        hosts=_more(incident.hosts, what.hosts),
        items=_more(incident.items, what.items),
        dependents=_more(incident.dependents, what.dependents),
        state=IncidentState.ANSWERED if back else incident.state,
        solved_at=None if back else incident.solved_at,
        solved_by="" if back else incident.solved_by,
        verified=incident.verified and not back,
        confirmed_at=None if back else incident.confirmed_at,
        confirmed_by="" if back else incident.confirmed_by,
        disputes=incident.disputes + back,
        settled=0 if back else incident.settled,
    )


def _answered(incident: Incident, event: IncidentEvent) -> Incident:
    what = event.what
    if isinstance(what, Answered):
        if what.repair:
            incident = replace(incident, repairs=_more(incident.repairs, (what.repair,)))
        else:
            incident = replace(incident, holder=event.by)
    if incident.answered_at is not None:
        return incident
    return replace(
        incident, state=IncidentState.ANSWERED, answered_at=event.at, answered_by=event.by
    )


def _more[T](known: tuple[T, ...], new: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys((*known, *new)))


def _told(incident: Incident, event: IncidentEvent) -> Incident:
    en, zh = words_of(event.what)
    evidence = event.what.evidence if isinstance(event.what, Noted) else ()
    entry = Entry(at=event.at, by=event.by, en=en, zh=zh, evidence=evidence)
    return replace(incident, timeline=(*incident.timeline, entry))


def dependents_of(items: Iterable[str], depends: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Everything that depends on these configuration items, directly or not, without themselves.

    ``depends`` maps an item to the items that depend on it; circles do no harm.
    """
    begun = list(dict.fromkeys(items))
    seen = set(begun)
    found: list[str] = []
    queue = list(begun)
    while queue:
        for each in sorted(depends.get(queue.pop(0), ())):
            if each not in seen:
                seen.add(each)
                found.append(each)
                queue.append(each)
    return tuple(found)
