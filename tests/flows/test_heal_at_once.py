# SPDX-License-Identifier: GPL-3.0-or-later
"""What is begun beside the engine is done once, one thread at a time, and never holds it up."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from storewarden.flows.heal_at_once import PromptDuty, PromptWork

_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_PATIENCE = 60.0  # seconds; nothing is timed


@dataclass
class _Held:
    """A duty and a work of a test: each says that it has begun, and goes on when it may."""

    name: str = "healing"
    kind: str = "repair"
    every: timedelta = timedelta(seconds=30)
    at_once: int = 2
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    may: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    over: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    done: list[str] = field(default_factory=list)
    most: int = 0
    fails: bool = False
    _now: int = 0
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def tick(self, now: datetime) -> datetime | None:
        self.do(now.isoformat(), {})
        return None

    def do(self, key: str, body: Mapping[str, object]) -> None:
        with self._mutex:
            self._now += 1
            self.most = max(self.most, self._now)
        self.begun.release()
        assert self.may.acquire(timeout=_PATIENCE)
        with self._mutex:
            self._now -= 1
            self.done.append(key)
        self.over.release()
        if self.fails:
            raise RuntimeError("no")

    def let(self, count: int = 1) -> None:
        self.may.release(count)

    def has_begun(self) -> bool:
        return self.begun.acquire(timeout=_PATIENCE)


@dataclass
class _Hands:
    """A clock that a test moves."""

    now: datetime = _NOW

    def __call__(self) -> datetime:
        return self.now


def test_a_duty_ticks_when_it_is_asked_to_and_never_twice_at_once() -> None:
    held, clock = _Held(), _Hands()
    duty = PromptDuty(held, clock)
    duty.soon()
    assert held.has_begun()
    engine = threading.Thread(target=duty.tick, args=(_NOW + timedelta(seconds=9),))
    engine.start()
    held.let(2)
    engine.join(_PATIENCE)
    assert held.most == 1
    assert held.done == [_NOW.isoformat(), (_NOW + timedelta(seconds=9)).isoformat()]


def test_in_a_storm_the_engine_ticks_alone() -> None:
    """Whatever comes within a second after a tick waits for the engine's."""
    held, clock = _Held(), _Hands()
    duty = PromptDuty(held, clock)
    for _alert in range(100):
        duty.soon()
    held.let(2)
    assert held.has_begun()
    clock.now += timedelta(seconds=1)
    duty.soon()
    assert held.has_begun()
    assert not held.begun.acquire(blocking=False)


def test_the_engine_waits_for_whoever_is_at_a_repair() -> None:
    held = _Held()
    work = PromptWork(held)
    work.soon("r1", {})
    assert held.has_begun()
    engine = threading.Thread(target=work.do, args=("r1", {}))
    engine.start()
    assert not held.begun.acquire(timeout=0.05)
    held.let()
    assert held.has_begun()  # now it is the engine's turn
    held.let()
    engine.join(_PATIENCE)
    assert (held.most, held.done) == (1, ["r1", "r1"])


def test_no_more_are_begun_than_may_run_and_each_is_begun_here_once() -> None:
    held = _Held()
    work = PromptWork(held)
    for key in ("r1", "r2", "r3", "r1"):
        work.soon(key, {})
    assert held.has_begun()
    assert held.has_begun()
    assert not held.begun.acquire(timeout=0.05)  # r3 is left to the engine, r1 is being done
    engine = threading.Thread(target=work.do, args=("r3", {}))
    engine.start()
    held.let(3)
    engine.join(_PATIENCE)
    assert all(held.over.acquire(timeout=_PATIENCE) for _repair in range(3))
    assert held.most == 2
    assert sorted(held.done) == ["r1", "r2", "r3"]


def test_a_failure_here_is_left_to_the_engine() -> None:
    held = _Held(fails=True)
    work, duty = PromptWork(held), PromptDuty(held, _Hands())
    held.let(2)
    work.soon("r1", {})
    duty.soon()
    assert held.has_begun()
    assert held.has_begun()
    held.fails = False
    held.let(2)
    work.do("r1", {})
    assert duty.tick(_NOW) is None
