# SPDX-License-Identifier: GPL-3.0-or-later
"""Incidents: what people work on. One per fault, however many alerts there are of it.

An incident is what its events add up to. It is answered when a person takes it, or when a repair
begins; solved when a repair was verified, or a person says so; and closed when the business
confirms that, or says nothing for two hours (guide 2.3). Who finds it broken all the same disputes
it: then it is open again, and its clock never stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from storewarden.domain.healing.events import STOREWARDEN
from storewarden.domain.healing.record import Reason
from storewarden.domain.healing.rule import Impact, Kind


class IncidentState(StrEnum):
    """Where an incident stands."""

    OPEN = "open"  # nobody has taken it
    ANSWERED = "answered"  # a person or a repair is at it
    SOLVED = "solved"  # solved and verified; the business may confirm or dispute
    CLOSED = "closed"  # over


class Clock(StrEnum):
    """What the guide promises a time for."""

    ANSWER = "answer"  # somebody has looked
    SOLVE = "solve"  # it is solved


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """It begins. ``name`` is the fault ("store:000101", "storm:PosDown", "rule:PosDown@pos-1").

    ``items`` are its configuration items, ``dependents`` what depends on them (guide 2.3.3).
    ``began_at`` is when its first alert began: from then on the clocks run.
    """

    number: str
    name: str
    rule: str
    kind: Kind
    priority: Impact
    began_at: datetime
    hosts: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    dependents: tuple[str, ...] = ()
    occurrences: tuple[str, ...] = ()
    summary: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """More alerts of the same fault."""

    occurrences: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    dependents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Somebody is at it: ``repair`` is the id of a repair, "" for a person."""

    repair: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A line of its story; ``evidence`` are names of stored documents."""

    en: str
    zh: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """It is well again; ``verified`` when a probe or the alert's own expression said so."""

    verified: bool
    how: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """The business says that it is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disputed:
    """The business says that it is not."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Told that a promise will soon be broken."""

    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Breached:
    """A promise was broken."""

    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """It is over; ``silent`` when nobody confirmed."""

    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """A problem ticket looks for its cause."""

    problem: str


type Happening = (
    Opened
    | Joined
    | Answered
    | Noted
    | Solved
    | Confirmed
    | Disputed
    | Warned
    | Breached
    | Closed
    | Traced
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentEvent:
    """One fact about the incident ``number``."""

    number: str
    at: datetime
    what: Happening
    by: str = STOREWARDEN


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

    ``disputes`` is how often it was said to be solved and was not.
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
    solved_at: datetime | None = None
    verified: bool = False
    confirmed_at: datetime | None = None
    confirmed_by: str = ""
    closed_at: datetime | None = None
    disputes: int = 0
    warned: tuple[Clock, ...] = ()
    breached: tuple[Clock, ...] = ()
    problem: str = ""
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
    if incident.over and not isinstance(what, Traced | Noted):
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
    )


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
    return incident


def _ended(incident: Incident, event: IncidentEvent) -> Incident:
    what = event.what
    if isinstance(what, Solved):
        answered = incident if incident.answered_at is not None else _answered(incident, event)
        return replace(
            answered, state=IncidentState.SOLVED, solved_at=event.at, verified=what.verified
        )
    if incident.state is not IncidentState.SOLVED:
        raise ValueError(f"{incident.number} is {incident.state.value}, not solved")
    if isinstance(what, Confirmed):
        return replace(incident, confirmed_at=event.at, confirmed_by=event.by)
    if isinstance(what, Disputed):
        again = replace(incident, state=IncidentState.ANSWERED, disputes=incident.disputes + 1)
        return replace(again, solved_at=None, verified=False, confirmed_at=None, confirmed_by="")
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
        verified=incident.verified and not back,
        confirmed_at=None if back else incident.confirmed_at,
        confirmed_by="" if back else incident.confirmed_by,
        disputes=incident.disputes + back,
    )


def _answered(incident: Incident, event: IncidentEvent) -> Incident:
    if incident.answered_at is not None:
        return incident
    return replace(
        incident, state=IncidentState.ANSWERED, answered_at=event.at, answered_by=event.by
    )


def _more[T](known: tuple[T, ...], new: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys((*known, *new)))


_CLOCKS = {Clock.ANSWER: "响应", Clock.SOLVE: "解决"}


def _words(what: Happening) -> tuple[str, str]:
    """One line of the story, English and Chinese."""
    if isinstance(what, Opened):
        said = what.summary
        return (said.en, said.zh) if said else (f"{what.name} was opened", f"{what.name} 已建立")
    if isinstance(what, Noted):
        return what.en, what.zh
    if isinstance(what, Warned):
        clock = what.clock
        return f"time to {clock.value} is running out", f"{_CLOCKS[clock]}时限即将到期"
    if isinstance(what, Breached):
        return f"not in time: {what.clock.value}", f"{_CLOCKS[what.clock]}超时"
    return _work_words(what)


def _work_words(what: Happening) -> tuple[str, str]:
    if isinstance(what, Joined):
        many = len(what.occurrences)
        return f"{many} more alerts of the same fault", f"同一故障新增 {many} 条告警"
    if isinstance(what, Answered):
        by = what.repair
        return (f"repair {by} began", f"修复 {by} 已开始") if by else ("taken up", "已受理")
    if isinstance(what, Solved):
        seen = ("solved and verified", "已解决并验证") if what.verified else ("solved", "已解决")
        return (f"{seen[0]}: {what.how}", f"{seen[1]}：{what.how}") if what.how else seen
    return _last_words(what)


def _last_words(what: Happening) -> tuple[str, str]:
    if isinstance(what, Disputed):
        return f"not solved: {what.why}", f"未解决：{what.why}"
    if isinstance(what, Traced):
        return f"problem {what.problem} looks for the cause", f"由问题单 {what.problem} 查找原因"
    if isinstance(what, Closed):
        return (
            ("closed: nobody objected", "已关闭：无异议") if what.silent else ("closed", "已关闭")
        )
    return "confirmed by the business", "业务部门已确认"


def _told(incident: Incident, event: IncidentEvent) -> Incident:
    en, zh = _words(event.what)
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
