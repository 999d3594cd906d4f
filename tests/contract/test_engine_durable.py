# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine on DBOS, over a real database file."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite

from storewarden.adapters.clock import SystemClock
from storewarden.adapters.engine.chains import Chains
from storewarden.adapters.engine.durable import DurableEngine
from storewarden.adapters.engine.foreign import VERSION
from storewarden.adapters.engine.lock import ControllerLock, holder_of
from storewarden.adapters.engine.pulse import Pulse, ask_to_wake
from storewarden.adapters.engine.retention import Retention
from storewarden.domain.errors import AdapterError, ConfigInvalid, Refused
from tests.contract.ledger_postgres import postgres
from tests.e2e.serve_site import until

pytestmark = pytest.mark.slow

_HOUR = timedelta(hours=1)
_PATIENCE = timedelta(seconds=5)


@dataclass
class Counting:
    """A duty that counts its ticks and does what a test gives it."""

    name: str = "counting"
    every: timedelta = _HOUR
    act: Callable[[datetime], datetime | None] = lambda _now: None
    ticks: list[datetime] = field(default_factory=list)

    def tick(self, now: datetime) -> datetime | None:
        """Count."""
        self.ticks.append(now)
        return self.act(now)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[..., DurableEngine]]:
    """Makes engines over one file; stops the last one at the end."""
    engines: list[DurableEngine] = []

    def make(pulse: Pulse | None = None) -> DurableEngine:
        engines.append(DurableEngine(tmp_path / "engine.db", clock=SystemClock(), pulse=pulse))
        return engines[-1]

    yield make
    for engine in engines:
        engine.stop(timedelta(seconds=1))


def test_a_duty_ticks_at_the_start_and_when_it_is_woken(made: Callable[..., DurableEngine]) -> None:
    duty, engine = Counting(), made()
    engine.start([duty])
    assert until(lambda: len(duty.ticks) == 1)
    assert until(lambda: not engine.status()["counting"]["running"])
    told = engine.status()["counting"]
    assert told["last_tick"] == duty.ticks[0]
    assert (told["failures"], told["last_error"]) == (0, "")
    engine.wake("counting")
    assert until(lambda: len(duty.ticks) == 2)


def test_a_wake_during_a_tick_is_not_lost(made: Callable[..., DurableEngine]) -> None:
    engine, duty = made(), Counting()

    def wake_itself(_now: datetime) -> None:
        if len(duty.ticks) == 1:
            engine.wake("counting")

    duty.act = wake_itself
    engine.start([duty])
    assert until(lambda: len(duty.ticks) == 2)


def test_a_duty_comes_again_when_it_said_so(made: Callable[..., DurableEngine]) -> None:
    engine, duty = made(), Counting(act=lambda now: now + timedelta(seconds=1))
    engine.start([duty])
    assert until(lambda: len(duty.ticks) >= 3)
    gaps = [later - earlier for earlier, later in zip(duty.ticks, duty.ticks[1:], strict=False)]
    assert min(gaps) >= timedelta(seconds=0.99)


def test_a_duty_that_raises_stays_visible_and_comes_again(
    made: Callable[..., DurableEngine],
) -> None:
    def fail(_now: datetime) -> None:
        raise ValueError("token=hunter2")

    engine, bad, good = made(), Counting("bad", act=fail), Counting("good")
    engine.start([bad, good])
    assert until(lambda: len(bad.ticks) >= 3)
    told = engine.status()["bad"]
    assert told["failures"] in (2, 3, 4)
    assert "ValueError at " in str(told["last_error"])
    assert "hunter2" not in str(engine.status())
    assert engine.status()["good"]["failures"] == 0


def test_our_own_errors_are_told_in_full(made: Callable[..., DurableEngine]) -> None:
    def fail(_now: datetime) -> None:
        raise AdapterError("the disk is full", where="ledger")

    engine = made()
    engine.start([Counting("bad", act=fail)])
    assert until(lambda: engine.status()["bad"]["last_error"] == "ledger: the disk is full")


def test_an_engine_takes_up_what_the_last_one_left(made: Callable[..., DurableEngine]) -> None:
    """Failures in a row are remembered, and the chain goes on without a second one beside it."""

    def fail(_now: datetime) -> None:
        raise AdapterError("no", where="there")

    first = made()
    first.start([Counting("bad", act=fail)])
    assert until(lambda: first.status()["bad"]["failures"] == 2)
    first.stop(_PATIENCE)
    again, second = Counting("bad", act=fail), made()
    second.start([again])
    assert until(lambda: second.status()["bad"]["failures"] == 3)
    assert len(again.ticks) == 1


def test_other_processes_wake_a_duty_through_a_folder(
    made: Callable[..., DurableEngine], tmp_path: Path
) -> None:
    duty = Counting("mirror:x/y")
    engine = made(Pulse(read=lambda: 0, folder=tmp_path / "wake"))
    engine.start([duty])
    assert until(lambda: len(duty.ticks) == 1)
    ask_to_wake(tmp_path / "wake", "mirror:x/y")
    ask_to_wake(tmp_path / "wake", "nobody")
    assert until(lambda: len(duty.ticks) == 2)
    assert until(lambda: not list((tmp_path / "wake").iterdir()))


def test_the_ledger_growing_wakes_those_who_follow_it(made: Callable[..., DurableEngine]) -> None:
    height = [7]
    follower, other = Counting("follower"), Counting("other")
    engine = made(Pulse(read=lambda: height[0], followers=("follower",)))
    engine.start([follower, other])
    assert until(lambda: len(follower.ticks) >= 1 and len(other.ticks) == 1)
    before = len(follower.ticks)
    height[0] = 8
    assert until(lambda: len(follower.ticks) > before)
    assert len(other.ticks) == 1


def test_a_chain_that_broke_is_begun_again(
    made: Callable[..., DurableEngine], tmp_path: Path
) -> None:
    """Whatever ended it (here somebody who writes into the file), the duty does not stay away."""
    duty, engine = Counting(), made()
    engine.start([duty])
    _break(engine, duty, tmp_path, "CANCELLED")
    assert until(lambda: len(duty.ticks) == 2)


def test_a_duty_that_ends_the_process_is_slowed_down_and_seen(
    made: Callable[..., DurableEngine], tmp_path: Path
) -> None:
    """DBOS gives such a tick up after five recoveries, without a word."""
    duty, engine = Counting(), made()
    engine.start([duty])
    _break(engine, duty, tmp_path, "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
    assert until(lambda: engine.status()["counting"]["failures"] == 5)
    told = engine.status()["counting"]
    assert told["last_error"] == "its ticks ended the whole process 5 times"
    assert told["next_tick"] > SystemClock().now()  # type: ignore[operator]
    engine.wake("counting")
    assert until(lambda: engine.status()["counting"]["failures"] == 0)


def _break(engine: DurableEngine, duty: Counting, folder: Path, status: str) -> None:
    """End the chain of a duty that has ticked once."""
    assert until(lambda: len(duty.ticks) == 1)
    assert until(lambda: not engine.status()["counting"]["running"])
    _rows(
        folder,
        f"UPDATE workflow_status SET status = '{status}'"  # noqa: S608 - a word of ours
        " WHERE workflow_uuid LIKE 'duty/counting/%' AND status = 'DELAYED'",
    )


def test_two_duties_of_one_name_and_two_engines_are_refused(
    made: Callable[..., DurableEngine],
) -> None:
    with pytest.raises(ConfigInvalid, match="two duties are called twin"):
        made().start([Counting("twin"), Counting("twin")])
    engine = made()
    engine.start([])
    with pytest.raises(Refused, match="started already"):
        engine.start([])
    with pytest.raises(ConfigInvalid, match="no duty 'nobody'"):
        engine.wake("nobody")


def test_no_pickle_and_only_for_its_owner(
    made: Callable[..., DurableEngine], tmp_path: Path
) -> None:
    duty, engine = Counting(), made()
    engine.start([duty])
    assert until(lambda: len(duty.ticks) == 1)
    engine.stop(_PATIENCE)
    assert (tmp_path / "engine.db").stat().st_mode & 0o777 == 0o600
    inputs = _rows(tmp_path, "SELECT inputs FROM workflow_input")
    assert ('{"namedArgs":{},"positionalArgs":["counting",1,0]}',) in inputs
    assert _rows(tmp_path, "PRAGMA journal_mode") == [("wal",)]


def test_ticks_that_are_long_over_are_deleted(
    made: Callable[..., DurableEngine], tmp_path: Path
) -> None:
    """And the chain goes on."""
    duty, engine = Counting(act=lambda now: now), made()
    engine.start([duty])
    assert until(lambda: len(duty.ticks) >= 5)
    Retention(Chains(VERSION)).tick(SystemClock().now() + timedelta(hours=7))
    kept = _rows(tmp_path, "SELECT count(*) FROM workflow_input WHERE inputs LIKE '%counting%'")
    assert kept[0][0] < 4
    before = len(duty.ticks)
    assert until(lambda: len(duty.ticks) > before + 2)


def _rows(folder: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite.connect(str(folder / "engine.db"), timeout=30)) as file:
        found: list[tuple[object, ...]] = file.execute(statement).fetchall()
        file.commit()
    return found


_KILLED = """
import sys, time
from datetime import timedelta
from pathlib import Path
from storewarden.adapters.clock import SystemClock
from storewarden.adapters.engine.chains import Chains
from storewarden.adapters.engine.durable import DurableEngine
from storewarden.adapters.engine.foreign import VERSION
folder = Path(sys.argv[1])
class Duty:
    name, every = "slow", timedelta(hours=1)
    def tick(self, now):
        with (folder / "ticks").open("a") as stream:
            stream.write("begun\\n")
        if sys.argv[2] == "hang":
            time.sleep(600)
        with (folder / "ticks").open("a") as stream:
            stream.write("done\\n")
engine = DurableEngine(folder / "engine.db", clock=SystemClock())
engine.start([Duty()])
while True:
    time.sleep(0.1)
"""


def test_a_tick_that_was_killed_runs_again(tmp_path: Path) -> None:
    """SIGKILL in the middle; the next process finishes the same tick."""
    ticks = tmp_path / "ticks"
    for how, expected in (("hang", "begun\n"), ("end", "begun\nbegun\ndone\n")):
        process = subprocess.Popen([sys.executable, "-c", _KILLED, str(tmp_path), how])
        try:
            assert until(lambda e=expected: ticks.exists() and ticks.read_text() == e)  # type: ignore[misc]
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(30)


def test_one_lock_per_folder(tmp_path: Path) -> None:
    assert holder_of(tmp_path) is None
    with ControllerLock(tmp_path) as lock:
        lock.announce("http://127.0.0.1:1")
        holder = holder_of(tmp_path)
        assert holder is not None
        assert holder.address == "http://127.0.0.1:1"
        with pytest.raises(Refused, match=rf"pid {holder.pid}\)"):
            ControllerLock(tmp_path).take()
    assert holder_of(tmp_path) is None


def test_postgresql_serves_as_well() -> None:
    """A start, a wake, and a second engine that goes on."""
    with postgres() as url:
        for wanted in (2, 1):
            duty = Counting()
            engine = DurableEngine(url, clock=SystemClock())
            engine.start([duty])
            try:
                assert until(lambda d=duty: len(d.ticks) == 1)  # type: ignore[misc]
                if wanted == 2:
                    engine.wake("counting")
                    assert until(lambda d=duty: len(d.ticks) == 2)  # type: ignore[misc]
            finally:
                engine.stop(timedelta(seconds=1))
