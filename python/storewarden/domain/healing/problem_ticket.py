# SPDX-License-Identifier: GPL-3.0-or-later
"""The ticket of a problem: the cause behind incidents that keep coming (guide 2.4).

One per fault is open. It grows with each further incident, and becomes a major one when enough of
them had a high priority. Nobody can prove that a cause is gone; when the fault has not come for as
long as "the same again" reaches back, the ticket is closed, and the next time counts from one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from storewarden.domain.healing.events import STOREWARDEN
from storewarden.domain.healing.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemOpened:
    """``name`` is the fault (``Incident.name``), ``incidents`` their numbers; it came ``times``
    times. ``major`` behind three high-priority incidents (guide 2.4.1)."""

    name: str
    incidents: tuple[str, ...]
    times: int
    major: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemGrew:
    """The fault came again; ``incidents`` are all of them. ``now_major``: it was none before."""

    incidents: tuple[str, ...]
    times: int
    major: bool = False
    now_major: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemMirrored:
    """A ticket system has it, under an id of its own."""

    system: str
    ticket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemClosed:
    """The fault has not come again since ``since``."""

    since: datetime


type ProblemHappening = ProblemOpened | ProblemGrew | ProblemMirrored | ProblemClosed


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemEvent:
    """One fact about the problem ticket ``number``."""

    number: str
    at: datetime
    what: ProblemHappening
    by: str = STOREWARDEN


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemTicket:
    """A problem ticket after its events. ``came_at`` is when the fault was last heard of."""

    number: str
    name: str
    incidents: tuple[str, ...]
    times: int
    major: bool
    opened_at: datetime
    came_at: datetime
    closed_at: datetime | None = None
    tickets: Mapping[str, str] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether it is closed."""
        return self.closed_at is not None


def fold_problem(ticket: ProblemTicket | None, event: ProblemEvent) -> ProblemTicket:
    """The ticket after ``event``; None only before ProblemOpened.

    Raises ValueError for what cannot happen to it.
    """
    what = event.what
    if ticket is None:
        if not isinstance(what, ProblemOpened):
            raise ValueError(f"{event.number} begins with {type(what).__name__}")
        return _opened(what, event)
    if event.number != ticket.number:
        raise ValueError(f"an event of {event.number} is none of {ticket.number}")
    if isinstance(what, ProblemMirrored):
        return replace(ticket, tickets={**ticket.tickets, what.system: what.ticket})
    if isinstance(what, ProblemOpened) or ticket.over:
        raise ValueError(f"{event.number}: {type(what).__name__} cannot happen to it any more")
    if isinstance(what, ProblemClosed):
        return replace(ticket, closed_at=event.at)
    grown = replace(ticket, incidents=what.incidents, times=what.times)
    return replace(grown, major=ticket.major or what.major, came_at=event.at)


def told_of_problem(
    problem: Problem, there: ProblemTicket | None, number: str, now: datetime
) -> ProblemEvent | None:
    """What is new about a problem: ``there`` is the open ticket of its fault; without one it gets
    ``number``. None when nothing is."""
    if there is None or there.over:
        opened = ProblemOpened(
            name=problem.name,
            incidents=problem.incidents,
            times=problem.times,
            major=problem.major,
        )
        return ProblemEvent(number=number, at=now, what=opened)
    # Those that are older than the span are no longer counted, and stay on the ticket all the same.
    incidents = tuple(dict.fromkeys((*there.incidents, *problem.incidents)))
    becomes = problem.major and not there.major
    if incidents == there.incidents and problem.times <= there.times and not becomes:
        return None
    times = max(problem.times, there.times + len(incidents) - len(there.incidents))
    grew = ProblemGrew(
        incidents=incidents, times=times, major=there.major or becomes, now_major=becomes
    )
    return ProblemEvent(number=there.number, at=now, what=grew)


def _opened(what: ProblemOpened, event: ProblemEvent) -> ProblemTicket:
    return ProblemTicket(
        number=event.number,
        name=what.name,
        incidents=what.incidents,
        times=what.times,
        major=what.major,
        opened_at=event.at,
        came_at=event.at,
    )
