# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps the controller's duties going, also after a crash.

A duty is a short tick: read state, decide, act, say when to come again. Waits
lie in the ledger and in the time a duty returns, never in a sleeping thread.

What one tick means is the same for every engine, so it stands here: a tick that
raises is counted, its error is kept for people to see, and the duty comes again
after a back-off. No error ends a duty.

A job is done once, by whichever process serves its kind: a dispatch's run, a rollout's tick.
It waits in the engine's own database, so whoever submits one must be able to submit it again
from what the ledger says.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import current_thread, main_thread
from typing import Protocol

from storewarden.domain.errors import ConfigInvalid, StorewardenError
from storewarden.domain.outbox.delivery import BackOff
from storewarden.ports.clock import Clock

BACK_OFF = BackOff()
"""For duties whose ticks raise: 1 s, 2 s, 4 s .. 5 min."""


_KIND = re.compile(r"[a-z][a-z-]*")


class Duty(Protocol):
    """One repeated task of the controller; a tick may run again after a crash in its middle."""

    name: str
    every: timedelta
    """The longest time between two ticks."""

    def tick(self, now: datetime) -> datetime | None:
        """Do what is due; when to come again (None: after ``every``)."""
        ...


ATTEMPTS = 20
"""A job that raised so often is given up (after about an hour) until it is submitted again."""


class Work(Protocol):
    """What is done for one kind of job.

    ``do`` runs in a thread of its own, never twice at once for one key in one process. After a
    crash, or when it raised, it runs again, perhaps elsewhere: it must find by itself what was
    done already.
    """

    kind: str
    """Small letters and hyphens."""
    at_once: int
    """How many of them this process does at a time; the same in every process of a site."""

    def do(self, key: str, body: Mapping[str, object]) -> None:
        """Do it; ``body`` is JSON data as it was submitted."""
        ...


class Engine(Protocol):
    """Runs duties and jobs. Made, started once, stopped once."""

    def start(self, duties: Sequence[Duty], works: Sequence[Work] = ()) -> None:
        """Begin, or take up where a crash left off. Jobs are done of the kinds of ``works``."""
        ...

    def submit(
        self, kind: str, key: str, body: Mapping[str, object], *, at: datetime | None = None
    ) -> None:
        """Have a job done, at ``at`` (None: now), by any process that serves its kind.

        The same kind and key again changes nothing, whether it waits, is being done or was done;
        what was given up after ``ATTEMPTS`` is begun again. Finished ones are forgotten after
        some hours. Raises ConfigInvalid for a kind or key that cannot be used (a key has no "/"),
        Refused before ``start``.
        """
        ...

    def take_over(self, executor: str) -> int:
        """Let others do what the process ``executor`` was doing when it died; how many jobs.

        Whether it is dead is the caller's judgement: two may then be at the same job, and the
        job itself must know how to bear that.
        """
        ...

    def wake(self, name: str) -> None:
        """Let a duty tick now instead of at its time."""
        ...

    def status(self) -> dict[str, dict[str, object]]:
        """Per duty: last tick, next tick, failures in a row, last error.

        The keys are ``last_tick`` and ``next_tick`` (datetime or None), ``failures`` (int),
        ``last_error`` (one line, "" when the last tick went well), ``running`` (bool) and
        ``since`` (datetime of the beginning of the tick that runs, else None). A kind of jobs
        stands there as "jobs:<kind>", with ``last_tick`` for the last that came to its end here,
        ``failures`` for those whose last attempt raised, and besides ``waiting`` (int, a few
        seconds old), ``at_work`` (int, here) and ``given_up`` (their keys, a list).
        """
        ...

    def stop(self, patience: timedelta) -> None:
        """Let running ticks end, at most ``patience`` long."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """How one tick came out.

    ``error`` is one line; ``trace`` are the places it came through, without any values.
    """

    at: datetime
    next: datetime
    failures: int = 0
    error: str = ""
    trace: tuple[str, ...] = ()


def tick_once(duty: Duty, clock: Clock, failures: int = 0) -> Ticked:
    """Let ``duty`` tick, after ``failures`` ticks in a row that raised; never raises itself."""
    at = clock.now()
    try:
        wish = duty.tick(at)
    except BaseException as error:  # whatever it was, sys.exit() in a library, say
        if not isinstance(error, Exception) and current_thread() is main_thread():
            raise  # there it is Ctrl-C; in a thread nobody but the duty can have meant it
        failed = failures + 1
        return Ticked(
            at=at,
            next=clock.now() + min(BACK_OFF.wait(failed), max(duty.every, BACK_OFF.first)),
            failures=failed,
            error=said(error),
            trace=_places(error),
        )
    latest = clock.now() + duty.every
    return Ticked(at=at, next=min(wish, latest) if wish is not None else latest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How one attempt at a job came out.

    ``again`` is when to try again (None: done, or given up); ``error`` is one line, "" for done.
    """

    at: datetime
    again: datetime | None = None
    error: str = ""
    trace: tuple[str, ...] = ()

    @property
    def given_up(self) -> bool:
        """Whether nobody tries again unless asked."""
        return bool(self.error) and self.again is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at a job; ``number`` counts from 1."""

    kind: str
    key: str
    body: Mapping[str, object]
    number: int = 1


def do_once(work: Work, attempt: Attempt, clock: Clock) -> Done:
    """Let ``work`` be done; never raises itself, but for Ctrl-C in the main thread."""
    try:
        work.do(attempt.key, attempt.body)
    except BaseException as error:  # as in ``tick_once``
        if not isinstance(error, Exception) and current_thread() is main_thread():
            raise
        at = clock.now()
        last = attempt.number % ATTEMPTS == 0
        return Done(
            at=at,
            again=None if last else at + BACK_OFF.wait(attempt.number % ATTEMPTS),
            error=said(error) or type(error).__name__,
            trace=_places(error),
        )
    return Done(at=clock.now())


def require_job(kind: str, key: str) -> None:
    """Raises ConfigInvalid for words that cannot name a job."""
    if not _KIND.fullmatch(kind):
        raise ConfigInvalid(f"{kind!r} is no kind of job", where="engine")
    if not key or "/" in key:
        raise ConfigInvalid(f"{key!r} cannot be the key of a job", where="engine")


def said(error: BaseException) -> str:
    """One line for an error. What is not ours is told by its type and place alone: nobody
    knows what its text holds."""
    if isinstance(error, StorewardenError):
        return str(error)
    places = _places(error)
    return f"{type(error).__name__} at {places[-1]}" if places else type(error).__name__


def _places(error: BaseException) -> tuple[str, ...]:
    frames = traceback.extract_tb(error.__traceback__)
    return tuple(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
