# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps the controller's duties going, also after a crash.

A duty is a short tick: read state, decide, act, say when to come again. Waits
lie in the ledger and in the time a duty returns, never in a sleeping thread.

What one tick means is the same for every engine, so it stands here: a tick that
raises is counted, its error is kept for people to see, and the duty comes again
after a back-off. No error ends a duty.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import current_thread, main_thread
from typing import Protocol

from storewarden.domain.errors import StorewardenError
from storewarden.domain.outbox.delivery import BackOff
from storewarden.ports.clock import Clock

BACK_OFF = BackOff()
"""For duties whose ticks raise: 1 s, 2 s, 4 s .. 5 min."""


class Duty(Protocol):
    """One repeated task of the controller; a tick may run again after a crash in its middle."""

    name: str
    every: timedelta
    """The longest time between two ticks."""

    def tick(self, now: datetime) -> datetime | None:
        """Do what is due; when to come again (None: after ``every``)."""
        ...


class Engine(Protocol):
    """Runs duties. Made, started once, stopped once."""

    def start(self, duties: Sequence[Duty]) -> None:
        """Begin, or take up where a crash left off."""
        ...

    def wake(self, name: str) -> None:
        """Let a duty tick now instead of at its time."""
        ...

    def status(self) -> dict[str, dict[str, object]]:
        """Per duty: last tick, next tick, failures in a row, last error.

        The keys are ``last_tick`` and ``next_tick`` (datetime or None), ``failures`` (int),
        ``last_error`` (one line, "" when the last tick went well), ``running`` (bool) and
        ``since`` (datetime of the beginning of the tick that runs, else None).
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
