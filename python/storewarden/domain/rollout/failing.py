# SPDX-License-Identifier: GPL-3.0-or-later
"""When failed hosts end a rollout, before any gate is asked.

Small waves prove little, and one failure among three stores is beyond any statistics (reference:
rollouts, fact 4), so the rule is hard: in the first wave that changes anything one failed host
is enough, and so it is in every wave of at most three stores. In larger waves the rollout goes
back when more than 2 % of the wave's hosts, and more than one, have failed. Below that the host
is taken back, needs a person, and the wave goes on.

A host that could not be reached after its change was begun, and took it back by itself, counts as
failed: its line may have been cut by the change.
"""

from __future__ import annotations

from fractions import Fraction

from storewarden.domain.rollout.course import Course
from storewarden.domain.rollout.events import RollbackBegan
from storewarden.domain.rollout.orders import going_back
from storewarden.domain.rollout.record import (
    Cause,
    HostRecord,
    HostState,
    Rollout,
    Setback,
    WaveRecord,
)

FEW_STORES = 3
"""In waves of so many stores any failure is too much."""

SHARE = Fraction(1, 50)
"""Of the hosts of a larger wave: more than these may not fail."""


def fail(course: Course) -> None:
    """Begin to go back when hosts of the wave under way have failed, and too many of them."""
    wave = course.rollout.wave
    if wave is None or not course.rollout.failures:
        return
    hosts = course.hosts(*HostState, wave=wave.number)
    failed = [host for host in hosts if host.setback is Setback.FAILED]
    if len(failed) <= allowed(course.rollout, wave, len(hosts)):
        return
    first = is_first(course.rollout, wave)
    began = RollbackBegan(
        cause=Cause.CANARY if first else Cause.FAILURES,
        reason=f"wave {wave.number}: {len(failed)} of {len(hosts)} hosts failed: {_why(failed)}",
        reason_zh=f"第 {wave.number} 波：{len(hosts)} 台中 {len(failed)} 台失败：{_why(failed)}",
    )
    course.tell(*going_back(course.rollout, began))


def allowed(rollout: Rollout, wave: WaveRecord, hosts: int) -> int:
    """How many of a wave's hosts may fail."""
    if is_first(rollout, wave) or len(wave.stores) <= FEW_STORES:
        return 0
    return max(1, int(SHARE * hosts))


def is_first(rollout: Rollout, wave: WaveRecord) -> bool:
    """Whether no wave before it has changed anything for good: it is the canary's wave."""
    if wave.number == 1:
        return True
    return not any(
        host.verified is not None and host.wave < wave.number for host in rollout.hosts.values()
    )


def _why(failed: list[HostRecord]) -> str:
    first = failed[0]
    more = f" +{len(failed) - 1}" if len(failed) > 1 else ""
    return f"{first.name}{more}" + (f" ({first.reason})" if first.reason else "")
