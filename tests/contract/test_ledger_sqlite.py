# SPDX-License-Identifier: GPL-3.0-or-later
"""The embedded ledger as a file: who may read it, which version it is, what can go wrong."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from pysqlite3 import dbapi2 as sqlite

from storewarden.adapters.clock import SystemClock
from storewarden.adapters.ledger import SqlLedger, open_ledger, upgrade
from storewarden.adapters.ledger.connection import connect, locate
from storewarden.adapters.ledger.tables import METADATA
from storewarden.domain.baseline.finding import AuditState, Verdict
from storewarden.domain.errors import AdapterError, ConfigInvalid, LedgerConflict
from storewarden.ports.ledger import Problem
from storewarden.testing.conformance_changes import DAY, PREFIX, opening
from storewarden.testing.conformance_ledger import START, audited

_SOON = timedelta(seconds=0.3)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.sqlite"


def _open(file: Path, patience: timedelta = timedelta(minutes=5)) -> SqlLedger:
    return open_ledger(file, clock=SystemClock(), patience=patience)


def test_only_the_owner_can_read_it(file: Path) -> None:
    with _open(file) as ledger:
        ledger.append("note", {}, run="r", step="s")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert "ledger.sqlite-wal" in modes
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_it_survives_closing_and_keeps_its_chain(file: Path) -> None:
    with _open(file) as ledger:
        first = ledger.append("note", {"n": 1}, run="r", step="1")
    with _open(file) as ledger:
        ledger.append("note", {"n": 2}, run="r", step="2")
        assert next(ledger.journal()) == first
        assert ledger.verify().entries == 2


def test_commits_are_on_the_disk(file: Path) -> None:
    with _open(file):
        raw = connect(locate(file), 1).raw_connection()
        settings = {
            name: raw.cursor().execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
        raw.close()
    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 1000,
    }


def test_the_migrations_make_what_the_queries_expect(file: Path) -> None:
    with _open(file):
        engine = connect(locate(file), 1)
        with engine.connect() as connection:
            differences = compare_metadata(MigrationContext.configure(connection), METADATA)
        engine.dispose()
    # Unique constraints and the index live in the migrations alone.
    assert [
        each for each in differences if each[0] not in ("remove_constraint", "remove_index")
    ] == []


def _next_release(folder: Path) -> Path:
    """Migrations of a later release: ours, and one more."""
    shutil.copytree(Path(upgrade.__file__).parent / "migrations", folder)
    (folder / "versions" / "v9999_more.py").write_text(
        "from alembic import op\n"
        "revision, down_revision = '9999', '0007'\n"
        "def upgrade():\n    op.execute('CREATE TABLE more (id INTEGER PRIMARY KEY)')\n"
    )
    return folder


def test_an_older_one_is_copied_and_brought_forward(file: Path, tmp_path: Path) -> None:
    with _open(file) as ledger:
        ledger.append("note", {}, run="r", step="s")
    engine = connect(locate(file), 1)
    upgrade.bring_forward(engine, 1, _next_release(tmp_path / "next"))
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM more").scalar() == 0
    engine.dispose()
    copy = file.with_name("ledger.sqlite.schema-0007")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with _open(copy) as old:
        assert old.verify().entries == 1


def test_a_newer_one_is_refused_and_left_alone(file: Path, tmp_path: Path) -> None:
    _open(file).close()
    engine = connect(locate(file), 1)
    upgrade.bring_forward(engine, 1, _next_release(tmp_path / "next"))
    engine.dispose()
    before = file.read_bytes()
    with pytest.raises(LedgerConflict) as refusal:
        _open(file)
    assert str(file) in str(refusal.value)
    assert "newer storewarden (schema 9999, this one knows 0007)" in str(refusal.value)
    assert file.read_bytes() == before


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, " * 500)
    with pytest.raises(LedgerConflict, match=r"notes\.txt: the file is damaged or is no ledger"):
        _open(text)
    assert text.read_text().startswith("not a database")
    with pytest.raises(ConfigInvalid, match="is not a file"):
        _open(tmp_path)


def test_a_damaged_file_is_named(file: Path) -> None:
    with _open(file) as ledger:
        for n in range(200):
            ledger.append("note", {"text": "x" * 500}, run="r", step=str(n))
    data = bytearray(file.read_bytes())
    data[8192:-4096] = os.urandom(len(data) - 8192 - 4096)
    file.write_bytes(data)
    with pytest.raises(LedgerConflict, match="damaged"), _open(file) as ledger:
        ledger.verify()


def test_a_ledger_locked_too_long_says_so(file: Path) -> None:
    with _open(file, _SOON) as ledger:
        ledger.append("note", {}, run="r", step="1")
        holder = sqlite.connect(str(file), isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerConflict, match="locked for too long") as refusal:
            ledger.append("note", {}, run="r", step="2")
        assert str(file) in str(refusal.value)
        assert ledger.verify().entries == 1  # readers go on beside the writer
        holder.close()
        assert ledger.append("note", {}, run="r", step="2").sequence == 2


def test_entries_cannot_be_changed_by_accident(file: Path) -> None:
    with _open(file) as ledger:
        ledger.append("note", {}, run="r", step="1")
        raw = sqlite.connect(str(file), isolation_level=None)
        for statement in ("UPDATE journal SET kind = 'x'", "DELETE FROM journal"):
            with pytest.raises(sqlite.IntegrityError, match="append-only"):
                raw.execute(statement)
        raw.close()
        assert ledger.verify().problems == ()


def test_threads_share_one_ledger(file: Path) -> None:
    hosts = [f"h{n}" for n in range(40)]
    with _open(file) as ledger:
        ledger.begin_audit("a1", START, hosts, ["A01"], "c")
        with ThreadPoolExecutor(8) as pool:
            found = pool.map(
                lambda host: ledger.record_host("a1", audited(host, A01=Verdict.PASS), START), hosts
            )
            assert list(found) == [()] * 40
        ledger.end_audit("a1", START, "completed")
        audit, verified = ledger.audit(), ledger.verify()
    assert audit is not None
    assert {host.state for host in audit.hosts} == {AuditState.AUDITED}
    assert (verified.entries, verified.problems) == (42, ())


_WRITER = """
import datetime, sys
from storewarden.adapters.clock import SystemClock
from storewarden.adapters.ledger import open_ledger
patience = datetime.timedelta(minutes=5)  # disks of small machines are slow, and it is one file
ledger = open_ledger(sys.argv[1], clock=SystemClock(), patience=patience)
for n in range(int(sys.argv[3])):
    entry = ledger.append("note", {"text": "x" * 300}, run=sys.argv[2], step=str(n))
    print(entry.sequence, entry.hash, flush=True)
"""


def _writer(file: Path, run: str, number: int) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", _WRITER, str(file), run, str(number)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def test_processes_create_and_write_it_at_once(file: Path) -> None:
    writers = [_writer(file, f"r{n}", 30) for n in range(4)]
    printed = [writer.communicate()[0].split()[::2] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 4
    numbers = sorted(int(number) for each in printed for number in each)
    assert numbers == list(range(1, 121))
    with _open(file) as ledger:
        assert ledger.verify().problems == ()


def test_a_writer_killed_in_the_middle_loses_nothing_it_reported(file: Path) -> None:
    told: dict[int, str] = {}
    for attempt in range(3):
        writer = _writer(file, f"r{attempt}", 1_000_000)
        assert writer.stdout is not None
        for _ in range(40 + 7 * attempt):
            number, sealed = writer.stdout.readline().split()
            told[int(number)] = sealed
        writer.kill()
        writer.wait()
        writer.stdout.close()
        with _open(file) as ledger:
            verified = ledger.verify(known=told)
            assert verified.problems == ()
            assert verified.entries >= len(told)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    if os.geteuid() != 0:
        pytest.skip("making a small file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "storewarden-test", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine does not let root mount a tmpfs")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_one_line_and_keeps_what_was_recorded(small_disk: Path) -> None:
    file, recorded = small_disk / "ledger.sqlite", []
    hosts = [f"h{n}" for n in range(2000)]
    with _open(file) as ledger:
        ledger.begin_audit("a1", START, hosts, ["A01"], "c")
        with pytest.raises(AdapterError) as refusal:
            for host in hosts:
                noise = os.urandom(4000).hex()
                ledger.record_host("a1", audited(host, A01=(Verdict.PASS, noise)), START)
                recorded.append(host)
        assert refusal.value.retryable
        assert str(refusal.value).startswith(f"{file}: the disk under the ledger is full (")
        assert len(recorded) > 20
        assert ledger.verify().problems == ()
        subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
        late = hosts[len(recorded)]
        ledger.record_host("a1", audited(late, A01=Verdict.PASS), START)
        ledger.end_audit("a1", START, "interrupted")
        audit, verified = ledger.audit(), ledger.verify()
    assert audit is not None
    assert verified.problems == ()
    kept = [host.host for host in audit.hosts if host.state is AuditState.AUDITED]
    assert kept == [*recorded, late]


def test_a_read_only_disk_is_one_line(small_disk: Path) -> None:
    file = small_disk / "ledger.sqlite"
    with _open(file) as ledger:
        ledger.append("note", {}, run="r", step="1")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with (
        pytest.raises(AdapterError, match=r"not writable|cannot be opened") as refusal,
        _open(file) as ledger,
    ):
        ledger.append("note", {}, run="r", step="2")
    assert str(refusal.value).startswith(str(file))
    with pytest.raises(AdapterError, match="cannot be created: Read-only file system"):
        _open(small_disk / "other.sqlite")


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("mysql://u@h/d", "mysql is not supported"),
        ("sqlite://", "sqlite is not supported"),
        ("postgresql://u:geheim@h:port/d", "the address is not readable"),
    ],
)
def test_addresses_nobody_can_open(place: str, line: str) -> None:
    with pytest.raises(ConfigInvalid, match=line) as refusal:
        open_ledger(place, clock=SystemClock())
    assert "geheim" not in str(refusal.value)


def test_a_server_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="the PostgreSQL driver is not installed")
    place = f"postgresql://auditor:geheim@/ledger?host={tmp_path}"
    with pytest.raises(AdapterError, match="does not answer") as refusal:
        open_ledger(place, clock=SystemClock())
    assert refusal.value.retryable
    assert "geheim" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_sqlite_urls_are_paths(file: Path) -> None:
    with open_ledger(f"sqlite:///{file}", clock=SystemClock()) as ledger:
        assert ledger.place == str(file)
    assert file.exists()


def test_a_reader_sees_one_moment_while_others_write(file: Path) -> None:
    """Verify runs against a ledger that grows under it, and finds nothing wrong."""
    stop = threading.Event()

    def write(ledger: SqlLedger) -> None:
        number = 0
        while not stop.wait(0.005):  # faster than verify reads, it would never come to an end
            ledger.remember_host_count("lab", number, START + timedelta(seconds=number))
            number += 1

    with _open(file) as ledger, _open(file) as other:
        writer = threading.Thread(target=write, args=(other,))
        writer.start()
        verified = [ledger.verify() for _ in range(30)]
        stop.set()
        writer.join()
    assert [each.problems for each in verified] == [()] * 30
    assert verified[-1].entries > verified[0].entries


def _first_release(folder: Path) -> Path:
    """Migrations of the release that knew no changes."""
    shutil.copytree(Path(upgrade.__file__).parent / "migrations", folder)
    for later in (folder / "versions").glob("v*.py"):
        if later.name >= "v0002":
            later.unlink()
    return folder


def test_a_ledger_of_the_first_release_opens_with_all_it_held(file: Path, tmp_path: Path) -> None:
    """Audits and notes verify, drift goes on, and changes begin."""
    file.parent.mkdir(mode=0o700)
    engine = connect(locate(file), 1)
    upgrade.bring_forward(engine, 1, _first_release(tmp_path / "first"))
    with SqlLedger(engine, SystemClock()) as old:
        old.append("note", {"text": "旧"}, run="r", step="1")
        old.begin_audit("a1", START, ["h"], ["A01"], "content")
        old.record_host("a1", audited("h", A01=Verdict.PASS), START)
        old.end_audit("a1", START, "completed")
        before = {entry.sequence: entry.hash for entry in old.journal()}
    assert len(before) == 4
    with _open(file) as ledger:
        verified = ledger.verify(known=before)
        assert (verified.entries, verified.problems) == (4, ())
        ledger.begin_audit("a2", START, ["h"], ["A01"], "content")
        assert len(ledger.record_host("a2", audited("h", A01=Verdict.FAIL), START)) == 1
        made = ledger.changes.open_change("k", PREFIX, DAY, opening("h"))
        assert made.change.number == "GMBG-20260301-001"
        assert ledger.verify(known=before).problems == ()
    assert file.with_name("ledger.sqlite.schema-0001").is_file()


def test_threads_that_open_new_ledgers_at_once_each_get_a_whole_one(tmp_path: Path) -> None:
    """A program of several sites: Alembic keeps what it works on in globals."""
    begin = threading.Barrier(6)

    def opened(number: int) -> tuple[Problem, ...]:
        folder = tmp_path / str(number)
        folder.mkdir()
        begin.wait()
        with open_ledger(folder / "ledger.sqlite", clock=SystemClock()) as ledger:
            return ledger.verify().problems

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(opened, range(6))) == [()] * 6
