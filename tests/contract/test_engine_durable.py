# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine on DBOS, over a real database file."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from storewarden.adapters.clock import SystemClock
from storewarden.adapters.engine.chains import Chains
from storewarden.adapters.engine.durable import DurableEngine
from storewarden.adapters.engine.foreign import VERSION
from storewarden.adapters.engine.lock import ControllerLock, holder_of
from storewarden.adapters.engine.pulse import Pulse, PulseThread, ask_to_wake
from storewarden.adapters.engine.retention import Retention
from storewarden.domain.errors import AdapterError, ConfigInvalid, Refused
from storewarden.ports.engine import BACK_OFF
from tests.contract.engine_places import FILE, QUICK, SOON, begun, copied, rows, running
from tests.contract.ledger_postgres import postgres
from tests.e2e.serve_site import until

pytestmark = pytest.mark.slow

_HOUR = timedelta(hours=1)


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


def raising(error: Exception) -> Callable[[datetime], None]:
    """A duty that fails."""

    def act(_now: datetime) -> None:
        raise error

    return act


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An engine's file after its first start."""
    return begun(tmp_path_factory.mktemp("original"))


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """The same file for one test alone."""
    return copied(original, tmp_path)


class Busy:
    """One engine with duties that have nothing to do with each other, each for one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.height = 7
        self.rests = True
        self.plain, self.woken = Counting("plain"), Counting("woken", act=self._wake_itself)
        self.again = Counting("again", act=lambda now: now + timedelta(seconds=1))
        self.bad = Counting("bad", act=raising(ValueError("token=hunter2")))
        self.ours = Counting("ours", act=raising(AdapterError("the disk is full", where="ledger")))
        self.good, self.asked = Counting("good"), Counting("mirror:x/y")
        self.follower, self.broken = Counting("follower"), Counting("broken")
        self.deadly = Counting("deadly")
        self.restless = Counting("restless", act=lambda now: None if self.rests else now)
        self.duties = (
            self.plain, self.woken, self.again, self.bad, self.ours, self.good, self.asked,
            self.follower, self.broken, self.deadly, self.restless,
        )  # fmt: skip
        pulse = Pulse(
            read=lambda: self.height, followers=("follower",), folder=folder / "wake", every=QUICK
        )
        self.engine = DurableEngine(folder / FILE, clock=SystemClock(), pulse=pulse)

    def _wake_itself(self, _now: datetime) -> None:
        if len(self.woken.ticks) == 1:
            self.engine.wake("woken")

    def told(self, duty: Counting) -> dict[str, object]:
        """A duty's status, when it has ticked and waits for its next tick."""
        assert until(lambda: bool(duty.ticks) and not self.engine.status()[duty.name]["running"])
        return self.engine.status()[duty.name]

    def breaks(self, duty: Counting, status: str) -> None:
        """End the chain of a duty that has ticked."""
        self.told(duty)
        rows(
            self.folder,
            f"UPDATE workflow_status SET status = '{status}'"  # noqa: S608 - words of ours
            f" WHERE workflow_uuid LIKE 'duty/{duty.name}/%' AND status = 'DELAYED'",
        )


@pytest.fixture(scope="class")
def busy(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Busy]:
    """Its engine is started for the tests of one class, and is gone before the next one's: a
    process has one engine."""
    busy = Busy(copied(original, tmp_path_factory.mktemp("busy")))
    busy.engine.start(busy.duties)
    yield busy
    busy.engine.stop(SOON)


class TestOneEngine:
    """What duties see of it, and whoever looks at them."""

    def test_a_duty_ticks_at_the_start_and_when_it_is_woken(self, busy: Busy) -> None:
        told = busy.told(busy.plain)
        assert told["last_tick"] == busy.plain.ticks[0]
        assert (told["failures"], told["last_error"]) == (0, "")
        assert len(busy.plain.ticks) == 1
        busy.engine.wake("plain")
        assert until(lambda: len(busy.plain.ticks) == 2)

    def test_a_wake_during_a_tick_is_not_lost(self, busy: Busy) -> None:
        assert until(lambda: len(busy.woken.ticks) == 2)

    def test_other_processes_wake_a_duty_through_a_folder(self, busy: Busy) -> None:
        busy.told(busy.asked)
        ask_to_wake(busy.folder / "wake", "mirror:x/y")
        ask_to_wake(busy.folder / "wake", "nobody")
        assert until(lambda: len(busy.asked.ticks) == 2)
        assert until(lambda: not list((busy.folder / "wake").iterdir()))

    def test_the_ledger_growing_wakes_those_who_follow_it(self, busy: Busy) -> None:
        busy.told(busy.follower)
        before = len(busy.follower.ticks)
        busy.height = 8
        assert until(lambda: len(busy.follower.ticks) > before)
        busy.told(busy.good)
        assert len(busy.good.ticks) == 1

    def test_a_chain_that_broke_is_begun_again(self, busy: Busy) -> None:
        """Whatever ended it (here somebody who writes into the file), the duty does not stay
        away."""
        busy.breaks(busy.broken, "CANCELLED")
        assert until(lambda: len(busy.broken.ticks) == 2)

    def test_a_duty_that_ends_the_process_is_slowed_down_and_seen(self, busy: Busy) -> None:
        """DBOS gives such a tick up after five recoveries, without a word."""
        busy.breaks(busy.deadly, "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
        seen: list[dict[str, object]] = []

        def slowed_down() -> bool:
            seen.append(busy.engine.status()["deadly"])
            return seen[-1]["failures"] == 5

        assert until(slowed_down)
        assert seen[-1]["last_error"] == "its ticks ended the whole process 5 times"
        waits = seen[-1]["next_tick"] - busy.deadly.ticks[0]  # type: ignore[operator]
        assert waits >= BACK_OFF.wait(5)
        busy.engine.wake("deadly")
        assert until(lambda: busy.engine.status()["deadly"]["failures"] == 0)

    def test_a_duty_comes_again_when_it_said_so(self, busy: Busy) -> None:
        assert until(lambda: len(busy.again.ticks) >= 3)
        ticks = list(busy.again.ticks)
        gaps = [later - earlier for earlier, later in itertools.pairwise(ticks)]
        assert min(gaps) >= timedelta(seconds=0.99)

    def test_a_duty_that_raises_stays_visible_and_comes_again(self, busy: Busy) -> None:
        assert until(lambda: len(busy.bad.ticks) >= 3)
        told = busy.engine.status()["bad"]
        assert told["failures"] >= 2  # type: ignore[operator]
        assert "ValueError at " in str(told["last_error"])
        assert "hunter2" not in str(busy.engine.status())
        assert busy.told(busy.good)["failures"] == 0

    def test_our_own_errors_are_told_in_full(self, busy: Busy) -> None:
        assert busy.told(busy.ours)["last_error"] == "ledger: the disk is full"

    def test_two_duties_of_one_name_and_two_engines_are_refused(self, busy: Busy) -> None:
        another = DurableEngine(busy.folder / FILE, clock=SystemClock())
        with pytest.raises(ConfigInvalid, match="two duties are called twin"):
            another.start([Counting("twin"), Counting("twin")])
        with pytest.raises(Refused, match="started already"):
            busy.engine.start([])
        with pytest.raises(ConfigInvalid, match="no duty 'nobody'"):
            busy.engine.wake("nobody")

    def test_no_pickle_and_only_for_its_owner(self, busy: Busy, original: Path) -> None:
        busy.told(busy.plain)
        assert (original / FILE).stat().st_mode & 0o777 == 0o600
        inputs = rows(busy.folder, "SELECT inputs FROM workflow_input")
        assert ('{"namedArgs":{},"positionalArgs":["plain",1,0]}',) in inputs
        assert rows(busy.folder, "PRAGMA journal_mode") == [("wal",)]

    def test_ticks_that_are_long_over_are_deleted(self, busy: Busy) -> None:
        """And the chain goes on."""
        busy.told(busy.restless)
        before, busy.rests = len(busy.restless.ticks), False
        busy.engine.wake("restless")
        assert until(lambda: len(busy.restless.ticks) >= before + 4)
        busy.rests = True
        inputs = "SELECT count(*) FROM workflow_input WHERE inputs LIKE '%restless%'"
        retention = Retention(Chains(VERSION))

        def all_but_the_one_that_waits() -> bool:
            retention.tick(SystemClock().now() + timedelta(hours=7))
            return rows(busy.folder, inputs) == [(1,)]

        assert until(all_but_the_one_that_waits)
        went = len(busy.restless.ticks)
        busy.engine.wake("restless")
        assert until(lambda: len(busy.restless.ticks) > went)


def test_followers_are_left_alone_the_longer_the_more_they_are() -> None:
    """A ledger that grows all the time must not keep a hundred channels busy: sixty are woken at
    every fourth look."""
    names, woken = [f"tell:{n}" for n in range(60)], list[str]()
    looks = itertools.count()
    pulse = Pulse(read=lambda: next(looks), followers=names, every=timedelta(milliseconds=1))
    watched = threading.Event()
    thread = PulseThread(pulse, woken.append, woken.append, watched.set)
    thread.start()
    try:
        assert until(watched.is_set)  # at the tenth look
    finally:
        thread.stop()
    begun = next(looks)
    assert woken == names * -(-begun // 4)


def test_an_engine_takes_up_what_the_last_one_left(folder: Path) -> None:
    """Failures in a row are remembered, and the chain goes on without a second one beside it."""
    fail = raising(AdapterError("no", where="there"))
    with running(folder, [Counting("bad", act=fail)]) as first:
        assert until(lambda: first.status()["bad"]["failures"] >= 2)  # type: ignore[operator]
    before = first.status()["bad"]["failures"]
    again = Counting("bad", act=fail)
    with running(folder, [again]) as second:
        assert until(lambda: bool(second.status()["bad"]["failures"]))
        assert second.status()["bad"]["failures"] >= before  # type: ignore[operator]
        live = (
            "SELECT count(*) FROM workflow_status WHERE workflow_uuid LIKE 'duty/bad/%'"
            " AND status IN ('DELAYED', 'ENQUEUED', 'PENDING')"
        )
        # A tick enqueues the next one before it ends; two chains would never be one row.
        assert until(lambda: rows(folder, live) == [(1,)])


_KILLED = """
import sys, time
from datetime import timedelta
from pathlib import Path
from storewarden.adapters.clock import SystemClock
from storewarden.adapters.engine.durable import DurableEngine
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
            process.wait()


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
                engine.stop(SOON)
