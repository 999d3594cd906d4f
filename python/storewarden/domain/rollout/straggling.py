# SPDX-License-Identifier: GPL-3.0-or-later
"""Stragglers: hosts that could not be reached while their wave was worked on.

They are caught up with after the rollout, each through a preflight of its own, in its own store's
window, within the budgets, so many per day, with the versions that everybody else got. Who
has not answered for the whole expiry becomes a debt with a ticket.
"""

from __future__ import annotations

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
    if course.now < over:
        course.wake(over)
        return
    days = rollout.spec.stragglers.expiry.days
    course.tell(
        HostMoved(
            hosts=late,
            to=HostState.SKIPPED,
            reason=f"not reached for {days} days",
            reason_zh=f"{days} 天内无法连接",
            debt=f"not reached for {days} days: it was not changed",
            debt_zh=f"{days} 天内无法连接：未变更",
        )
    )


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
