# SPDX-License-Identifier: GPL-3.0-or-later
"""The heal action lockfile: only a file that nobody can be using goes."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import HealError
from ansible_collections.storewarden.ops.plugins.module_utils.heal.lockfile import (
    ACTION,
    OPTIONS,
    pid_in,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import _defaults
from tests.unit.plugins.heal_bench import FAILED, HealBench

UNIT, LOCK = "pos.service", "/run/pos.pid"
BOOTED = 1_700_000_000


@pytest.fixture
def bench(tmp_path: Path) -> HealBench:
    made = HealBench(tmp_path)
    made.unit(UNIT, **FAILED)
    made.unit(UNIT, after=True)
    (tmp_path / "proc/stat").write_text(f"cpu 1 2 3\nbtime {BOOTED}\n")
    lock(made)
    return made


def lock(bench: HealBench, text: str = "4711\n", age: float = 4000.0, path: str = LOCK) -> Path:
    """A lock file of that age."""
    place = Path(bench.root, path.lstrip("/"))
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    then = time.time() - age
    os.utime(place, (then, then))
    return place


def process(bench: HealBench, pid: int, exe: str, began: float) -> None:
    """A process that began at that time."""
    folder = bench.root / "proc" / str(pid)
    folder.mkdir()
    (folder / "exe").symlink_to(exe)
    ticks = int((began - BOOTED) * os.sysconf("SC_CLK_TCK"))
    fields = ["S", *["0"] * 18, str(ticks), "0"]
    (folder / "stat").write_text(f"{pid} (a name) with) {' '.join(fields)}\n")


def options(**more: Any) -> dict[str, Any]:
    return {**_defaults(OPTIONS), "unit": "pos", "paths": [LOCK], **more}


def looked(bench: HealBench, **more: Any) -> Any:
    asked = options(**more)
    return ACTION.diagnose(ACTION.facts(bench.host, asked), asked)


def test_a_file_that_was_left_behind_goes_and_the_unit_starts(bench: HealBench) -> None:
    found = looked(bench)
    assert found.state == "needed", found.reason
    assert {one["kind"] for one in found.capture} == {"file", "unit"}
    steps = [one.en for one in ACTION.act(bench.host, found, options())]
    assert steps == [f"removed {LOCK} of process 4711, which is gone", f"started {UNIT}"]
    assert not (bench.root / "run/pos.pid").exists()
    assert ACTION.verify(bench.host, found, options()).well


def test_a_held_lock_stays(bench: HealBench) -> None:
    with (bench.root / "run/pos.pid").open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        found = looked(bench)
    assert (found.state, "is held by" in found.reason) == ("escalate", True)


def test_an_open_file_stays(bench: HealBench) -> None:
    process(bench, 800, "/usr/bin/tail", BOOTED)
    (bench.root / "proc/800/fd").mkdir()
    (bench.root / "proc/800/fd/3").symlink_to(bench.root / "run/pos.pid")
    assert "is held by process 800 (/usr/bin/tail)" in looked(bench).reason


def test_a_lock_that_the_kernel_lists_stays(bench: HealBench) -> None:
    inode = (bench.root / "run/pos.pid").stat().st_ino
    line = f"1: POSIX  ADVISORY  WRITE 812 00:2f:{inode} 0 EOF\n"
    (bench.root / "proc/locks").write_text(line)
    assert "is held by POSIX lock of process 812" in looked(bench).reason


def test_the_number_of_another_program_is_nobody(bench: HealBench) -> None:
    process(bench, 4711, "/usr/sbin/cron", time.time() - 100)
    assert looked(bench).state == "escalate"  # nobody said which programs write it
    assert looked(bench, programs=["/opt/pos/*"]).state == "needed"
    assert looked(bench, programs=["/usr/sbin/*"]).state == "escalate"


def test_another_program_that_was_there_before_the_file_counts_as_its_owner(
    bench: HealBench,
) -> None:
    """It may have written the file for somebody else."""
    process(bench, 4711, "/usr/sbin/cron", time.time() - 90000)
    assert looked(bench, programs=["/opt/pos/*"]).state == "escalate"


def test_a_file_that_was_written_anew_is_not_touched(bench: HealBench) -> None:
    found = looked(bench)
    lock(bench, "4712\n", age=4000)
    with pytest.raises(HealError, match="not as diagnosed any more"):
        ACTION.act(bench.host, found, options())
    assert (bench.root / "run/pos.pid").exists()
    assert bench.done() == []


@pytest.mark.parametrize("text", ["", "host:17\n", "0\n", "not a number"])
def test_a_file_that_names_no_process_stays(bench: HealBench, text: str) -> None:
    lock(bench, text)
    assert "names no process" in looked(bench).reason


def test_a_way_around_the_list_of_what_is_never_removed(bench: HealBench) -> None:
    place = lock(bench, path="/var/lib/dpkg/lock")
    (bench.root / "srv").symlink_to(place.parent)
    for path in ("/var/lib/dpkg/lock", "/run/../var/lib/dpkg/lock", "/srv/lock"):
        found = looked(bench, paths=[path])
        assert "/var/lib/dpkg/lock is never removed" in found.reason


def test_links_and_folders_are_no_lock_files(bench: HealBench) -> None:
    (bench.root / "run/link.pid").symlink_to(bench.root / "run/pos.pid")
    (bench.root / "run/folder.pid").mkdir()
    found = looked(bench, paths=["/run/link.pid", "/run/folder.pid"])
    assert "no lock file was left behind" in found.reason


def test_the_first_word_is_the_process() -> None:
    assert [pid_in(text) for text in ("12\n", " 7 till-1\n", "x", "99999999999")] == [12, 7, 0, 0]
