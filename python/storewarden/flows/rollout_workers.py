# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers: each tells that it lives, and whoever lives takes over from those that do not.

What a silent worker had taken and not begun is anybody's again. What it had begun is lost: its
play may still be at work on the hosts, so nobody begins it again and no timer decides what has
come of it. The dispatch is told as lost, its hosts are unknown, and the next look sends a probe
with a higher epoch.

A worker that was only cut off finds, when it comes back, that its jobs are no longer its own;
what its plays came to then, the probe tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from storewarden.domain.errors import Refused
from storewarden.domain.rollout.events import HostReport, Report, RolloutEvent
from storewarden.domain.rollout.record import Rollout
from storewarden.domain.rollout.reporting import reported
from storewarden.ports.rollouts import SILENT, Job, RolloutBook

BEAT = timedelta(seconds=15)

_REASON = "its worker {worker} has not been heard of"
_REASON_ZH = "执行节点 {worker} 失去联系"


class Heartbeat:
    """The duty that tells that this worker lives. Beat once before the engine is started, so that
    nobody takes over while it takes up its own work."""

    def __init__(self, book: RolloutBook, worker: str) -> None:
        self.name = f"heartbeat:{worker}"
        self.every = BEAT
        self._book = book
        self._worker = worker

    def tick(self, now: datetime) -> datetime | None:
        """Beat."""
        self._book.beat(self._worker, now)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaperParts:
    """What reaping needs. ``worker`` is this process; ``take_over`` lets others do what the engine
    of a dead process was doing; ``wake`` lets the duty that looks at rollouts tick."""

    book: RolloutBook
    worker: str
    take_over: Callable[[str], int]
    wake: Callable[[], None] = lambda: None


class Reaper:
    """The duty that takes over from workers that are silent for ``SILENT``."""

    def __init__(self, parts: ReaperParts) -> None:
        self.name = f"reaper:{parts.worker}"
        self.every = BEAT
        self._parts = parts

    def tick(self, now: datetime) -> datetime | None:
        """Free or give up their jobs, then hand what their engines had to others."""
        silent = self._silent(now)
        jobs = [job for job in self._parts.book.jobs() if job.worker in silent]
        touched = {job.rollout for job in jobs if self._taken_from(job, now)}
        for number in touched:
            self._parts.book.look_again(number, now)
        for worker in sorted(silent):
            self._parts.take_over(worker)
        if touched:
            self._parts.wake()
        return None

    def _silent(self, now: datetime) -> set[str]:
        """Workers that are known, or have a job, and are not heard of."""
        heard = {each.name: each.seen for each in self._parts.book.workers()}
        known = heard.keys() | {job.worker for job in self._parts.book.jobs() if job.worker}
        alive = {name for name, seen in heard.items() if seen >= now - SILENT}
        return known - alive - {self._parts.worker}

    def _taken_from(self, job: Job, now: datetime) -> bool:
        """Whether anything came of it: the worker may have come back this very moment."""
        try:
            if not self._parts.book.free_job(job.dispatch, job.worker, now):
                self._give_up(job, now)
        except Refused:
            return False
        return True

    def _give_up(self, job: Job, now: datetime) -> None:
        def lost(rollout: Rollout) -> tuple[RolloutEvent, ...]:
            reports = _unknown(rollout, job)
            return reported(rollout, job.dispatch, reports, now, lost=True)

        self._parts.book.amend(job.rollout, f"lost {job.dispatch}", lost)


def _unknown(rollout: Rollout, job: Job) -> Iterable[HostReport]:
    one = rollout.dispatches.get(job.dispatch)
    for host in one.hosts if one is not None else ():
        yield HostReport(
            host=host,
            report=Report.UNKNOWN,
            reason=_REASON.format(worker=job.worker),
            reason_zh=_REASON_ZH.format(worker=job.worker),
        )
