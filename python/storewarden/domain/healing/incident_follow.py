# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows for an incident from where its alerts and its repairs stand.

It is the same whoever asks and however often: what was told is in the incident, and folding the
events and asking again tells nothing more. So a crash between two looks loses nothing.

An incident is solved when each of its alerts was healed, or is over; verified when all were healed.
Whose word against that is a person's keeps it open: the same alerts do not solve it twice. What was
solved by its alerts is open again when one of them fires again that only a person can end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from storewarden.domain.healing import incident_clock
from storewarden.domain.healing.events import STOREWARDEN
from storewarden.domain.healing.incident import (
    Answered,
    Happening,
    Incident,
    IncidentEvent,
    IncidentState,
    Joined,
    Needs,
    Noted,
    Solved,
    fold,
)
from storewarden.domain.healing.record import End, HostEnd, Reason, Repair, RepairState, Stage
from storewarden.domain.healing.sla import IncidentPolicy

_DONE = frozenset({Stage.HEALED, Stage.GONE})
_WAITS = frozenset({Stage.RECEIVED, Stage.WAITING, Stage.ASKING, Stage.ACTING, Stage.VERIFYING})
_TOLD_HOSTS = 5  # of a repair's ends in one line

_ENDS: Mapping[End, tuple[str, str]] = {
    End.REPAIRED: ("repaired", "已修复"),
    End.HEALTHY: ("well already", "已正常"),
    End.LOOKED: ("looked at", "已检查"),
    End.ESCALATE: ("left to a person", "须人工处理"),
    End.NOT_WELL: ("not well after it", "修复后仍异常"),
    End.FAILED: ("failed", "失败"),
    End.UNREACHABLE: ("not reached", "无法连接"),
    End.NOT_BEGUN: ("not begun", "未开始"),
    End.UNKNOWN: ("unknown", "结果未知"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Where an alert stands; ``resolved`` when its sender says that it is over."""

    stage: Stage
    resolved: bool = False

    @property
    def done(self) -> bool:
        """Whether nobody has anything to do about it."""
        return self.stage in _DONE or (self.resolved and self.stage not in _WAITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was found out about an incident before the book was locked.

    ``courses`` are those of its alerts, by key; ``repairs`` those that were made for them, oldest
    first; ``why`` the reason for which the first one went to a person.
    """

    courses: Mapping[str, Course]
    repairs: tuple[Repair, ...] = ()
    why: Reason | None = None


def follow_up(
    incident: Incident, seen: Seen, policy: IncidentPolicy, now: datetime
) -> tuple[IncidentEvent, ...]:
    """Everything that follows by ``now``; nothing when it is over."""
    if incident.over:
        return ()
    telling = _Telling(incident=incident, now=now)
    for repair in seen.repairs:
        telling.tell_all(_of_repair(telling.incident, repair))
    telling.tell_all(_of_return(telling.incident, seen))
    telling.tell_all(_of_people(telling.incident, seen))
    telling.tell_all(_of_the_end(telling.incident, seen))
    clocks = incident_clock.follow(telling.incident, policy, now)
    return (*telling.told, *clocks)


def needs_reason(incident: Incident, courses: Mapping[str, Course]) -> str:
    """The key of an alert whose way to a person is to be told of; "" for none."""
    if incident.state is IncidentState.SOLVED:
        return next(iter(_back(incident, courses)), "")
    if f"called {incident.disputes}" in incident.told:
        return ""
    return next((key for key in incident.occurrences if _called(courses.get(key))), "")


@dataclass(slots=True, kw_only=True)
class _Telling:
    """The incident as it becomes, and what was told of it."""

    incident: Incident
    now: datetime
    told: list[IncidentEvent] = field(default_factory=list)

    def tell_all(self, whats: Iterator[tuple[Happening, datetime | None]]) -> None:
        for what, at in whats:
            event = IncidentEvent(number=self.incident.number, at=at or self.now, what=what)
            self.incident = fold(self.incident, event)
            self.told.append(event)


def _of_repair(incident: Incident, repair: Repair) -> Iterator[tuple[Happening, datetime | None]]:
    """That it began, at its own time: then somebody was at it; and how it came out."""
    if repair.begun_at is not None and repair.id not in incident.repairs:
        yield Answered(repair=repair.id), max(repair.begun_at, incident.opened_at)
    about = f"repair {repair.id}"
    if repair.state is RepairState.ENDED and about not in incident.told:
        en, zh = _ended(repair)
        yield Noted(en=en, zh=zh, evidence=(repair.id,), about=about), None


def _of_return(incident: Incident, seen: Seen) -> Iterator[tuple[Happening, datetime | None]]:
    """That its fault is back. Of an alert that a person has nothing is decided any more, so nobody
    else says it."""
    back = _back(incident, seen.courses)
    if back:
        yield Joined(occurrences=back), None


def _of_people(incident: Incident, seen: Seen) -> Iterator[tuple[Happening, datetime | None]]:
    """That people are needed; once for each time that it is open, however many alerts there are."""
    if incident.state is IncidentState.SOLVED:
        return
    if needs_reason(incident, seen.courses):
        many = sum(_called(seen.courses.get(key)) for key in incident.occurrences)
        why = seen.why
        en = f"a person has to act on {_alerts(many)}" + (f": {why.en}" if why else "")
        zh = f"{many} 条告警须由人员处理" + (f"：{why.zh}" if why else "")
        yield Noted(en=en, zh=zh, about="called", needs=Needs.PERSON), None
        return
    asking = sum(_asks(seen.courses.get(key)) for key in incident.occurrences)
    if asking and f"asked {incident.disputes}" not in incident.told:
        en, zh = f"{_alerts(asking)} wait for a person's yes", f"{asking} 条告警等待人员批准"
        yield Noted(en=en, zh=zh, about="asked", needs=Needs.ANSWER), None


def _of_the_end(incident: Incident, seen: Seen) -> Iterator[tuple[Happening, datetime | None]]:
    keys = incident.occurrences
    if incident.state is IncidentState.SOLVED or len(keys) <= incident.settled:
        return
    courses = [seen.courses.get(key) for key in keys]
    if not all(each is not None and each.done for each in courses):
        return
    healed = sum(each is not None and each.stage is Stage.HEALED for each in courses)
    if healed == len(keys):
        how, how_zh = f"{_alerts(healed)} healed and verified", f"{healed} 条告警已修复并验证"
    else:
        rest = len(keys) - healed
        how = f"{healed} healed and verified, {rest} over without a repair of ours"
        how_zh = f"{healed} 条已修复并验证，{rest} 条自行恢复"
    yield Solved(verified=healed == len(keys), how=how, how_zh=how_zh), None


def _back(incident: Incident, courses: Mapping[str, Course]) -> tuple[str, ...]:
    """Alerts that a person has and that fire, of an incident that was solved because they did not;
    a person who says that it is solved knows of them."""
    if incident.state is not IncidentState.SOLVED or incident.solved_by != STOREWARDEN:
        return ()
    return tuple(key for key in incident.occurrences if _called(courses.get(key)))


def _called(course: Course | None) -> bool:
    return course is not None and course.stage is Stage.ESCALATED and not course.resolved


def _asks(course: Course | None) -> bool:
    return course is not None and course.stage is Stage.ASKING


def _alerts(many: int) -> str:
    return "1 alert" if many == 1 else f"{many} alerts"


def _ended(repair: Repair) -> tuple[str, str]:
    """How a repair came out: hosts by their ends, and the reasons of those that are not well."""
    counts = Counter(each.end for each in repair.ends)
    en = ", ".join(f"{number} {_ENDS[end][0]}" for end, number in counts.items())
    zh = "，".join(f"{_ENDS[end][1]} {number} 台" for end, number in counts.items())
    bad = [each for each in repair.ends if each.end is not End.REPAIRED and each.reason]
    for each in bad[:_TOLD_HOSTS]:
        en += f"; {each.host}: {each.reason}"
        zh += f"；{each.host}：{_zh(each)}"
    return (
        f"repair {repair.id} ({repair.action}): {en}",
        f"修复 {repair.id}（{repair.action}）：{zh}",
    )


def _zh(end: HostEnd) -> str:
    return end.reason_zh or end.reason
