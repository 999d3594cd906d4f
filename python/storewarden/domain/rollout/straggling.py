# SPDX-License-Identifier: GPL-3.0-or-later
"""Stragglers: hosts that could not be reached while their wave was worked on.

They are caught up with after the rollout, each through a preflight of its own, in its own store's
window, within the budgets, so many per day, with the versions that everybody else got. Who
has not answered for the whole expiry becomes a debt with a ticket; so does everybody who is left
when the change's own window, or the change itself, is over: nothing more may be begun for it.
"""

from __future__ import annotations

from datetime import datetime

from storewarden.domain.rollout.course import Course
from storewarden.domain.rollout.dispatching import (
    CAPACITY_AGAIN,
    change,
    finish_begun,
    prepare,
)
from storewarden.domain.rollout.events import HostMoved, Moved
from storewarden.domain.rollout.record import HostState, RolloutState
from storewarden.domain.rollout.waving import finish

_WAITING = (HostState.OFFLINE_UNTOUCHED, HostState.PLANNED)
_UNDER_WAY = (HostState.PREFLIGHT, HostState.CAPTURED)


def catch_up(course: Course) -> None:
    """One look at what a completed rollout has left behind."""
    _expire(course)
    finish(course)
    finish_begun(course)
    if not (course.facts.frozen or course.facts.change):
        _begin(course)
    else:
        facts = course.facts
        why = facts.frozen or facts.change
        course.wait(why, facts.frozen_zh or facts.change_zh or why)
        course.wake(course.now + CAPACITY_AGAIN * 3)
    _end(course)


def _expire(course: Course) -> None:
    rollout = course.rollout
    if rollout.ended is None:
        return
    over = rollout.ended + rollout.spec.stragglers.expiry
    late = tuple(host.name for host in course.idle(*_WAITING))
    if not late:
        return
    why = _no_more(course, over)
    if why is None:
        course.wake(over)
        return
    course.tell(
        HostMoved(
            hosts=late,
            to=HostState.SKIPPED,
            reason=why[0],
            reason_zh=why[1],
            debt=f"{why[0]}: it was not changed",
            debt_zh=f"{why[1]}：未变更",
        )
    )


def _no_more(course: Course, over: datetime) -> tuple[str, str] | None:
    """Why stragglers are waited for no longer; None as long as they are."""
    facts, days = course.facts, course.rollout.spec.stragglers.expiry.days
    if course.now >= over:
        return f"not reached for {days} days", f"{days} 天内无法连接"
    if facts.change_over:
        return facts.change_over, facts.change_over_zh or "变更单已结束"
    if facts.change_ends is None:
        return None
    if course.now >= facts.change_ends:
        return "not reached before the change's window ended", "变更窗口结束前无法连接"
    course.wake(facts.change_ends)
    return None


def _begin(course: Course) -> None:
    day = course.facts.day or f"{course.now:%Y-%m-%d}"
    left = course.rollout.spec.stragglers.daily - course.rollout.caught_up.get(day, 0)
    captured = course.idle(HostState.CAPTURED)[: max(left, 0)]
    change(course, captured, day=day)
    left -= len(course.hosts(*_UNDER_WAY))
    if left > 0:
        prepare(course, course.idle(*_WAITING)[:left])
    elif course.idle(*_WAITING):
        course.wait("as many stragglers as a day may have", "当日补做数量已达上限")
        course.wake(course.now + CAPACITY_AGAIN * 12)


def _end(course: Course) -> None:
    done = (HostState.FINAL, HostState.SKIPPED)
    left = course.count() - course.count(*done)
    if not left and not course.rollout.dispatches:
        course.tell(
            Moved(
                to=RolloutState.COMPLETED,
                reason="the last straggler is caught up with",
                reason_zh="最后一台掉队主机已补做",
            )
        )
    elif left:
        course.wait(f"{left} hosts are left", f"尚余 {left} 台主机")
