# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows now: the one place where storewarden's own decisions about a rollout are made.

Rules are gone through in a fixed order until none of them has anything more to say; each sees what
those before it told. Harm comes first, then what holds the rollout, then the wave, and only at last
work is dispatched. Pure: the world is in ``Facts``, the clock is ``now``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from storewarden.domain.rollout.course import Course
from storewarden.domain.rollout.dispatching import dispatch_forward
from storewarden.domain.rollout.events import (
    Approved,
    HostMoved,
    Moved,
    RollbackBegan,
    Started,
)
from storewarden.domain.rollout.facts import Facts, Step
from storewarden.domain.rollout.failing import fail
from storewarden.domain.rollout.holding import hold
from storewarden.domain.rollout.orders import going_back
from storewarden.domain.rollout.record import Cause, HostState, Rollout, RolloutState
from storewarden.domain.rollout.reporting import reported
from storewarden.domain.rollout.rollback import go_back, work_off
from storewarden.domain.rollout.settling import settle
from storewarden.domain.rollout.straggling import catch_up
from storewarden.domain.rollout.tables import ACTIVE, GOING_BACK
from storewarden.domain.rollout.waving import move_wave

ASK_AGAIN = timedelta(minutes=15)
"""How often somebody else's word (an approval, a freeze) is looked at when nobody tells."""

WATCH = timedelta(minutes=5)
"""How often runs that are under way are looked at when nobody tells how they end."""

_SOON = timedelta(seconds=1)
_MOST_LOOKS = 12  # more than any chain of rules is long; a rule that never ends is a bug


def decide(rollout: Rollout, facts: Facts, now: datetime) -> Step:
    """The events that follow now, in order, and when to look again.

    The events can be folded over ``rollout``. Deciding again on the outcome with the same facts
    at the same moment says nothing more.
    """
    course = Course(rollout=rollout, facts=facts, now=now)
    for _ in range(_MOST_LOOKS):
        told = len(course.events)
        course.afresh()
        _look(course)
        if len(course.events) == told:
            break
    return Step(
        events=tuple(course.events),
        ask_gates=course.ask_gates,
        look_at=max(min(course.wakes), now + _SOON) if course.wakes else None,
        waiting=course.waiting[0],
        waiting_zh=course.waiting[1],
    )


def _look(course: Course) -> None:
    _collect(course)
    rules = _rules(course.rollout.state)
    for rule in rules:
        if _rules(course.rollout.state) is rules:
            rule(course)
    if course.rollout.dispatches:
        course.wake(course.now + WATCH)


def _collect(course: Course) -> None:
    """Runs that neither live nor have a result ended without a word."""
    for dispatch in sorted(course.facts.gone & course.rollout.dispatches.keys()):
        course.follow(reported(course.rollout, dispatch, (), course.now, lost=True))


def _withdrawn(course: Course) -> bool:
    """What has not begun does not outlive its change: it would hold its hosts for ever."""
    over = course.facts.change_over
    if over:
        course.tell(Moved(to=RolloutState.CANCELLED, reason=over, reason_zh=_over_zh(course)))
    return bool(over)


def _over_zh(course: Course) -> str:
    return course.facts.change_over_zh or "变更单已结束"


def _withdraw(course: Course) -> None:
    """The same for one that has begun, as long as nothing of it is on any host. What is on some
    hosts is a person's to decide: the rollout stays paused. Runs under way are waited for, and
    hosts that nobody knows of are probed first."""
    over, rollout = course.facts.change_over, course.rollout
    unsure = course.count(HostState.UNKNOWN)
    if not over or rollout.dispatches or unsure or any(h.touched for h in rollout.hosts.values()):
        return
    why = (
        f"{over}, and nothing of it is on any host",
        f"{_over_zh(course)}，未在任何主机上留下变更",
    )
    if any(host.rounds for host in rollout.hosts.values()):  # there was something, and is no more
        began = RollbackBegan(cause=Cause.ORDER, reason=why[0], reason_zh=why[1])
        course.tell(*going_back(rollout, began))
        return
    left = tuple(host.name for host in course.hosts(HostState.ATTENTION))
    if left:  # nobody could release them afterwards
        course.tell(HostMoved(hosts=left, to=HostState.SKIPPED, reason=why[0], reason_zh=why[1]))
    course.tell(Moved(to=RolloutState.CANCELLED, reason=why[0], reason_zh=why[1]))


def _approve(course: Course) -> None:
    if _withdrawn(course):
        return
    if course.facts.change_approved:
        course.tell(Approved())
        return
    course.wait("its change is not approved", "变更单尚未批准")
    course.wake(course.now + ASK_AGAIN)


def _start(course: Course) -> None:
    if _withdrawn(course):
        return
    facts = course.facts
    against = facts.frozen or facts.change
    if not against and facts.change_approved:
        course.tell(Started())
        return
    against_zh = facts.frozen_zh or facts.change_zh or against
    course.wait(against or "its change is not approved", against_zh or "变更单尚未批准")
    course.wake(course.now + ASK_AGAIN)


type _Rule = Callable[[Course], None]

_FORWARD: tuple[_Rule, ...] = (_withdraw, fail, settle, hold, move_wave, dispatch_forward)
_RULES: Mapping[RolloutState, tuple[_Rule, ...]] = {
    RolloutState.DRAFT: (_approve,),
    RolloutState.APPROVED: (_start,),
    **dict.fromkeys(ACTIVE, _FORWARD),
    **dict.fromkeys(GOING_BACK, (go_back,)),
    RolloutState.COMPLETED_WITH_STRAGGLERS: (settle, catch_up),
    RolloutState.ROLLED_BACK_WITH_DEBT: (work_off,),
}


def _rules(state: RolloutState) -> tuple[_Rule, ...]:
    return _RULES.get(state, ())
