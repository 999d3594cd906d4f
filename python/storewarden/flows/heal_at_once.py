# SPDX-License-Identifier: GPL-3.0-or-later
"""A repair need not wait for the engine to look: what it will do anyway is begun now.

The engine keeps what is due and does it whatever happens; for that it looks at a queue every second
or two. A till that stands still should not wait for two such looks. So whoever wakes healing also
lets it tick here, beside the engine, and a repair that is opened is begun here as well. Nothing
depends on it: the engine comes to the same ticks and the same repairs a moment later, finds them
done or being done, and does what was not. What is tried here and fails is told by the engine's own
try.

In a storm there is nothing to gain: ticks that follow each other closely are left to the engine.

Two threads must never be at one repair: the one that comes second would find it begun and without a
run. So everybody goes through the same two wrappers, which let in one at a time, and of repairs no
more at once than the site allows.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from storewarden.ports.engine import Duty, Work

_LOG = logging.getLogger("storewarden.healing")
_APART = timedelta(seconds=1)  # between two ticks that are asked for here
_REMEMBERED = 10_000  # repairs that were begun here; afterwards they are forgotten, all of them


class PromptDuty:
    """A duty that can also be asked to tick now, in a thread of its own; one tick at a time."""

    def __init__(self, duty: Duty, now: Callable[[], datetime]) -> None:
        self.name, self.every = duty.name, duty.every
        self._duty = duty
        self._now = now
        self._ticking = threading.Lock()
        self._asked = threading.Lock()  # held from a request until its tick has begun
        self._last: datetime | None = None

    def tick(self, now: datetime) -> datetime | None:
        """The engine's way."""
        with self._ticking:
            return self._duty.tick(now)

    def soon(self) -> None:
        """Tick as soon as nobody else does. Returns at once."""
        now = self._now()
        if self._last is not None and timedelta(0) <= now - self._last < _APART:
            return
        if not self._asked.acquire(blocking=False):
            return
        self._last = now
        threading.Thread(target=self._tick, name="healing-now", daemon=True).start()

    def _tick(self) -> None:
        with self._ticking:
            self._asked.release()
            try:
                self._duty.tick(self._now())
            except Exception:  # noqa: BLE001 - the engine's tick says so, and when to try again
                _LOG.debug("healing could not tick at once", exc_info=True)


class PromptWork:
    """Work that can also be begun now, in a thread of its own; one thread at a key."""

    def __init__(self, work: Work) -> None:
        self.kind, self.at_once = work.kind, work.at_once
        self._work = work
        self._free = threading.BoundedSemaphore(work.at_once)
        self._changed = threading.Condition()
        self._at: set[str] = set()
        self._begun: set[str] = set()

    def do(self, key: str, body: Mapping[str, object]) -> None:
        """The engine's way; it waits for whoever is at this key."""
        with self._changed:
            self._changed.wait_for(lambda: key not in self._at)
            self._at.add(key)
        try:
            with self._free:
                self._work.do(key, body)
        finally:
            self._leave(key)

    def soon(self, key: str, body: Mapping[str, object]) -> None:
        """Begin it now, the first time that it is asked for, if there is room for one more."""
        with self._changed:
            if key in self._at or key in self._begun or not self._free.acquire(blocking=False):
                return
            if len(self._begun) >= _REMEMBERED:
                self._begun.clear()
            self._begun.add(key)
            self._at.add(key)
        threading.Thread(target=self._do, args=(key, body), name="repair-now", daemon=True).start()

    def _do(self, key: str, body: Mapping[str, object]) -> None:
        try:
            self._work.do(key, body)
        except Exception:  # noqa: BLE001 - the engine's own try says so, and tries again
            _LOG.debug("a repair could not be done at once", exc_info=True)
        finally:
            self._free.release()
            self._leave(key)

    def _leave(self, key: str) -> None:
        with self._changed:
            self._at.discard(key)
            self._changed.notify_all()
