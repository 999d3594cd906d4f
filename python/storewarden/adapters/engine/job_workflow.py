# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs on DBOS: a queue per kind, a short workflow per attempt, the next attempt after a failure.

A workflow here has two steps as well: do it, and enqueue what follows. Whoever starts an engine
takes jobs of the kinds that he serves; he may submit others, for those who do.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from dbos import DBOS, SetEnqueueOptions, SetWorkflowID
from sqlalchemy import Engine as Database

from storewarden.adapters.engine import jobs
from storewarden.adapters.engine.foreign import RECOVERIES
from storewarden.adapters.engine.jobs import Board, job_id, queue_of
from storewarden.adapters.engine.pace import QUICK, Pace
from storewarden.adapters.engine.pulse import LOG
from storewarden.ports.clock import Clock
from storewarden.ports.engine import BACK_OFF, Attempt, Done, Work, do_once, require_job
from storewarden.ports.journal import canonical, moment, stamp

_BUSY = timedelta(seconds=5)  # until it is looked again whether this process is done with it
_CALM = 2.0  # seconds until a job that is due is seen, when there was none

type _Job = Callable[[str, str, dict[str, Any], int], Coroutine[Any, Any, dict[str, Any]]]


class JobWorkflow:
    """The jobs of one engine."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._board = Board()
        self._threads: ThreadPoolExecutor | None = None
        self._job: _Job | None = None
        self._database: Database | None = None
        self._pace = Pace(_set_pace)

    def enroll(self, works: Sequence[Work]) -> None:
        """Before the launch. Raises ConfigInvalid for two of one kind, or a kind of a bad name."""
        for work in works:
            require_job(work.kind, work.kind)
        self._board.enroll(works)
        most = sum(work.at_once for work in works)
        self._threads = ThreadPoolExecutor(max(1, most), thread_name_prefix="storewarden-job")

    @property
    def queues(self) -> list[str]:
        """Where jobs for this process wait."""
        return [queue_of(work.kind) for work in self._board.works]

    def register(self) -> None:
        """The workflow, before DBOS is launched. Its steps and their order are ``VERSION``."""

        @DBOS.step(name="do")
        async def do(kind: str, key: str, body: dict[str, Any], number: int) -> dict[str, Any]:
            attempt = Attempt(kind=kind, key=key, body=body, number=number)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._do, attempt)

        @DBOS.workflow(name=jobs.WORKFLOW, max_recovery_attempts=RECOVERIES)
        async def job(kind: str, key: str, body: dict[str, Any], number: int) -> dict[str, Any]:
            done = await do(kind, key, body, number)
            if done["again"]:
                follows = Attempt(kind=kind, key=key, body=body, number=number + 1)
                with self._named(follows, moment(str(done["again"]))):
                    await DBOS.enqueue_workflow_async(
                        queue_of(kind), job, kind, key, body, number + 1
                    )
            elif done["error"]:
                raise GivenUp(str(done["error"]))
            return done

        self._job = job

    def launched(self, database: Database, others: Mapping[str, float]) -> None:
        """After the launch: the queues. ``others`` are queues that have to be as quick as ours
        while there are jobs, and how they are looked at else."""
        self._database = database
        self._pace.begins({**dict.fromkeys(self.queues, _CALM), **others})
        for work in self._board.works:
            DBOS.register_queue(
                queue_of(work.kind),
                worker_concurrency=work.at_once,
                polling_interval_sec=QUICK,
                on_conflict="always_update",
            )
        self._look()

    def submit(self, attempt: Attempt, at: datetime | None) -> None:
        """As ``ports.engine.Engine`` says."""
        body: dict[str, Any] = json.loads(canonical(attempt.body))
        last = self._board.broken(attempt.kind, attempt.key)
        if last is not None:
            attempt = replace(attempt, number=last.number + 1)
            if last.deadly:  # it ended the process, again and again: that must not go on all day
                at = max(at or self._clock.now(), self._clock.now() + BACK_OFF.longest)
        if self._job is None:
            return
        with self._named(attempt, at):
            DBOS.enqueue_workflow(
                queue_of(attempt.kind), self._job, attempt.kind, attempt.key, body, attempt.number
            )
        self._board.revived(attempt.kind, attempt.key)
        if at is None:
            self._pace.quicken()

    def look(self) -> None:
        """See what the database says, for ``status``, for jobs that nobody is at any more, and
        for how often queues are looked at."""
        found = self._look()
        if found is not None:
            self._pace.follow(busy=found.busy)

    def status(self) -> Mapping[str, dict[str, object]]:
        """As ``ports.engine.Engine`` says."""
        return self._board.status()

    def stop(self) -> None:
        """No more are begun."""
        self._database = None
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> jobs.Standing | None:
        if self._database is None:
            return None
        found = jobs.standing(self._database)
        self._board.look(found.waiting, jobs.broken(), self._clock.now())
        return found

    def _do(self, attempt: Attempt) -> dict[str, Any]:
        work = self._board.begins(attempt.kind, attempt.key, self._clock.now())
        if work is None:
            return {"again": stamp(self._clock.now() + _BUSY), "error": ""}
        done = do_once(work, attempt, self._clock)
        self._board.ended(attempt, done)
        if done.error:
            _tell(attempt, done)
        return {"again": stamp(done.again) if done.again else "", "error": done.error}

    def _named(self, attempt: Attempt, at: datetime | None) -> _Options:
        wait = (at - self._clock.now()).total_seconds() if at is not None else 0.0
        return _Options(job_id(attempt), wait)


def _set_pace(queue: str, seconds: float) -> None:
    found = DBOS.retrieve_queue(queue)
    if found is not None:
        found.set_polling_interval_sec(seconds)


class GivenUp(Exception):
    """An attempt was the last one; DBOS keeps it as a workflow that ended in an error."""


class _Options:
    """Under which identity, and how much later, a workflow is enqueued."""

    def __init__(self, identity: str, wait: float) -> None:
        self._identity = SetWorkflowID(identity)
        self._delay = SetEnqueueOptions(delay_seconds=wait if wait > 0 else None)

    def __enter__(self) -> None:
        self._identity.__enter__()
        self._delay.__enter__()

    def __exit__(self, *told: Any) -> None:
        self._delay.__exit__(*told)
        self._identity.__exit__(*told)


def _tell(attempt: Attempt, done: Done) -> None:
    fields = {
        "job": f"{attempt.kind}/{attempt.key}",
        "attempt": attempt.number,
        "error": done.error,
        "trace": list(done.trace),
        "given_up": done.given_up,
    }
    LOG.warning("a job failed", extra={"fields": fields})
