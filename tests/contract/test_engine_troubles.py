# SPDX-License-Identifier: GPL-3.0-or-later
"""What may befall the engine: its file, its clock, duties that end or block everything."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite

from storewarden.adapters.clock import SystemClock
from storewarden.adapters.engine.durable import DurableEngine
from storewarden.adapters.engine.pulse import Pulse
from storewarden.domain.errors import AdapterError
from tests.contract.ledger_disk import fill, small_disk
from tests.contract.test_engine_durable import Counting
from tests.e2e.serve_site import until

pytestmark = pytest.mark.slow


@contextmanager
def running(
    place: Path, *duties: Counting, clock: _Clock | None = None, pulse: Pulse | None = None
) -> Iterator[DurableEngine]:
    """An engine over ``place/engine.db`` until the block ends."""
    engine = DurableEngine(place / "engine.db", clock=clock or SystemClock(), pulse=pulse)
    engine.start(duties)
    try:
        yield engine
    finally:
        engine.stop(timedelta(seconds=1))


class _Clock:
    """The real time and something."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        """The time it shows."""
        return datetime.now(UTC) + self.ahead


def _nonsense(file: Path) -> None:
    file.write_bytes(b"not a database" * 500)


def _half(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def _without_tables(file: Path) -> None:
    with closing(sqlite.connect(str(file))) as raw:
        raw.execute("PRAGMA foreign_keys=OFF")
        raw.execute("DROP TABLE workflow_status")
        raw.commit()


@pytest.mark.parametrize("damage", [_nonsense, _half, _without_tables])
def test_a_damaged_file_is_put_aside_and_the_duties_begin_anew(
    tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """With one line; the truth is in the ledger."""
    with running(tmp_path, Counting()):
        pass
    damage(tmp_path / "engine.db")
    broken = (tmp_path / "engine.db").read_bytes()
    duty = Counting()
    with caplog.at_level(logging.WARNING), running(tmp_path, duty):
        assert until(lambda: len(duty.ticks) == 1)
    (aside,) = [p for p in tmp_path.glob("engine.db.damaged-*") if p.name[-1] == "Z"]
    assert aside.read_bytes() == broken
    told = [each.getMessage() for each in caplog.records if "begun anew" in each.getMessage()]
    assert told == ["the engine's database is damaged: begun anew"]


def test_a_full_disk_is_no_damage(tmp_path: Path) -> None:
    """One line; nothing is put aside."""
    with small_disk(tmp_path / "disk", "3m") as disk:
        with running(disk, Counting()):
            pass
        filler = fill(disk)
        engine = DurableEngine(disk / "engine.db", clock=SystemClock())
        with pytest.raises(AdapterError, match=r"engine\.db: the engine's database cannot be used"):
            engine.start([Counting()])
        assert not list(disk.glob("*.damaged-*"))
        filler.unlink()
        duty = Counting()
        with running(disk, duty):
            assert until(lambda: len(duty.ticks) == 1)


def test_a_file_that_is_deleted_costs_waiting_times_only(tmp_path: Path) -> None:
    with running(tmp_path, Counting()):
        pass
    for path in tmp_path.glob("engine.db*"):
        path.unlink()
    duty = Counting()
    with running(tmp_path, duty):
        assert until(lambda: len(duty.ticks) == 1)


def _ends(error: BaseException) -> Callable[[datetime], None]:
    def act(_now: datetime) -> None:
        raise error

    return act


def test_no_duty_ends_the_others(tmp_path: Path) -> None:
    """``sys.exit()`` in a library, a task that was cancelled: the duty failed, and no more."""
    enders = [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()]
    bad = [Counting(f"bad {n}", act=_ends(error)) for n, error in enumerate(enders)]
    good = Counting("good", act=lambda now: now + timedelta(seconds=1))
    with running(tmp_path, *bad, good) as engine:
        assert until(lambda: all(len(duty.ticks) >= 2 for duty in (*bad, good)))
        told = engine.status()
        assert str(told["bad 0"]["last_error"]).startswith("SystemExit at ")
        assert all(told[duty.name]["failures"] for duty in bad)
        before = len(good.ticks)
        assert until(lambda: len(good.ticks) >= before + 2)


def test_a_duty_that_blocks_stays_alone_with_it_and_is_seen(tmp_path: Path) -> None:
    ever = threading.Event()
    blocked = Counting("blocked", act=lambda _now: ever.wait(300) and None)
    good = Counting("good", act=lambda now: now + timedelta(seconds=1))
    try:
        with running(tmp_path, blocked, good) as engine:
            assert until(lambda: len(good.ticks) >= 4)
            told = engine.status()["blocked"]
            assert told["running"] is True
            assert told["since"] is not None
            assert len(blocked.ticks) == 1
            ever.set()
            assert until(lambda: engine.status()["blocked"]["since"] is None)
    finally:
        ever.set()


def test_a_clock_that_was_put_back_keeps_no_duty_away(tmp_path: Path) -> None:
    """It had said: again in an hour; then it was a year earlier."""
    clock, duty = _Clock(), Counting()
    clock.ahead = timedelta(days=365)
    with running(tmp_path, duty, clock=clock) as engine:
        assert until(lambda: len(duty.ticks) == 1)
        assert until(lambda: not engine.status()["counting"]["running"])
        clock.ahead = timedelta()
        assert until(lambda: len(duty.ticks) == 2)


_DEADLY = """
import os, sys, time
from datetime import timedelta
from pathlib import Path
from storewarden.adapters.clock import SystemClock
from storewarden.adapters.engine.durable import DurableEngine
folder = Path(sys.argv[1])
class Deadly:
    name, every = "deadly", timedelta(hours=1)
    def tick(self, now):
        with (folder / "deaths").open("a") as stream:
            stream.write("x")
        if sys.argv[2] == "die":
            os._exit(70)
class Good:
    name, every = "good", timedelta(hours=1)
    def tick(self, now):
        with (folder / "good").open("a") as stream:
            stream.write("x")
engine = DurableEngine(folder / "engine.db", clock=SystemClock())
engine.start([Good(), Deadly()])
while True:
    time.sleep(0.2)
    print(engine.status()["deadly"]["failures"], flush=True)
"""


def test_a_duty_that_really_ends_the_process_is_slowed_down_after_a_few_deaths(
    tmp_path: Path,
) -> None:
    """As under ``Restart=always``: after some deaths a controller stays up, with the failures
    in its status, and the other duty has ticked all along."""
    argv = [sys.executable, "-c", _DEADLY, str(tmp_path)]
    deaths = 0
    while deaths < 15:
        process = subprocess.Popen([*argv, "die"], stdout=subprocess.PIPE, text=True)
        try:
            code = process.wait(12)
        except subprocess.TimeoutExpired:
            break
        assert code == 70
        deaths += 1
    try:
        assert 4 <= deaths < 15
        assert process.poll() is None
        assert process.stdout is not None
        assert until(lambda: int(process.stdout.readline()) >= 5)  # type: ignore[union-attr]
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert (tmp_path / "good").exists()
    assert len((tmp_path / "deaths").read_text()) == deaths


def test_rows_of_another_release_do_not_keep_a_duty_away(tmp_path: Path) -> None:
    """An upgrade under way: the tick that waits belongs to a version nobody runs any more."""
    first, again = Counting(), Counting()
    with running(tmp_path, first) as engine:
        assert until(lambda: len(first.ticks) == 1)
        assert until(lambda: not engine.status()["counting"]["running"])
    with closing(sqlite.connect(str(tmp_path / "engine.db"))) as raw:
        raw.execute("UPDATE workflow_status SET application_version = 'sw-wf-0'")
        raw.commit()
    with running(tmp_path, again):
        assert until(lambda: len(again.ticks) == 1)


def test_many_followers_are_not_woken_at_every_look(tmp_path: Path) -> None:
    """A ledger that grows all the time must not keep a hundred channels busy."""
    looks = itertools.count()
    duties = [Counting(f"tell:{n}") for n in range(60)]
    names = tuple(duty.name for duty in duties)
    with running(tmp_path, *duties, pulse=Pulse(read=lambda: next(looks), followers=names)):
        assert until(lambda: all(duty.ticks for duty in duties))
        begun, ticked = next(looks), len(duties[0].ticks)
        assert until(lambda: len(duties[0].ticks) >= ticked + 3)
        assert next(looks) - begun >= 6
