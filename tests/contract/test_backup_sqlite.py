# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite databases backed up while they are used, and what damaged ones come to."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.contract.data_backups import Jobs, with_programs

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _programs(monkeypatch: pytest.MonkeyPatch) -> None:
    with_programs(monkeypatch)


def _till(path: Path, mode: str = "wal", rows: int = 2000) -> sqlite3.Connection:
    """A till's database that stays open, so that its log is not emptied."""
    path.parent.mkdir(parents=True, exist_ok=True)
    base = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    base.execute(f"PRAGMA journal_mode = {mode}")
    base.execute("PRAGMA wal_autocheckpoint = 0")
    base.execute("CREATE TABLE sale (id INTEGER PRIMARY KEY, at REAL, amount REAL, note TEXT)")
    base.execute("CREATE TABLE price (code TEXT PRIMARY KEY, cents INTEGER) WITHOUT ROWID")
    _sell(base, rows)
    return base


def _sell(base: sqlite3.Connection, rows: int) -> None:
    base.execute("BEGIN")
    for number in range(rows):
        words = (time.time(), number * 0.5, f"收据 {number}" * 20)
        base.execute("INSERT INTO sale (at, amount, note) VALUES (?, ?, ?)", words)
        base.execute("INSERT OR REPLACE INTO price VALUES (?, ?)", (f"c{number}", number))
    base.execute("COMMIT")


def _jobs(tmp_path: Path, path: Path) -> Jobs:
    source = {"path": str(path), "heartbeat": {"table": "sale", "column": "at"}}
    return Jobs(tmp_path, "sqlite", source)


def test_rows_that_only_the_log_has_are_in_the_set(tmp_path: Path) -> None:
    path = tmp_path / "pos" / "pos.db"
    with closing(_till(path)) as base:
        plain_copy = shutil.copy(path, tmp_path / "plain.db")
        with closing(sqlite3.connect(plain_copy)) as copy, pytest.raises(sqlite3.Error):
            copy.execute("SELECT COUNT(*) FROM sale")
        jobs = _jobs(tmp_path, path)
        name = jobs.taken()
        into = str(tmp_path / "back")
        assert jobs.done("restore", sets=(name,), into=into).end == "done"
        (came,) = Path(into).rglob("pos.db")
        with closing(sqlite3.connect(came)) as back:
            assert back.execute("SELECT COUNT(*) FROM sale").fetchone() == (2000,)
        report = jobs.drilled(name)
        assert base.execute("SELECT COUNT(*) FROM sale").fetchone() == (2000,)
    drill = report.drill
    assert drill is not None
    assert (drill.passed, drill.level, drill.differences) == (True, 4, ())
    assert 0 <= drill.rpo < 60


@contextmanager
def _selling(base: sqlite3.Connection) -> Iterator[list[float]]:
    """Somebody sells all the time; how long each sale waited."""
    on, waited = threading.Event(), list[float]()

    def sell() -> None:
        while not on.is_set():
            began = time.monotonic()
            _sell(base, 5)
            waited.append(time.monotonic() - began)
            time.sleep(0.002)

    seller = threading.Thread(target=sell)
    seller.start()
    try:
        yield waited
    finally:
        on.set()
        seller.join()


@pytest.mark.full
@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_till_sells_on_while_it_is_backed_up(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "pos.db"
    with closing(_till(path, mode, rows=5000)) as base:
        base.execute("PRAGMA busy_timeout = 5000")
        jobs = _jobs(tmp_path, path)
        with _selling(base) as waited:
            name = jobs.taken()
        report = jobs.drilled(name)
    assert len(waited) > 20
    assert max(waited) < 3.0
    assert report.drill is not None
    assert report.drill.passed, report.drill.differences


def test_a_page_that_is_damaged_at_the_till_is_no_set(tmp_path: Path) -> None:
    path = tmp_path / "pos.db"
    _till(path, "delete").close()
    _spoil(path)
    jobs = _jobs(tmp_path, path)
    report = jobs.done("take")
    assert report.end == "rejected", report.reason
    assert "damaged" in report.reason["en"]
    assert jobs.done("list").sets == ()


def _spoil(path: Path) -> None:
    """Eight pages in the middle become something else."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(os.urandom(8 * 4096))


@pytest.mark.full
def test_a_database_that_is_put_back_takes_the_old_log_along(tmp_path: Path) -> None:
    path = tmp_path / "pos" / "pos.db"
    jobs = _jobs(tmp_path, path)
    with closing(_till(path)) as base:
        name = jobs.taken()
        _sell(base, 100)
        held = jobs.done("restore", sets=(name,))
        assert (held.end, "in use" in held.reason["en"]) == ("busy", True)
        shutil.copy(f"{path}-wal", tmp_path / "wal")
    shutil.copy(tmp_path / "wal", f"{path}-wal")  # as a till leaves it that lost its power
    path.chmod(0o640)
    report = jobs.done("restore", sets=(name,))
    assert report.end == "done", report.reason
    assert report.sets[0].level == 4  # looked at in its place
    with closing(sqlite3.connect(path)) as back:
        assert back.execute("SELECT COUNT(*) FROM sale").fetchone() == (2000,)
        assert back.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert path.stat().st_mode & 0o777 == 0o640
    kept = sorted(each.name.partition(".before-")[0] for each in path.parent.glob("*.before-*"))
    assert kept[0] == "pos.db"


def test_a_path_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    report = _jobs(tmp_path, tmp_path / "none.db").done("take")
    assert report.end == "failed"
    assert report.reason["en"] == f"there is no database {tmp_path}/none.db"
    (tmp_path / "text.db").write_text("no database\n" * 200)
    report = _jobs(tmp_path, tmp_path / "text.db").done("take")
    assert (report.end, "not a database" in report.reason["en"]) == ("rejected", True)
