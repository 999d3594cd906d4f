# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rollouts stand still until somebody comes, for the doctor."""

from __future__ import annotations

from datetime import datetime

from storewarden.domain.rollout.record import HostState, RolloutState, WaveState
from storewarden.domain.rollout.tables import ENDED, LINGERING
from storewarden.flows.doctor import RolloutsNow
from storewarden.ports.rollouts import SILENT, RolloutBook, RolloutLine

_READ = 20  # rollouts that are read whole: a large one takes half a second
_UNDER_WAY = tuple(each for each in RolloutState if each not in ENDED or each in LINGERING)


def rollouts_now(book: RolloutBook, stopped: str, now: datetime) -> RolloutsNow:
    """How the rollouts of ``book`` stand; ``stopped`` is what the kill switch says."""
    lines = book.lines(states=_UNDER_WAY)
    running = [line.number for line in lines if line.state is RolloutState.RUNNING][:_READ]
    held = {number for number in running if _is_held(book, number)}
    silent = (each for each in book.workers() if each.jobs and now - each.seen > SILENT)
    return RolloutsNow(
        under_way=len(lines),
        stopped=stopped,
        waiting=tuple(line.number for line in lines if _waits(line) or line.number in held),
        silent=tuple(each.name for each in silent),
    )


def _waits(line: RolloutLine) -> bool:
    return line.state is RolloutState.PAUSED or line.counts.get(HostState.ATTENTION.value, 0) > 0


def _is_held(book: RolloutBook, number: str) -> bool:
    rollout = book.rollout(number)
    wave = rollout.wave if rollout is not None else None
    return wave is not None and wave.state is WaveState.HELD
