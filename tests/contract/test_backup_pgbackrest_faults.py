# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults around pgBackRest: a place that is away, WAL that was thrown away, a kill, a second
backup."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.contract.postgresql_backups import DAYS, Jobs, Place, archiving, pause
from tests.servers.backup_tools import search_path
from tests.servers.postgresql_clusters import PASS

pytestmark = [pytest.mark.slow, pytest.mark.full]
_NOISE = (
    "INSERT INTO noise SELECT i, string_agg(md5(random()::text), '')"
    " FROM generate_series(1, {0}) i, generate_series(1, 30) GROUP BY i"
)
_ALL_ARCHIVED = (
    "SELECT last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 1) FROM pg_stat_archiver"
)


@pytest.fixture(scope="module")
def jobs() -> Iterator[Jobs]:
    before = os.environ["PATH"]
    path = search_path(["rclone"])
    if path is None:
        pytest.skip("rclone cannot be had here")
    os.environ["PATH"] = path
    try:
        with archiving() as found:
            found.repository = found.shop.folder / "repository"
            assert found.done("take", kind="full").end == "done"
            yield found
    finally:
        os.environ["PATH"] = before


@pytest.fixture
def place() -> Iterator[Place]:
    """Another filesystem; it is away at first."""
    folder = Path(tempfile.mkdtemp(prefix="swpgc-", dir="/dev/shm"))
    folder.rmdir()
    yield Place("disk", "path", {"folder": str(folder), "mounted": False})
    shutil.rmtree(folder, ignore_errors=True)


def test_a_place_that_is_away_stops_no_backup_and_catches_up(jobs: Jobs, place: Place) -> None:
    away = jobs.done("copy", place=place)
    assert away.end == "failed"
    jobs.shop.sql(DAYS.format(40001, 40100), "shop")
    taken = jobs.done("take", kind="incremental")
    assert taken.end == "done", taken.reason
    assert jobs.done("take", kind="log").end == "done"
    assert jobs.shop.sql("SELECT failed_count FROM pg_stat_archiver") == "0"
    Path(place.words["folder"]).mkdir()
    copied = jobs.done("copy", place=place)
    assert copied.end == "done", copied.reason
    here = jobs.done("list")
    assert [each._replace(damaged="") for each in copied.sets] == list(here.sets)
    assert all(each.level == 1 for each in copied.sets)
    again = jobs.done("copy", place=place)
    assert again.bytes < copied.bytes / 5  # pgBackRest's own lists at most


def test_a_copy_is_drilled_from_its_place(jobs: Jobs, place: Place) -> None:
    Path(place.words["folder"]).mkdir()
    assert jobs.done("copy", place=place).end == "done"
    read = jobs.done("verify", place=place, level=2)
    assert {each.level for each in read.sets} == {2}, read.reason
    report = jobs.done("drill", place=place, level=4)
    assert report.drill is not None, report.reason
    assert report.drill.passed, report.drill.differences
    assert report.drill.phases["fetch"] > 0
    assert 0 <= report.drill.rpo < 600
    assert 0 < report.tool_seconds <= report.seconds
    assert PASS not in str(report)


def test_a_member_that_the_copy_lost_is_missed_there(jobs: Jobs, place: Place) -> None:
    folder = Path(place.words["folder"])
    folder.mkdir()
    sets = jobs.done("copy", place=place).sets
    (lost,) = folder.glob(f"**/backup/shop/{sets[0].id}")
    shutil.rmtree(lost)
    found = jobs.done("verify", place=place, level=1).sets
    assert all("is not there" in each.damaged for each in found if each.id.startswith(sets[0].id))


def test_wal_that_was_thrown_away_is_told_and_a_full_set_follows(jobs: Jobs) -> None:
    shop = jobs.shop
    shop.sql("ALTER SYSTEM SET archive_command = '/bin/true'; SELECT pg_reload_conf()")
    pause()
    for number in range(2):
        shop.sql(DAYS.format(60000 + number * 10, 60005 + number * 10), "shop")
        shop.sql("SELECT pg_switch_wal()")
    until = time.monotonic() + 20
    while shop.sql(_ALL_ARCHIVED) != "t":
        assert time.monotonic() < until
        time.sleep(0.2)
    shop.sql("ALTER SYSTEM RESET archive_command; SELECT pg_reload_conf()")
    listed = jobs.done("list")
    assert any("chain-broken" in each.damaged for each in listed.sets)
    assert any("chain-broken" in note["en"] for note in listed.notes)
    assert "chain-broken" in jobs.done("take", kind="log").reason["en"]
    taken = jobs.done("take", kind="incremental")
    assert [each.kind for each in taken.sets] == ["full"]
    assert any("chain-broken" in note["en"] for note in taken.notes)
    assert not any(each.damaged for each in jobs.done("list").sets[-1:])
    assert jobs.done("take", kind="log").end == "done"


def test_a_backup_of_somebody_else_makes_ours_busy(jobs: Jobs) -> None:
    lock = jobs.repository / "lock/shop-backup.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        locked_out = jobs.done("take", kind="full")
        shutil.chown(lock, "postgres")
        report = jobs.done("take", kind="full")
    lock.unlink()
    assert report.end == "busy", report.reason
    assert locked_out.end == "failed", (
        "pgBackRest ends with 50 over a file that is not its own, too"
    )


def test_a_killed_backup_is_interrupted_and_the_next_one_goes_on_with_it(jobs: Jobs) -> None:
    jobs.shop.sql("CREATE TABLE noise (id int PRIMARY KEY, text text)", "shop")
    jobs.shop.sql(_NOISE.format(150_000), "shop")
    before = len(jobs.done("list").sets)
    over = threading.Event()
    killer = threading.Thread(target=_kill, args=(jobs.repository, over))
    killer.start()
    report = jobs.done("take", kind="full")
    over.set()
    killer.join()
    assert report.end == "interrupted", report.reason
    assert len(jobs.done("list").sets) == before
    until = time.monotonic() + 120
    again = jobs.done("take", kind="full")
    while again.end == "busy" and time.monotonic() < until:  # its workers end a moment later
        time.sleep(0.5)
        again = jobs.done("take", kind="full")
    assert again.end == "done", again.reason
    assert any("cut off" in note["en"] for note in again.notes)
    assert again.sets[-1].level == 1


def _kill(repository: Path, over: threading.Event) -> None:
    """SIGKILL for the backup as soon as it can be gone on with, and has copied something."""
    while not over.wait(0.01):
        begun = [
            folder for folder in (repository / "backup/shop").glob("*F")
            if (folder / "backup.manifest.copy").exists()
            and not (folder / "backup.manifest").exists()
        ]  # fmt: skip
        if begun and any(begun[0].glob("pg_data/base/*/*.zst")):
            for process in psutil.Process().children():  # a look at all would outlast the backup
                with contextlib.suppress(psutil.Error):  # it ended meanwhile
                    words = process.cmdline()
                    if words[-1:] == ["backup"] and "--stanza=shop" in words:
                        os.kill(process.pid, signal.SIGKILL)
                        return


def test_a_scratch_place_inside_of_the_data_is_refused(jobs: Jobs) -> None:
    jobs.source["scratch"] = str(jobs.shop.data)
    try:
        report = jobs.done("drill", level=3)
    finally:
        del jobs.source["scratch"]
    assert report.end == "failed"
    assert "lie in one another" in report.reason["en"]
    assert (jobs.shop.data / "PG_VERSION").exists()
