# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the guide's deadlines a schedule keeps, and what a rollout file has loosened.

A deadline that will be missed is known the day the rollout is planned, not the day it is missed:
then there is still the emergency lane, or another wave plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from fractions import Fraction

from storewarden.domain.rollout.plan import Plan
from storewarden.domain.rollout.schedule import Schedule
from storewarden.domain.rollout.spec import PayloadClass, RolloutSpec, SizeKind
from storewarden.domain.rollout.spec_defaults import DEFAULTS

type Works = Callable[[date], bool]
"""Whether people work on that day."""

_LONGEST = 3660  # days; a calendar in which nobody ever works must not count for ever


class RiskClass(StrEnum):
    """The risk class of an update (guide 1.3.1)."""

    HIGH = "high"  # a hole that is used, a system that stands still
    MEDIUM = "medium"  # the ordinary update
    LOW = "low"  # what nobody notices


class Deadline(StrEnum):
    """What has to have happened by when."""

    DONE = "done"  # every host changed: 48 h, or 7 working days (guide 1.3.3)
    START = "start"  # begun after approval: 4 h, 24 h, 72 h (guide 1.5.3)
    NOTICE = "notice"  # business units told 2 working days before (guide 1.3.3)
    CONTENT = "content"  # all of it within 3 h once the pilot is over (guide 1.8)


HIGH_DONE = timedelta(hours=48)
"""Guide 1.3.3, 1.4.4."""

WORKING_DAYS = 7
"""Medium and low (guide 1.3.3)."""

START_WITHIN = {
    RiskClass.HIGH: timedelta(hours=4),
    RiskClass.MEDIUM: timedelta(hours=24),
    RiskClass.LOW: timedelta(hours=72),
}
"""After approval (guide 1.5.3)."""

NOTICE_DAYS = 2
"""Working days (guide 1.3.3)."""

CONTENT_WITHIN = timedelta(hours=3)
"""Guide 1.8."""

_GUIDE = {
    Deadline.DONE: "1.3.3",
    Deadline.START: "1.5.3",
    Deadline.NOTICE: "1.3.3",
    Deadline.CONTENT: "1.8",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What deadlines are counted from.

    ``known`` is when the need for the update was written down (the change was opened; the start
    of the plan, without a change), ``approved`` when the last approval came (None: not yet).
    ``works`` and ``zone`` are the site's working days. ``opened`` is false while there is no
    change; ``emergency`` excuses from notice (guide 2.5.1).
    """

    risk: RiskClass
    known: datetime
    works: Works
    zone: tzinfo
    approved: datetime | None = None
    opened: bool = True
    emergency: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One deadline: ``due``, and when it will be (None: nobody can tell, no window fits).

    For NOTICE ``due`` is the earliest start, and ``will`` the planned one. ``binding`` is false
    for what is told for people's sake only: notice of a change that is not there yet, or of one
    that has 48 hours in all.
    """

    deadline: Deadline
    due: datetime
    will: datetime | None
    binding: bool = True

    @property
    def kept(self) -> bool:
        """Whether the schedule keeps it."""
        if self.will is None:
            return False
        return self.will >= self.due if self.deadline is Deadline.NOTICE else self.will <= self.due

    @property
    def by(self) -> timedelta:
        """How much is to spare, or (negative) missing; zero when nobody can tell."""
        if self.will is None:
            return timedelta(0)
        gap = self.due - self.will
        return -gap if self.deadline is Deadline.NOTICE else gap

    @property
    def guide(self) -> str:
        """The section of the guide that asks for it."""
        return _GUIDE[self.deadline]


def judge_deadlines(plan: Plan, schedule: Schedule, about: Circumstances) -> tuple[Kept, ...]:
    """Every deadline that applies; none for a plan without waves."""
    return tuple(_deadlines(plan, schedule, about)) if plan.waves else ()


def after_working_days(since: datetime, days: int, works: Works, zone: tzinfo) -> datetime:
    """The end of the ``days``-th working day after the day of ``since``, on ``zone``'s clock."""
    day, left = since.astimezone(zone).date(), days
    for _ in range(_LONGEST):
        if left <= 0:
            break
        day += timedelta(days=1)
        left -= works(day)
    end = datetime.combine(day + timedelta(days=1), time.min, tzinfo=zone)
    return end.astimezone(since.tzinfo)


def _deadlines(plan: Plan, schedule: Schedule, about: Circumstances) -> Iterator[Kept]:
    if about.risk is RiskClass.HIGH:
        due = about.known + HIGH_DONE
    else:
        due = after_working_days(about.known, WORKING_DAYS, about.works, about.zone)
    yield Kept(deadline=Deadline.DONE, due=due, will=schedule.done)
    if about.approved is not None:
        start = about.approved + START_WITHIN[about.risk]
        yield Kept(deadline=Deadline.START, due=start, will=schedule.begins)
    if not about.emergency:
        yield Kept(
            deadline=Deadline.NOTICE,
            due=_earliest(about),
            will=schedule.begins,
            binding=about.opened and about.risk is not RiskClass.HIGH,
        )
    if plan.spec.payload_class is PayloadClass.CONTENT and len(schedule.waves) > 1:
        pilot = _pilot(plan)
        if pilot < len(schedule.waves):
            after = schedule.waves[pilot].ready
            if after is not None:
                end = after + CONTENT_WITHIN
                yield Kept(deadline=Deadline.CONTENT, due=end, will=schedule.done)


def _earliest(about: Circumstances) -> datetime:
    """A start that leaves two working days for the notice."""
    return after_working_days(about.known, NOTICE_DAYS, about.works, about.zone)


def _pilot(plan: Plan) -> int:
    """How many waves are the pilot: up to a tenth of all stores, at least one."""
    tenth, reached = Fraction(len(plan.stores), 10), 0
    for place, wave in enumerate(plan.waves, start=1):
        reached += len(wave.stores)
        if reached >= tenth:
            return place
    return len(plan.waves)


class Loosened(StrEnum):
    """Where a rollout is less careful than the guide or the reference asks for."""

    SOAK = "soak"  # watched for less time
    PILOT = "pilot"  # the first wave takes more than a tenth of the stores
    COVERAGE = "coverage"  # less of a wave has to be verified
    STRAGGLERS = "stragglers"  # more hosts may be left out
    NO_GATES = "no gates"  # nothing judges a wave


@dataclass(frozen=True, slots=True, kw_only=True)
class Loosening:
    """One of them: what the file says and what would be asked for, as values."""

    what: Loosened
    says: object
    asked: object
    guide: str = ""


_COVERAGE = Fraction(4, 5)
_STRAGGLERS = Fraction(1, 10)
_PILOT = Fraction(1, 10)


def loosened(spec: RolloutSpec, plan: Plan) -> tuple[Loosening, ...]:
    """Everything in which ``spec`` is looser; nothing of it forbids the rollout."""
    return tuple(_loosened(spec, plan))


def _loosened(spec: RolloutSpec, plan: Plan) -> Iterator[Loosening]:
    asked = DEFAULTS[spec.payload_class]
    if spec.watched.wall < asked.soak.wall:
        yield Loosening(
            what=Loosened.SOAK, says=spec.watched.wall, asked=asked.soak.wall, guide=asked.guide
        )
    if plan.waves and _first_is_large(plan):
        first = Fraction(len(plan.waves[0].stores), len(plan.stores))
        yield Loosening(what=Loosened.PILOT, says=first, asked=_PILOT, guide="1.3.3")
    if spec.coverage < _COVERAGE:
        yield Loosening(what=Loosened.COVERAGE, says=spec.coverage, asked=_COVERAGE)
    if spec.stragglers.share > _STRAGGLERS:
        yield Loosening(what=Loosened.STRAGGLERS, says=spec.stragglers.share, asked=_STRAGGLERS)
    if not spec.gates:
        yield Loosening(what=Loosened.NO_GATES, says=0, asked=1)


def _first_is_large(plan: Plan) -> bool:
    """A tenth rounded up, and one store may always be the first."""
    tenth = -(-len(plan.stores) // 10)
    kind = plan.cuts[0].size.kind
    return len(plan.waves[0].stores) > max(tenth, 1) and kind is not SizeKind.STRATUM
