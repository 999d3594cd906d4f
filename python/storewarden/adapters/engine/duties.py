# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine knows of each duty while it runs; the threads' one meeting place.

A duty's ticks are a chain: tick 7 enqueues tick 8, under an identity made of the duty's
name and the number. So a crash at any point leads to the same chain, and two ticks of one
duty never run at once.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.engine import Duty, Ticked

PREFIX = "duty"
_SLACK = timedelta(minutes=1)


def tick_id(name: str, number: int) -> str:
    """The identity of a tick."""
    return f"{PREFIX}/{name}/{number}"


def number_of(identity: str) -> int:
    """The number in an identity."""
    return int(identity.rpartition("/")[2])


def chain_of(name: str) -> str:
    """What the identities of all ticks of one duty begin with, and of no other."""
    return f"{PREFIX}/{name}/"


@dataclass(slots=True, kw_only=True)
class Record:
    """One duty; ``waiting`` is the identity of the tick that is enqueued, "" while none is."""

    duty: Duty
    last: datetime | None = None
    next: datetime | None = None
    failures: int = 0
    error: str = ""
    since: datetime | None = None
    woken: bool = False
    waiting: str = ""

    @property
    def running(self) -> bool:
        """Whether a tick is at work, or has not enqueued the next one yet."""
        return self.since is not None


@dataclass(slots=True)
class Register:
    """All duties of this process, by name."""

    records: dict[str, Record] = field(default_factory=dict)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def enroll(self, duties: Sequence[Duty]) -> None:
        """Raises ConfigInvalid for two of one name."""
        for duty in duties:
            if duty.name in self.records:
                raise ConfigInvalid(f"two duties are called {duty.name}", where="engine")
            self.records[duty.name] = Record(duty=duty)

    def find(self, name: str) -> Record:
        """Raises ConfigInvalid for a duty that nobody knows."""
        if name not in self.records:
            raise ConfigInvalid(f"there is no duty {name!r}", where="engine")
        return self.records[name]

    def begins(self, name: str, now: datetime) -> Duty | None:
        """A tick runs now; None when the duty is none of this release's any more."""
        with self._mutex:
            record = self.records.get(name)
            if record is None:
                return None
            record.since, record.waiting = now, ""
            return record.duty

    def ended(self, name: str, ticked: Ticked) -> None:
        """How it came out; it counts as running until the next one is enqueued."""
        with self._mutex:
            record = self.records[name]
            record.last, record.next = ticked.at, ticked.next
            record.failures, record.error = ticked.failures, ticked.error

    def waits(self, name: str, identity: str, at: datetime) -> bool:
        """The next one is enqueued for ``at``; True when somebody wants it now."""
        with self._mutex:
            record = self.records.get(name)
            if record is None:
                return False
            record.since, record.waiting, record.next = None, identity, at
            woken, record.woken = record.woken, False
            return woken

    def wake(self, name: str, now: datetime) -> str:
        """The identity of the tick to be pulled forward; "" when the duty is at it: it is
        remembered, and the next tick comes at once."""
        with self._mutex:
            record = self.find(name)
            if not record.waiting:
                record.woken = True
                return ""
            record.next = now
            return record.waiting

    def astray(self, now: datetime) -> list[str]:
        """Duties that wait longer than they may: the clock was put back since."""
        with self._mutex:
            return [
                name
                for name, record in self.records.items()
                if record.waiting
                and record.next is not None
                and record.next - now > record.duty.every + _SLACK
            ]

    def broken(self, name: str, failures: int, error: str) -> None:
        """Its ticks ended the process; people have to see it."""
        with self._mutex:
            record = self.records[name]
            record.failures, record.error = failures, error

    def status(self) -> dict[str, dict[str, object]]:
        """As ``ports.engine.Engine`` says."""
        with self._mutex:
            return {
                name: {
                    "last_tick": record.last,
                    "next_tick": record.next,
                    "failures": record.failures,
                    "last_error": record.error,
                    "running": record.running,
                    "since": record.since,
                }
                for name, record in self.records.items()
            }
