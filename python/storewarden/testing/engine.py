# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine in memory that ticks when a test says so.

Time is a ``ManualClock``: ``pass_time`` moves it from tick to tick, in the order in which
they fall due, so that a test of an hour's outage takes no hour and always goes the same way.
What is due when is forgotten with the object; a crash is a new engine over the same duties,
and over the same jobs when it is made with ``after``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.ports.engine import Attempt, Duty, Work, do_once, require_job, tick_once
from storewarden.ports.journal import canonical
from storewarden.testing.ledger import ManualClock


@dataclass(slots=True)
class _Record:
    duty: Duty
    next: datetime
    last: datetime | None = None
    failures: int = 0
    error: str = ""


@dataclass(slots=True)
class _Job:
    """``next`` is None when nobody tries it any more: done, or given up after an error."""

    attempt: Attempt
    next: datetime | None
    last: datetime | None = None
    error: str = ""


class ManualEngine:
    """``ports.engine.Engine`` without threads: nothing happens but in ``run_due`` and
    ``pass_time``."""

    def __init__(self, clock: ManualClock, after: ManualEngine | None = None) -> None:
        """``clock`` is moved by ``pass_time``; share it with whatever the duties use. ``after``
        is an engine whose process died: its jobs are taken up."""
        self._clock = clock
        self._records: dict[str, _Record] = {}
        self._works: dict[str, Work] | None = None
        self._jobs: dict[tuple[str, str], _Job] = after._jobs if after is not None else {}
        self._stopped = False

    def start(self, duties: Sequence[Duty], works: Sequence[Work] = ()) -> None:
        """Every duty is due now. Jobs of other kinds than those of ``works`` wait for ever."""
        now = self._clock.now()
        self._works = {}
        for work in works:
            require_job(work.kind, work.kind)
            if work.kind in self._works:
                raise ConfigInvalid(f"two works are of the kind {work.kind}", where="engine")
            self._works[work.kind] = work
        self._records = {duty.name: _Record(duty, now) for duty in duties}

    def wake(self, name: str) -> None:
        """Let it be due now. Raises ConfigInvalid for a duty that nobody knows."""
        if name not in self._records:
            raise ConfigInvalid(f"there is no duty {name!r}", where="engine")
        self._records[name].next = self._clock.now()

    def submit(
        self, kind: str, key: str, body: Mapping[str, object], *, at: datetime | None = None
    ) -> None:
        """Have a job done when it is due, once."""
        require_job(kind, key)
        if self._works is None:
            raise Refused("the engine has not been started", where="engine")
        plain = json.loads(canonical(body))
        there, due = self._jobs.get((kind, key)), at or self._clock.now()
        if there is None:
            attempt = Attempt(kind=kind, key=key, body=plain)
            self._jobs[kind, key] = _Job(attempt=attempt, next=due)
        elif there.next is None and there.error:
            there.attempt = replace(there.attempt, body=plain, number=there.attempt.number + 1)
            there.next = due

    def take_over(self, executor: str) -> int:  # noqa: ARG002 - there is no other process
        """Nothing: jobs here belong to one process."""
        return 0

    def status(self) -> dict[str, dict[str, object]]:
        """As ``ports.engine.Engine`` says."""
        duties: dict[str, dict[str, object]] = {
            name: {
                "last_tick": record.last,
                "next_tick": record.next,
                "failures": record.failures,
                "last_error": record.error,
                "running": False,
                "since": None,
            }
            for name, record in self._records.items()
        }
        return duties | {f"jobs:{kind}": self._told(kind) for kind in self._works or ()}

    def stop(self, patience: timedelta) -> None:  # noqa: ARG002 - nothing runs beside the test
        """Nothing ticks any more."""
        self._stopped = True

    def run_due(self, most: int = 1000) -> int:
        """Tick and do whatever is due now, until nothing is; how many ticks and attempts.

        Raises RuntimeError after ``most`` of them: some duty or job never rests.
        """
        ticks = 0
        while (first := self._first()) and first[0] <= self._clock.now():
            if ticks == most:
                raise RuntimeError(f"{self._name(first[1])} never rests")
            self._run(first[1])
            ticks += 1
        return ticks

    def pass_time(self, span: timedelta) -> None:
        """Let ``span`` go by, with every tick that falls due in it, at its time."""
        end = self._clock.now() + span
        self.run_due()
        while (first := self._first()) and first[0] <= end:
            self._clock.advance(max(first[0] - self._clock.now(), timedelta()))
            self.run_due()
        self._clock.advance(max(end - self._clock.now(), timedelta()))

    def _first(self) -> tuple[datetime, _Record | _Job] | None:
        """What comes next, and when; of two at the same time the one that was there first."""
        if self._stopped:
            return None
        served = self._works or {}
        waiting: list[tuple[datetime, _Record | _Job]] = [
            (record.next, record) for record in self._records.values()
        ]
        waiting += [
            (job.next, job)
            for (kind, _key), job in self._jobs.items()
            if kind in served and job.next is not None
        ]
        return min(waiting, key=lambda pair: pair[0], default=None)

    def _run(self, first: _Record | _Job) -> None:
        if isinstance(first, _Record):
            self._tick(first)
        else:
            self._do(first)

    def _tick(self, record: _Record) -> None:
        ticked = tick_once(record.duty, self._clock, record.failures)
        record.last, record.next = ticked.at, ticked.next
        record.failures, record.error = ticked.failures, ticked.error

    def _do(self, job: _Job) -> None:
        done = do_once((self._works or {})[job.attempt.kind], job.attempt, self._clock)
        job.last, job.next, job.error = done.at, done.again, done.error
        if done.again is not None:
            job.attempt = replace(job.attempt, number=job.attempt.number + 1)

    def _name(self, first: _Record | _Job) -> str:
        if isinstance(first, _Record):
            return first.duty.name
        return f"{first.attempt.kind}/{first.attempt.key}"

    def _told(self, kind: str) -> dict[str, object]:
        mine = [job for (name, _key), job in self._jobs.items() if name == kind]
        failing = [job for job in mine if job.error]
        return {
            "last_tick": max((job.last for job in mine if job.last), default=None),
            "next_tick": None,
            "failures": len(failing),
            "last_error": failing[-1].error if failing else "",
            "running": False,
            "since": None,
            "waiting": sum(job.next is not None for job in mine),
            "at_work": 0,
            "given_up": sorted(job.attempt.key for job in failing if job.next is None),
        }
