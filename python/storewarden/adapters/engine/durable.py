# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine on DBOS: one short workflow per tick, the next one enqueued for its time.

What DBOS leaves open, and the rule here:

* a waiting tick is a row with a time (DELAYED), never a sleeping workflow;
* a tick's identity is its duty's name and a number, so a replay enqueues nothing twice;
* the application version is a constant: what is due outlives an upgrade, since workflows
  here have two steps and what they do lies in the duties;
* a tick that ended the process five times is given up by DBOS without a word. So the chain of
  every duty is looked at now and then, and a broken one is begun again, slowly and visibly;
* nothing is pickled, nothing is sent anywhere, and what DBOS has to say goes to our log.

DBOS allows one instance per process; so one engine may be started at a time. On a server
several processes may, each under a name of its own (``executor``): the duties of each are its
own, its jobs are whosever has time for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from dbos import DBOS, SetEnqueueOptions, SetWorkflowID
from sqlalchemy import Engine as Database
from sqlalchemy.exc import DatabaseError

from storewarden.adapters.engine.chains import DELAYED, ENQUEUED, GIVEN_UP, Chains, Link
from storewarden.adapters.engine.duties import Register, tick_id
from storewarden.adapters.engine.foreign import CONTROLLER, RECOVERIES, VERSION, settings, silence
from storewarden.adapters.engine.job_workflow import JobWorkflow
from storewarden.adapters.engine.jobs import taken_over
from storewarden.adapters.engine.pace import QUICK
from storewarden.adapters.engine.pulse import LOG, Pulse, PulseThread
from storewarden.adapters.engine.retention import Retention
from storewarden.adapters.engine.store import is_broken, open_store, put_aside, require_sound
from storewarden.domain.errors import AdapterError, Refused, StorewardenError
from storewarden.ports.clock import Clock
from storewarden.ports.engine import BACK_OFF, Attempt, Duty, Work, require_job, tick_once
from storewarden.ports.journal import moment, stamp

QUEUE = "duties"
_FEWEST, _MOST = 8, 32  # duties at work at once; they wait for other systems, not for the CPU
_CALM = 0.5  # seconds until a due tick is seen, when there are no jobs

type _Tick = Callable[[str, int, int], Coroutine[Any, Any, dict[str, Any]]]


class DurableEngine:
    """``ports.engine.Engine`` over a database at ``place`` (a file, or postgresql://)."""

    def __init__(
        self,
        place: str | Path,
        *,
        clock: Clock,
        pulse: Pulse | None = None,
        password: Callable[[], str] | None = None,
        executor: str = CONTROLLER,
    ) -> None:
        """``executor`` is the name under which a restarted process takes up its own work: the
        controller's, or a worker's, which no other process has at the same time."""
        self._place = place
        self._executor = executor
        self._queue = QUEUE if executor == CONTROLLER else f"{QUEUE} of {executor}"
        self._jobs = JobWorkflow(clock)
        self._password = password
        self._clock = clock
        self._register = Register()
        self._threads = ThreadPoolExecutor(_MOST, thread_name_prefix="storewarden-duty")
        self._pulse = pulse or Pulse(read=lambda: 0)
        self._looking: PulseThread | None = None
        self._database: Database | None = None
        self._tick: _Tick | None = None
        self._chains = Chains(VERSION)

    def start(self, duties: Sequence[Duty], works: Sequence[Work] = ()) -> None:
        """Begin, or take up where a crash left off; every duty ticks soon after.

        A worker's duties need names that no other process's have.

        Raises Refused when this process has started an engine already, AdapterError when the
        database cannot be used.
        """
        if self._database is not None:
            raise Refused("the engine has been started already", where="engine")
        own = (Retention(self._chains),) if self._executor == CONTROLLER else ()
        self._register.enroll([*duties, *own])
        self._jobs.enroll(works)
        self._launch()
        for name in self._register.records:
            self._take_up(name)
        self._looking = PulseThread(self._pulse, self.wake, self._nudge, self._mend)
        self._looking.start()
        LOG.info("engine started", extra={"fields": {"duties": len(self._register.records)}})

    def wake(self, name: str) -> None:
        """Let a duty tick now. Raises ConfigInvalid for a duty that nobody knows."""
        waiting = self._register.wake(name, self._clock.now())
        if waiting:
            DBOS.set_workflow_delay(waiting, delay_seconds=0)

    def submit(
        self, kind: str, key: str, body: Mapping[str, object], *, at: datetime | None = None
    ) -> None:
        """Have a job done by whichever process serves its kind; see ``ports.engine.Engine``."""
        require_job(kind, key)
        if self._database is None:
            raise Refused("the engine has not been started", where="engine")
        self._jobs.submit(Attempt(kind=kind, key=key, body=body), at)

    def take_over(self, executor: str) -> int:
        """Let others do what a dead process was doing; never our own."""
        return taken_over(executor) if executor != self._executor else 0

    def status(self) -> dict[str, dict[str, object]]:
        """As ``ports.engine.Engine`` says."""
        return {**self._register.status(), **self._jobs.status()}

    def stop(self, patience: timedelta) -> None:
        """Let running ticks end, at most ``patience`` long; what is left is taken up later."""
        if self._database is None:
            return
        if self._looking is not None:
            self._looking.stop()
        DBOS.destroy(
            destroy_registry=True,
            workflow_completion_timeout_sec=max(1, int(patience.total_seconds())),
        )
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._jobs.stop()
        self._database.dispose()
        self._database = None
        LOG.info("engine stopped", extra={"fields": {}})

    def _launch(self) -> None:
        """A file that is none any more is put aside: the truth is in the ledger."""
        try:
            self._database = self._launched(open_store(self._place, self._password))
        except DatabaseError as error:
            if not is_broken(self._place, error):
                raise _unusable(self._place, error) from error
            aside = put_aside(self._place, self._clock.now())
            fields = {"file": str(self._place), "kept": aside.name, "error": type(error).__name__}
            LOG.warning("the engine's database is damaged: begun anew", extra={"fields": fields})
            try:
                self._database = self._launched(open_store(self._place, self._password))
            except Exception as again:
                raise _unusable(self._place, again) from again
        except StorewardenError:
            raise
        except Exception as error:
            raise _unusable(self._place, error) from error

    def _launched(self, database: Database) -> Database:
        try:
            require_sound(database)
            DBOS(config=settings(database, self._executor))
            silence()
            self._tick = self._workflow()
            self._jobs.register()
            DBOS.listen_queues([self._queue, *self._jobs.queues])
            DBOS.launch()
            DBOS.register_queue(
                self._queue,
                worker_concurrency=max(_FEWEST, min(_MOST, len(self._register.records))),
                polling_interval_sec=QUICK,
                on_conflict="always_update",
            )
            self._jobs.launched(database, {self._queue: _CALM})
        except Exception:
            DBOS.destroy(destroy_registry=True)
            database.dispose()
            raise
        return database

    def _workflow(self) -> _Tick:
        """The workflow of duties. Its two steps, and their order, are ``VERSION``."""

        @DBOS.step(name="act")
        async def act(name: str, failures: int) -> dict[str, Any]:
            # A thread of ours: what a duty does is none of the workflow's business.
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._act, name, failures)

        @DBOS.workflow(name="tick", max_recovery_attempts=RECOVERIES)
        async def tick(name: str, number: int, failures: int) -> dict[str, Any]:
            done = await act(name, failures)
            if done:
                link = Link(name=name, number=number + 1, failures=int(done["failures"]))
                at = moment(str(done["next"]))
                await self._enqueue(tick, link, at)
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._threads, self._waits, link, at)
            return done

        return tick

    def _act(self, name: str, failures: int) -> dict[str, Any]:
        """Let the duty tick; when the next tick is to come. Nothing for a duty of the past."""
        duty = self._register.begins(name, self._clock.now())
        if duty is None:
            return {}
        ticked = tick_once(duty, self._clock, failures)
        self._register.ended(name, ticked)
        if ticked.error:
            fields = {
                "duty": name,
                "failures": ticked.failures,
                "error": ticked.error,
                "trace": list(ticked.trace),
            }
            LOG.warning("a duty failed", extra={"fields": fields})
        return {"next": stamp(ticked.next), "failures": ticked.failures, "error": ticked.error}

    async def _enqueue(self, tick: _Tick, link: Link, at: datetime) -> None:
        identity = tick_id(link.name, link.number)
        with SetWorkflowID(identity), _after(at - self._clock.now()):
            await DBOS.enqueue_workflow_async(
                self._queue, tick, link.name, link.number, link.failures
            )

    def _waits(self, link: Link, at: datetime) -> None:
        """The next tick is enqueued; whoever wanted it in between gets it now."""
        identity = tick_id(link.name, link.number)
        if self._register.waits(link.name, identity, at):
            self._pull(identity)

    def _pull(self, identity: str) -> None:
        DBOS.set_workflow_delay(identity, delay_seconds=0)

    def _begin(self, link: Link, wait: timedelta) -> None:
        """Enqueue a tick from outside of the chain."""
        if self._tick is None:
            return
        identity = tick_id(link.name, link.number)
        with SetWorkflowID(identity), _after(wait):
            DBOS.enqueue_workflow(self._queue, self._tick, link.name, link.number, link.failures)
        self._waits(link, self._clock.now() + wait)

    def _take_up(self, name: str) -> None:
        """Go on where the last controller stopped; nothing waits longer than it must."""
        last = self._chains.newest(name)
        if last is None:
            self._begin(Link(name=name, number=1), timedelta())
        elif self._chains.strange(last):
            fields = {"duty": name, "version": last.version}
            LOG.warning("a tick of another version is begun again", extra={"fields": fields})
            self._chains.cancel(tick_id(name, last.number))
            self._begin(Link(name=name, number=last.number + 1), timedelta())
        elif last.status in (DELAYED, ENQUEUED):
            self._waits(last, self._clock.now())
            self._pull(tick_id(name, last.number))
        elif not last.live:
            self._again(last)

    def _mend(self) -> None:
        """Begin chains again that have come to an end: nothing else would ever be due. And let
        tick what waits for a time that a clock, which has been put back since, had in mind."""
        self._jobs.look()
        for name in self._register.astray(self._clock.now()):
            self.wake(name)
        for name in list(self._register.records):
            last = self._chains.newest(name)
            if last is not None and not last.live:
                self._again(last)

    def _again(self, last: Link) -> None:
        link, wait = Link(name=last.name, number=last.number + 1), timedelta()
        if last.status == GIVEN_UP:
            failures = last.failures + RECOVERIES
            link = Link(name=last.name, number=last.number + 1, failures=failures)
            wait = BACK_OFF.wait(failures)
            error = f"its ticks ended the whole process {RECOVERIES} times"
            self._register.broken(last.name, failures, error)
            LOG.error("a duty ends the process", extra={"fields": {"duty": last.name}})
        self._begin(link, wait)

    def _nudge(self, name: str) -> None:
        """The ledger grew: a duty that is in trouble keeps to its back-off."""
        if not self._register.find(name).failures:
            self.wake(name)


def _unusable(place: str | Path, error: Exception) -> AdapterError:
    """One line; the error's own text may hold statements and addresses."""
    return AdapterError(
        f"the engine's database cannot be used: {type(error).__name__}",
        where=str(place) if isinstance(place, Path) else "engine",
        hint="look for a full disk or another owner; without it waiting times are lost"
        " and nothing else",
    )


def _after(wait: timedelta) -> SetEnqueueOptions:
    """Delayed ticks are looked for once a second; one that is due needs no such look."""
    seconds = wait.total_seconds()
    return SetEnqueueOptions(delay_seconds=seconds if seconds > 0 else None)
