# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups that are killed, told to stop, doubled, or run out of room."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.ledger_disk import small_disk
from tests.contract.restic_bench import Bench

pytestmark = pytest.mark.slow

_MANY = 60_000_000  # bytes that take restic a while


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.fill(prices=b"apple 2.50\n" * 500)
    return bench


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Bench]:
    with small_disk(tmp_path / "disk", "24m") as disk:
        bench = Bench(tmp_path, room=disk)
        bench.fill(prices=b"apple 2.50\n" * 500)
        yield bench


def _in_the_middle(bench: Bench) -> tuple[dict[str, object], subprocess.Popen[bytes]]:
    """A job whose restic holds its lock and is at work."""
    bench.fill(sales=os.urandom(_MANY))
    order = bench.order("take")
    job = bench.started(order)
    packs = len(bench.packs())
    end = time.monotonic() + 60.0
    while not (bench.locks() and len(bench.packs()) > packs) and time.monotonic() < end:
        assert job.poll() is None
        time.sleep(0.02)
    return order, job


@pytest.mark.full
def test_a_killed_backup_leaves_a_lock_that_goes_with_the_next_one(bench: Bench) -> None:
    good = bench.run("take")["sets"][0]["id"]
    order, job = _in_the_middle(bench)
    job.kill()
    job.communicate(timeout=30)
    assert bench.locks()
    assert not (bench.root / "jobs" / str(order["run"]) / "report.json").exists()
    (bench.source / "sales").unlink()
    after = bench.run("take")
    assert after["end"] == "done" and bench.locks() == []
    assert "had died" in after["notes"][0]["en"]
    assert bench.left_behind() == []
    sets = bench.run("verify", level=2)["sets"]
    assert [one["id"] for one in sets] == [good, after["sets"][0]["id"]]
    assert all(one["level"] == 2 for one in sets)


@pytest.mark.full
def test_a_lock_that_is_not_ours_stays_and_only_removal_waits_for_it(bench: Bench) -> None:
    made = bench.run("take")["sets"][0]["id"]
    _order, job = _in_the_middle(bench)
    job.kill()
    job.communicate(timeout=30)
    locks = bench.locks()
    (trail,) = (bench.root / "locks").glob("*.trail")
    trail.unlink()  # nobody can prove now that the one who locked it was ours
    (bench.source / "sales").unlink()
    assert bench.run("take")["end"] == "done"
    assert bench.locks() == locks
    refused = bench.run("prune", sets=[made])
    assert refused["end"] == "busy" and bench.locks() == locks


def test_a_backup_that_is_told_to_stop_says_so_and_restic_ends_with_it(bench: Bench) -> None:
    order, job = _in_the_middle(bench)
    (trail,) = (bench.root / "locks").glob("*.trail")
    last = int(trail.read_text().splitlines()[-1].split()[0])
    job.send_signal(signal.SIGTERM)
    job.communicate(timeout=30)
    assert bench.report(order)["end"] == "interrupted"
    assert not Path(f"/proc/{last}").exists()
    assert bench.left_behind() == []


@pytest.mark.full
def test_the_second_of_two_at_once_is_busy_and_not_a_failure(bench: Bench) -> None:
    order, job = _in_the_middle(bench)
    second = bench.run("take")
    assert second["end"] == "busy" and str(order["run"]) in second["reason"]["en"]
    job.communicate(timeout=60)
    assert bench.report(order)["end"] == "done"


def test_a_job_ends_itself_after_its_time(bench: Bench) -> None:
    bench.fill(sales=os.urandom(_MANY))
    said = bench.run("take", limits={"seconds": 1.5})
    assert said["end"] == "interrupted" and said["seconds"] < 15.0


@pytest.mark.full
def test_a_set_that_will_not_fit_is_not_begun(small: Bench) -> None:
    good = small.run("take")["sets"][0]["id"]
    small.fill(sales=os.urandom(30_000_000))
    refused = small.run("take")
    assert refused["end"] == "no-space" and "MiB" in refused["reason"]["en"]
    assert [one["id"] for one in small.run("verify", level=2)["sets"]] == [good]


@pytest.mark.full
def test_a_disk_that_fills_up_in_the_middle_keeps_the_last_good_set(small: Bench) -> None:
    good = small.run("take")["sets"][0]["id"]
    small.fill(sales=os.urandom(30_000_000))
    said = small.run("take", limits={"free_factor": 0.1})
    assert said["end"] == "no-space", json.dumps(said)
    (small.source / "sales").unlink()
    sets = {one["id"]: one for one in small.run("verify", level=2)["sets"]}
    assert sets[good]["level"] >= 1 and sets[good]["damaged"] == ""
