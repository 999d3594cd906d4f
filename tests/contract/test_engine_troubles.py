# SPDX-License-Identifier: GPL-3.0-or-later
"""What may befall the engine: its file, its clock, duties that end or block everything."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite

from storewarden.adapters.clock import SystemClock
from storewarden.adapters.engine.durable import DurableEngine
from storewarden.domain.errors import AdapterError
from tests.contract.engine_places import FILE, begun, copied, rows, running
from tests.contract.ledger_disk import fill, small_disk
from tests.contract.test_engine_durable import Counting
from tests.e2e.serve_site import until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An engine's file after its first start."""
    return begun(tmp_path_factory.mktemp("original"))


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """The same file for one test alone."""
    return copied(original, tmp_path)


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
    folder: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """With one line; the truth is in the ledger."""
    damage(folder / FILE)
    broken = (folder / FILE).read_bytes()
    duty = Counting()
    with caplog.at_level(logging.WARNING), running(folder, [duty]):
        assert until(lambda: len(duty.ticks) == 1)
    (aside,) = [p for p in folder.glob(f"{FILE}.damaged-*") if p.name[-1] == "Z"]
    assert aside.read_bytes() == broken
    told = [each.getMessage() for each in caplog.records if "begun anew" in each.getMessage()]
    assert told == ["the engine's database is damaged: begun anew"]


def test_a_full_disk_is_no_damage(original: Path, tmp_path: Path) -> None:
    """One line; nothing is put aside."""
    with small_disk(tmp_path / "disk", "3m") as disk:
        copied(original, disk)
        filler = fill(disk)
        engine = DurableEngine(disk / FILE, clock=SystemClock())
        with pytest.raises(AdapterError, match=r"engine\.db: the engine's database cannot be used"):
            engine.start([Counting()])
        assert not list(disk.glob("*.damaged-*"))
        filler.unlink()
        duty = Counting()
        with running(disk, [duty]):
            assert until(lambda: len(duty.ticks) == 1)


def test_a_file_that_is_deleted_costs_waiting_times_only(folder: Path) -> None:
    with running(folder, [Counting()]):
        pass
    for path in folder.glob(f"{FILE}*"):
        path.unlink()
    duty = Counting()
    with running(folder, [duty]):
        assert until(lambda: len(duty.ticks) == 1)


def _ends(error: BaseException) -> Callable[[datetime], None]:
    def act(_now: datetime) -> None:
        raise error

    return act


def test_no_duty_ends_or_blocks_the_others(folder: Path) -> None:
    """``sys.exit()`` in a library, a task that was cancelled: the duty failed, and no more. One
    that never comes back stays alone with it, and is seen."""
    enders = [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()]
    bad = [Counting(f"bad {n}", act=_ends(error)) for n, error in enumerate(enders)]
    ever = threading.Event()
    blocked = Counting("blocked", act=lambda _now: ever.wait(600) and None)
    good = Counting("good", act=lambda now: now + timedelta(seconds=1))
    try:
        with running(folder, [*bad, blocked, good]) as engine:
            assert until(lambda: all(len(duty.ticks) >= 2 for duty in (*bad, good)))
            assert until(lambda: len(blocked.ticks) == 1)
            told = engine.status()
            assert str(told["bad 0"]["last_error"]).startswith("SystemExit at ")
            assert all(told[duty.name]["failures"] for duty in bad)
            assert told["blocked"]["running"] is True
            assert told["blocked"]["since"] is not None
            before = len(good.ticks)
            assert until(lambda: len(good.ticks) >= before + 2)
            assert len(blocked.ticks) == 1
            ever.set()
            assert until(lambda: engine.status()["blocked"]["since"] is None)
    finally:
        ever.set()


def test_a_clock_that_was_put_back_keeps_no_duty_away(folder: Path) -> None:
    """It had said: again in an hour; then it was a year earlier."""
    clock, duty = _Clock(), Counting()
    clock.ahead = timedelta(days=365)
    with running(folder, [duty], clock=clock) as engine:
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
        os._exit(70)
class Good:
    name, every = "good", timedelta(hours=1)
    def tick(self, now):
        with (folder / "good").open("a") as stream:
            stream.write("x")
def live():
    engine = DurableEngine(folder / "engine.db", clock=SystemClock())
    engine.start([Good(), Deadly()])
    while engine.status()["deadly"]["failures"] < 5:
        time.sleep(0.1)
    print("stays up", flush=True)
    time.sleep(600)
for life in range(15):
    child = os.fork()  # a new process each time, without importing everything again
    if not child:
        live()
        os._exit(1)
    print("lives", flush=True)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print("died", code, flush=True)
"""


def test_a_duty_that_really_ends_the_process_is_slowed_down_after_a_few_deaths(
    folder: Path,
) -> None:
    """As under ``Restart=always``: after some deaths a controller stays up, with the failures
    in its status, and the other duty has ticked all along."""
    argv = [sys.executable, "-c", _DEADLY, str(folder)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    told: list[str] = []
    try:
        for line in process.stdout:
            told.append(line.strip())
            if told[-1] == "stays up":
                break
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert told[-1] == "stays up"
    assert 4 <= told.count("died 70") < 15
    assert told.count("lives") == told.count("died 70") + 1
    assert (folder / "good").exists()


def test_rows_of_another_release_do_not_keep_a_duty_away(folder: Path) -> None:
    """An upgrade under way: the tick that waits belongs to a version nobody runs any more."""
    first, again = Counting(), Counting()
    with running(folder, [first]) as engine:
        assert until(lambda: len(first.ticks) == 1)
        assert until(lambda: not engine.status()["counting"]["running"])
    rows(folder, "UPDATE workflow_status SET application_version = 'sw-wf-0'")
    with running(folder, [again]):
        assert until(lambda: len(again.ticks) == 1)
