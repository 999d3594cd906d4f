# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker that falls silent: what it had not begun is done by others, what it had is lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from storewarden.domain.rollout.record import HostState, Phase
from storewarden.flows.rollout_workers import Heartbeat, Reaper, ReaperParts
from storewarden.testing.conformance_ledger import START
from storewarden.testing.engine import ManualEngine
from storewarden.testing.ledger import ManualClock, MemoryLedger
from storewarden.testing.rollout_scenes import begin, dispatch, open_rollout

_MINUTE = timedelta(minutes=1)


@dataclass
class _Scene:
    """A controller that reaps, and a worker with two dispatches, one of them begun."""

    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    taken_over: list[str] = field(default_factory=list)
    woken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = MemoryLedger(self.clock)
        self.book = self.ledger.rollouts
        self.number = open_rollout(self.ledger)
        begin(self.ledger, self.number)
        for name, host in (("d1", "pos1"), ("d2", "pos2")):
            self.book.amend(self.number, name, dispatch(name, Phase.PREFLIGHT, host))
            self.book.take_job(f"{self.number}-{name}", "w1", START)
        self.book.job_begun(f"{self.number}-d1", "w1", START)
        self.book.beat("w1", START)
        (look,) = self.book.looks(START)
        self.book.look_again(self.number, None, seen=look.count)
        self.engine = ManualEngine(self.clock)

    def start(self, *others: Heartbeat) -> None:
        """The controller's duties."""
        parts = ReaperParts(
            book=self.book,
            worker="controller",
            take_over=self._take_over,
            wake=lambda: self.woken.append("rollouts"),
        )
        self.engine.start([Heartbeat(self.book, "controller"), Reaper(parts), *others])

    def _take_over(self, worker: str) -> int:
        self.taken_over.append(worker)
        return 1


@pytest.fixture
def scene() -> _Scene:
    return _Scene()


def test_a_worker_that_beats_keeps_its_jobs(scene: _Scene) -> None:
    scene.start(Heartbeat(scene.book, "w1"))
    scene.engine.pass_time(10 * _MINUTE)
    assert [job.worker for job in scene.book.jobs()] == ["w1", "w1"]
    assert (scene.taken_over, scene.woken) == ([], [])
    seen = {each.name: each.seen for each in scene.book.workers()}
    assert min(seen.values()) >= scene.clock.now() - timedelta(seconds=15)


def test_a_silent_worker_loses_its_jobs_after_a_minute(scene: _Scene) -> None:
    scene.start()
    scene.engine.pass_time(_MINUTE)
    assert len(scene.book.jobs(worker="w1")) == 2
    scene.engine.pass_time(timedelta(seconds=30))
    (freed,) = scene.book.jobs()
    assert (freed.dispatch, freed.worker) == (f"{scene.number}-d2", "")
    assert set(scene.taken_over) == {"w1"}
    assert scene.woken == ["rollouts"]
    assert scene.book.due(scene.clock.now()) == (scene.number,)


def test_what_it_had_begun_is_lost_and_only_a_probe_may_tell(scene: _Scene) -> None:
    """Its hosts are unknown; the journal says who was lost."""
    scene.start()
    scene.engine.pass_time(2 * _MINUTE)
    rollout = scene.book.rollout(scene.number)
    assert rollout is not None
    assert rollout.hosts["pos1"].state is HostState.UNKNOWN
    assert rollout.hosts["pos2"].state is HostState.PREFLIGHT
    entry = next(e for e in scene.book.history(scene.number) if e.kind == "rollout reported")
    assert entry.step == f"lost {scene.number}-d1"
    assert (entry.body["dispatch"], entry.body["lost"]) == (f"{scene.number}-d1", True)
    assert "its worker w1 has not been heard of" in str(entry.body["reports"])


def test_a_worker_that_comes_back_finds_its_jobs_gone(scene: _Scene) -> None:
    """And begins nothing: another one may be at it."""
    scene.start()
    scene.engine.pass_time(2 * _MINUTE)
    now = scene.clock.now()
    assert scene.book.take_job(f"{scene.number}-d2", "w2", now) is not None
    scene.book.beat("w1", now)
    assert scene.book.take_job(f"{scene.number}-d1", "w1", now) is None
    assert scene.book.take_job(f"{scene.number}-d2", "w1", now) is None


def test_a_worker_that_nobody_remembers_is_silent_as_well(scene: _Scene) -> None:
    """Everything stood still for days; then a controller alone is started again."""
    scene.clock.advance(timedelta(days=3))
    scene.start()
    scene.engine.run_due()
    assert scene.book.jobs(worker="w1") == ()
    told = [e for e in scene.book.history(scene.number) if e.kind == "rollout reported"]
    assert len(told) == 1
    assert scene.taken_over == ["w1"]


def test_two_reapers_tell_a_loss_once(scene: _Scene) -> None:
    scene.clock.advance(2 * _MINUTE)
    for name in ("one", "two"):
        parts = ReaperParts(book=scene.book, worker=name, take_over=lambda _name: 0)
        scene.book.beat(name, scene.clock.now())
        Reaper(parts).tick(scene.clock.now())
    history = scene.book.history(scene.number)
    assert sum(entry.kind == "rollout reported" for entry in history) == 1
    rollout = scene.book.rollout(scene.number)
    assert rollout is not None
    assert list(rollout.dispatches) == [f"{scene.number}-d2"]
