# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of hosts that nothing is under way on: tried again, or left to a person.

Every chain of tries has an end, so that no host waits for ever without anybody being told: then
it needs ATTENTION and owes something, keeps its slot, and its wave goes on without it. A host that
cannot be reached after it was touched is asked for as long as it takes, but owes from some
point on, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from storewarden.domain.rollout.course import Course
from storewarden.domain.rollout.events import HostMoved
from storewarden.domain.rollout.record import HostRecord, HostState, Phase, Setback

MOST_PREFLIGHTS = 5
"""Preflights in a row that failed, over about 25 minutes."""

MOST_PROBES = 8
"""Probes in a row that could not tell, over about an hour and a half."""

MOST_ROUNDS = 3
"""Times that a host's change is begun, when it was interrupted without fault."""

MOST_UNDOS = 3
"""Times that a host is to be restored."""

CAPTURE_LIFE = timedelta(minutes=30)
"""A restore point that waits for longer is taken anew: the host lives on beneath it."""

HALF_DONE = (HostState.APPLYING, HostState.VERIFYING)
STANDING = (HostState.SOAKING, HostState.AT_TARGET, HostState.FINAL)


def settle(course: Course) -> None:
    """The moves of idle hosts while the rollout goes forward (or catches up)."""
    _stale(course)
    _again(course)
    _give_up(course)
    owe_silence(course, MOST_PROBES)


def attend(course: Course, hosts: Iterable[HostRecord], why: str, why_zh: str) -> None:
    """Leave hosts to a person; each with what it said last."""
    for host in hosts:
        tail = f": {host.reason}" if host.reason else ""
        tail_zh = f"：{host.reason_zh or host.reason}" if host.reason else ""
        moved = HostMoved(
            hosts=(host.name,),
            to=HostState.ATTENTION,
            reason=f"{why}{tail}",
            reason_zh=f"{why_zh}{tail_zh}",
            debt=f"{why}{tail}",
            debt_zh=f"{why_zh}{tail_zh}",
        )
        course.tell(moved)


def give_up_probing(course: Course) -> None:
    """Hosts of which no probe could tell."""
    lost = [
        host
        for host in course.idle(HostState.UNKNOWN)
        if host.phase is Phase.PROBE and host.tries >= MOST_PROBES
    ]
    attend(course, lost, "no probe could tell what is the matter", "多次探测仍无法判定状态")


def needs_undo(host: HostRecord) -> bool:
    """Whether a host is to be taken back although the rollout goes forward."""
    if host.state is HostState.APPLYING:
        return True  # half changed, and nothing works on it any more
    return host.setback is Setback.FAILED and host.state in (*HALF_DONE, *STANDING)


def owe_silence(course: Course, tries: int) -> None:
    """Touched hosts that stay silent become debts; they are asked on."""
    for host in course.idle(HostState.OFFLINE_TOUCHED):
        if host.debt or host.phase is not Phase.PROBE or host.tries < tries:
            continue
        course.tell(
            HostMoved(
                hosts=(host.name,),
                to=HostState.OFFLINE_TOUCHED,
                reason="cannot be reached, and is changed or half changed",
                reason_zh="无法连接，且已变更或部分变更",
                debt="cannot be reached, and is changed or half changed",
                debt_zh="无法连接，且已变更或部分变更",
            )
        )


def _stale(course: Course) -> None:
    old = tuple(
        host.name
        for host in course.idle(HostState.CAPTURED)
        if host.since is not None and course.now - host.since > CAPTURE_LIFE
    )
    if old:
        moved = HostMoved(
            hosts=old,
            to=HostState.PLANNED,
            reason="its restore point waited too long: another preflight",
            reason_zh="恢复点等待过久，须重新预检",
        )
        course.tell(moved)
    for host in course.idle(HostState.CAPTURED):
        if host.since is not None:
            course.wake(host.since + CAPTURE_LIFE + timedelta(seconds=1))


def _again(course: Course) -> None:
    """Restored hosts: once more when nobody was at fault, a person when somebody was."""
    restored = course.idle(HostState.RESTORED)
    innocent = [host for host in restored if host.setback is not Setback.FAILED]
    fit = tuple(host.name for host in innocent if host.rounds < MOST_ROUNDS)
    if fit:
        moved = HostMoved(
            hosts=fit,
            to=HostState.PLANNED,
            reason="was interrupted and restored: tried again",
            reason_zh="曾被中断并已恢复，将重试",
        )
        course.tell(moved)
    worn = [host for host in innocent if host.rounds >= MOST_ROUNDS]
    attend(course, worn, "was interrupted too often", "多次被中断")
    failed = [host for host in restored if host.setback is Setback.FAILED]
    attend(course, failed, "failed and was restored", "变更失败，已恢复")


def _give_up(course: Course) -> None:
    planned = course.idle(HostState.PLANNED)
    unfit = [h for h in planned if h.phase is Phase.PREFLIGHT and h.tries >= MOST_PREFLIGHTS]
    attend(course, unfit, "was not fit for the change", "主机不具备变更条件")
    worn = [host for host in planned if host.rounds >= MOST_ROUNDS and host not in unfit]
    attend(course, worn, "was interrupted too often", "多次被中断")
    give_up_probing(course)
    begun = course.idle(*HALF_DONE, *STANDING)
    hopeless = [host for host in begun if host.undos >= MOST_UNDOS and needs_undo(host)]
    attend(course, hopeless, "could not be restored", "未能恢复")
