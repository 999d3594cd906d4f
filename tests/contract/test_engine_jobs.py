# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs: the same promises in memory and on DBOS; and what a SIGKILL does to them."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from storewarden.adapters.clock import SystemClock
from storewarden.adapters.engine.chains import Chains
from storewarden.adapters.engine.durable import DurableEngine
from storewarden.adapters.engine.foreign import VERSION
from storewarden.adapters.engine.retention import Retention
from storewarden.ports.engine import ATTEMPTS
from storewarden.testing.conformance_jobs import Doing, JobsConformance
from storewarden.testing.conformance_ledger import START
from storewarden.testing.engine import ManualEngine
from storewarden.testing.ledger import ManualClock
from tests.contract.engine_places import FILE, SOON, begun, copied, rows, running
from tests.e2e.serve_site import until

_SECOND = timedelta(seconds=1)


class ManualBench:
    """Engines that move their clock themselves."""

    def __init__(self) -> None:
        self._clock = ManualClock(START)
        self._last: ManualEngine | None = None

    def made(self) -> ManualEngine:
        """The next engine, with the jobs of the one before."""
        self._last = ManualEngine(self._clock, after=self._last)
        return self._last

    def until(self, condition: Callable[[], bool]) -> bool:
        """Let up to a minute pass."""
        assert self._last is not None
        for _ in range(240):
            self._last.run_due()
            if condition():
                return True
            self._last.pass_time(timedelta(seconds=0.25))
        return condition()

    def now(self) -> datetime:
        """The manual clock."""
        return self._clock.now()


class DurableBench:
    """Engines over one file."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._made: list[DurableEngine] = []

    def made(self) -> DurableEngine:
        """The next engine."""
        self._made.append(DurableEngine(self._file, clock=SystemClock()))
        return self._made[-1]

    def until(self, condition: Callable[[], bool]) -> bool:
        """Wait."""
        return until(condition)

    def now(self) -> datetime:
        """The real time."""
        return SystemClock().now()

    def close(self) -> None:
        """Stop what still runs."""
        for engine in self._made:
            engine.stop(SOON)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An engine's file after its first start."""
    return begun(tmp_path_factory.mktemp("original"), "shard", "rollout", "bad", "other")


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """The same file for one test alone."""
    return copied(original, tmp_path)


class TestManual(JobsConformance):
    @pytest.fixture
    def bench(self) -> ManualBench:
        return ManualBench()


@pytest.mark.slow
class TestDurable(JobsConformance):
    @pytest.fixture
    def bench(self, folder: Path) -> Iterator[DurableBench]:
        bench = DurableBench(folder)
        yield bench
        bench.close()


def test_a_job_that_always_raises_is_given_up_and_begun_again_when_submitted() -> None:
    """After an hour or so; whoever still needs it says so again."""
    clock = ManualClock(START)
    work, engine = Doing(fails=ATTEMPTS), ManualEngine(clock)
    engine.start([], [work])
    engine.submit("shard", "bad", {"n": 1})
    engine.pass_time(timedelta(hours=3))
    assert len(work.tries) == ATTEMPTS
    told = engine.status()["jobs:shard"]
    assert (told["given_up"], told["failures"], told["waiting"]) == (["bad"], 1, 0)
    engine.submit("shard", "bad", {"n": 2})
    engine.pass_time(_SECOND)
    assert work.done == [("bad", {"n": 2})]
    assert engine.status()["jobs:shard"]["given_up"] == []


@pytest.mark.slow
def test_a_job_that_was_given_up_is_known_to_the_next_process(folder: Path) -> None:
    """In its status, and when it is submitted again."""
    with running(folder) as engine:
        engine.submit("shard", "bad", {})
    rows(
        folder,
        "UPDATE workflow_status SET status = 'ERROR' WHERE workflow_uuid = 'job/shard/bad/1'",
    )
    work = Doing()
    with running(folder, (), [work]) as engine:
        assert engine.status()["jobs:shard"]["given_up"] == ["bad"]
        engine.submit("shard", "bad", {"n": 2})
        assert until(lambda: bool(work.done))
        assert engine.status()["jobs:shard"]["given_up"] == []
    assert work.done == [("bad", {"n": 2})]


@pytest.mark.slow
def test_a_failure_says_where_and_no_secret(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_key: str) -> None:
        raise ValueError("token=hunter2")

    bad = Doing(kind="bad", act=fail)
    with caplog.at_level(logging.WARNING), running(folder, (), [bad]) as engine:
        engine.submit("bad", "d1", {})
        assert until(lambda: engine.status()["jobs:bad"]["failures"] == 1)
        assert "ValueError at " in str(engine.status()["jobs:bad"]["last_error"])
    told = [each for each in caplog.records if each.getMessage() == "a job failed"]
    assert told[0].fields["job"] == "bad/d1"  # type: ignore[attr-defined]
    assert "hunter2" not in caplog.text + str([vars(each) for each in caplog.records])
    stored = rows(folder, "SELECT inputs FROM workflow_input")
    assert ('{"namedArgs":{},"positionalArgs":["bad","d1",{},1]}',) in stored


@pytest.mark.slow
def test_so_many_at_once_and_never_one_key_twice(folder: Path) -> None:
    """Also when its row is handed out a second time, as after a wrong takeover."""
    gate, at_work, most = threading.Event(), set[str](), [0]
    twice = list[str]()

    def act(key: str) -> None:
        if key in at_work:
            twice.append(key)
        at_work.add(key)
        most[0] = max(most[0], len(at_work))
        gate.wait(600)
        at_work.discard(key)

    work = Doing(at_once=3, act=act)
    try:
        with running(folder, (), [work]) as engine:
            for n in range(5):
                engine.submit("shard", f"d{n}", {})
            assert until(lambda: len(at_work) == 3)
            assert engine.take_over("controller") == 0
            rows(
                folder,
                "UPDATE workflow_status SET status = 'ENQUEUED', owner_xid = NULL"
                " WHERE status = 'PENDING' AND name = 'job'",
            )
            told = engine.status()["jobs:shard"]
            assert (told["at_work"], told["running"]) == (3, True)
            gate.set()
            assert until(lambda: set(work.keys) == {f"d{n}" for n in range(5)})
    finally:
        gate.set()
    assert most == [3]
    assert twice == []


@pytest.mark.slow
def test_finished_jobs_are_forgotten(folder: Path) -> None:
    """After an hour; one that waits stays."""
    work = Doing()
    with running(folder, (), [work]) as engine:
        for n in range(3):
            engine.submit("shard", f"d{n}", {})
        engine.submit("shard", "later", {}, at=SystemClock().now() + timedelta(hours=9))
        assert until(lambda: len(work.done) == 3)
        count = "SELECT count(*) FROM workflow_status WHERE name = 'job'"
        assert until(lambda: rows(folder, count + " AND status = 'SUCCESS'") == [(3,)])
        duty = Retention(Chains(VERSION))
        duty.tick(SystemClock().now() + timedelta(minutes=30))
        assert rows(folder, count) == [(4,)]
        duty.tick(SystemClock().now() + timedelta(minutes=61))
        assert rows(folder, count) == [(1,)]


_KILLED = """
import sys, time
from pathlib import Path
from storewarden.adapters.clock import SystemClock
from storewarden.adapters.engine.durable import DurableEngine
folder = Path(sys.argv[1])
class Work:
    kind, at_once = "shard", 4
    def do(self, key, body):
        with (folder / "told").open("a") as stream:
            stream.write(f"begun {key} {body['n']}\\n")
        if sys.argv[2] == "hang":
            time.sleep(600)
        with (folder / "told").open("a") as stream:
            stream.write(f"done {key}\\n")
engine = DurableEngine(folder / "engine.db", clock=SystemClock())
engine.start([], [Work()])
engine.submit("shard", "R1-d1", {"n": 7})
while True:
    time.sleep(0.1)
"""


@pytest.mark.slow
def test_a_job_that_was_killed_is_done_again(folder: Path) -> None:
    """SIGKILL in the middle; the next process finishes the same job, once, although it was
    submitted again."""
    told = folder / "told"
    for how, expected in (
        ("hang", "begun R1-d1 7\n"),
        ("end", "begun R1-d1 7\n" * 2 + "done R1-d1\n"),
    ):
        process = subprocess.Popen([sys.executable, "-c", _KILLED, str(folder), how])
        try:
            assert until(lambda e=expected: told.exists() and told.read_text() == e)  # type: ignore[misc]
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
