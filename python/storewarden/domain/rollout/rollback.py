# SPDX-License-Identifier: GPL-3.0-or-later
"""Going back: the whole exposed set is restored, and what cannot be reached becomes a debt.

Windows, freezes and pauses do not hold an undo. Broken hosts come first, without asking the
budgets, for nothing is lost on them; hosts that work are undone within the budgets. A host that is
at work is waited for and then taken back (I7). It is over when every touched host is restored or
owes something (I4); debts are worked off afterwards, whenever their host answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from storewarden.domain.capacity.admit import Refusal
from storewarden.domain.capacity.groups import WORK, kind_of
from storewarden.domain.rollout.course import Course
from storewarden.domain.rollout.dispatching import (
    CAPACITY_AGAIN,
    Batch,
    admission,
    lanes,
    probe,
    send,
)
from storewarden.domain.rollout.events import HostMoved, Moved
from storewarden.domain.rollout.record import (
    HostRecord,
    HostState,
    Phase,
    RolloutState,
    Setback,
)
from storewarden.domain.rollout.settling import (
    MOST_UNDOS,
    STANDING,
    attend,
    give_up_probing,
    owe_silence,
)

SILENT_TRIES = 3
"""Probes without an answer after which a host is a debt: about eight minutes, far from the hour
in which the last reachable host must be restored (guide 2.5.4)."""

GROUP_PATIENCE = timedelta(minutes=30)
"""How long a host waits for its group to be free before it is a debt."""

_FORWARD = (Phase.PREFLIGHT, Phase.APPLY, Phase.JUDGE)
_BROKEN = (HostState.APPLYING, HostState.VERIFYING, HostState.ATTENTION)
_UNTOUCHED_STATES = (
    HostState.PLANNED,
    HostState.CAPTURED,
    HostState.OFFLINE_UNTOUCHED,
    HostState.SKIPPED,
)
_SET_ASIDE = (HostState.ATTENTION, HostState.SKIPPED)
_TO_UNDO = (*_BROKEN, *STANDING, HostState.RESTORED, *_UNTOUCHED_STATES)


def go_back(course: Course) -> None:
    """One look at a rollout that goes back."""
    if course.rollout.state is RolloutState.ABORTING and not _forward(course):
        course.tell(
            Moved(
                to=RolloutState.ROLLING_BACK,
                reason="what was under way has ended",
                reason_zh="在途运行均已结束",
            )
        )
    _settle(course)
    _dispatch(course)
    _end(course)


def work_off(course: Course) -> None:
    """Debts of a rollout that has gone back: asked for, and restored when they answer."""
    _settle(course)
    _dispatch(course)
    touched = [host for host in course.rollout.hosts.values() if host.touched]
    if not touched and not course.rollout.dispatches:
        course.tell(
            Moved(
                to=RolloutState.ROLLED_BACK,
                reason="the last debt is restored",
                reason_zh="最后一笔欠账已恢复",
            )
        )
    elif touched:
        course.wait(f"{len(touched)} hosts are a debt", f"{len(touched)} 台主机仍为欠账")


def to_undo(course: Course) -> list[HostRecord]:
    """Hosts that still have to be restored and that nothing is under way on, broken ones first,
    then the last changed ones first."""
    found = [host for host in course.idle(*_TO_UNDO) if _owed(host)]
    found.sort(key=lambda host: -host.wave)
    broken = [host for host in found if _broken(host)]
    return broken + [host for host in found if not _broken(host)] if broken else found


def _owed(host: HostRecord) -> bool:
    if not host.touched or host.undos >= MOST_UNDOS:
        return False
    if host.state is HostState.SKIPPED:
        return not host.debt  # released: a person has taken it over
    if host.state is HostState.ATTENTION:
        return host.phase is not Phase.PROBE  # nobody knows what works there: a person looks
    return True


def _broken(host: HostRecord) -> bool:
    return host.state in _BROKEN or host.setback is Setback.FAILED


def _settle(course: Course) -> None:
    ready = tuple(h.name for h in course.idle(HostState.CAPTURED) if not h.touched)
    if ready:
        moved = HostMoved(
            hosts=ready,
            to=HostState.PLANNED,
            reason="the rollout goes back: not changed any more",
            reason_zh="发布正在回退，不再变更",
        )
        course.tell(moved)
    give_up_probing(course)
    owe_silence(course, SILENT_TRIES)
    _give_up(course)


def _give_up(course: Course) -> None:
    still = course.idle(*(state for state in _TO_UNDO if state not in _SET_ASIDE))
    worn = [host for host in still if host.undos >= MOST_UNDOS and host.touched]
    attend(course, worn, "could not be restored", "未能恢复")


def _dispatch(course: Course) -> None:
    wanted = [host for host in to_undo(course) if host.undos == 0 or course.due(host)]
    broken = [host for host in wanted if _broken(host)]
    send(course, Batch(phase=Phase.UNDO, hosts=broken))
    probe(course)
    free = lanes(course)
    standing = [host for host in wanted if not _broken(host)]
    if free < 1 or not standing:
        return
    answer = admission(course, standing, limit=free * course.rollout.spec.shard)
    hosts = [course.rollout.hosts[name] for name in answer.admitted]
    send(course, Batch(phase=Phase.UNDO, hosts=hosts))
    _look_for_silent(course, answer.refused)
    if not course.rollout.dispatches:
        _blocked(course, answer.refused)


def _look_for_silent(course: Course, refused: Mapping[str, Refusal]) -> None:
    """An untouched host that could not be reached may be in somebody's way: is it back? Nothing is
    begun on it any more, so nobody else would ask. One shard at a time, in a lane that is left."""
    groups = {each.group for each in refused.values() if each.group}
    counting = [group for group in groups if kind_of(group) not in WORK]
    near = {name for group in counting for name in course.facts.members.get(group, ())}
    silent = [host for host in course.idle(HostState.OFFLINE_UNTOUCHED) if host.name in near]
    asked = [host for host in silent if host.phase is not Phase.PROBE or course.due(host)]
    if not any(one.phase is Phase.PROBE for one in course.rollout.dispatches.values()):
        send(course, Batch(phase=Phase.PROBE, hosts=asked[: course.rollout.spec.shard]))


def _blocked(course: Course, refused: Mapping[str, Refusal]) -> None:
    """Hosts whose group is not free although nothing is under way: whoever is in their way needs
    a person or a line. They owe, too, and are restored when their group is free."""
    rollback = course.rollout.rollback
    course.wake(course.now + CAPACITY_AGAIN)
    if rollback is None or course.now < rollback.verdict + GROUP_PATIENCE:
        return
    for name, refusal in refused.items():
        if not course.rollout.hosts[name].debt:
            course.tell(
                HostMoved(
                    hosts=(name,),
                    to=course.rollout.hosts[name].state,
                    reason=f"not restored yet: {refusal.reason}",
                    reason_zh=f"尚未恢复：{refusal.reason_zh}",
                    debt=f"not restored yet: {refusal.reason}",
                    debt_zh=f"尚未恢复：{refusal.reason_zh}",
                )
            )


def _forward(course: Course) -> bool:
    return any(one.phase in _FORWARD for one in course.rollout.dispatches.values())


def _end(course: Course) -> None:
    if course.rollout.state is not RolloutState.ROLLING_BACK:
        return
    touched = [host for host in course.rollout.hosts.values() if host.touched]
    open_ = [host for host in touched if not host.debt]
    if open_:
        _say(course, open_)
    elif touched:
        course.tell(
            Moved(
                to=RolloutState.ROLLED_BACK_WITH_DEBT,
                reason=f"{len(touched)} hosts are a debt ({touched[0].name} ..)",
                reason_zh=f"{len(touched)} 台主机为欠账（{touched[0].name} 等）",
            )
        )
    elif not course.rollout.dispatches:
        course.tell(
            Moved(
                to=RolloutState.ROLLED_BACK,
                reason="every touched host is as it was",
                reason_zh="所有变更过的主机均已恢复",
            )
        )


def _say(course: Course, open_: list[HostRecord]) -> None:
    course.wait(
        f"{len(open_)} hosts still have to be restored ({open_[0].name} ..)",
        f"尚有 {len(open_)} 台主机待恢复（{open_[0].name} 等）",
    )
