# SPDX-License-Identifier: GPL-3.0-or-later
"""The heal action lockfile: only a file that nobody can be using goes."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal import lockfile
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
    # A lock whose process is gone has no value, and a service that runs stays up.
    assert found.capture == ()
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
    own = bench.root / "proc/800"
    for folder in ("fd", "fdinfo", "ns"):
        (own / folder).mkdir()
    (own / "ns/mnt").symlink_to("mnt:[1]")
    (own / "mountinfo").write_text("30 1 8:2 / / rw - ext4 /dev/sda2 rw\n")
    (own / "fd/3").symlink_to(bench.root / "run/pos.pid")
    (own / "fdinfo/3").write_text("mnt_id:\t30\n")
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


def test_a_job_that_takes_its_lock_now_is_not_refused(bench: HealBench) -> None:
    """Looking leaves no lock behind; and a reader's lock of somebody else is one."""
    with (bench.root / "run/pos.pid").open() as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)
        assert looked(bench).state == "needed"  # readers exclude nobody
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert looked(bench).state == "escalate"


@pytest.mark.timeout(60)
def test_a_pipe_in_place_of_the_file_is_not_waited_for(bench: HealBench) -> None:
    (bench.root / "run/pos.pid").unlink()
    os.mkfifo(bench.root / "run/pos.pid")
    assert "no lock file was left behind" in looked(bench).reason


def test_a_folder_that_was_swapped_for_a_link_leads_nowhere(bench: HealBench) -> None:
    """The service's own account owns the folder of its lock."""
    place = lock(bench, path="/opt/pos/run/shadow")
    outside = lock(bench, path="/srv/shadow")
    asked = options(paths=["/opt/pos/run/*"])
    [one] = looked(bench, paths=["/opt/pos/run/*"]).plan["files"]
    place.parent.rename(bench.root / "opt/pos/old")
    (bench.root / "opt/pos/run").symlink_to(bench.root / "srv")
    assert not lockfile._removed(bench.host, one)
    assert outside.exists()
    (bench.root / "opt/pos/run").unlink()
    (bench.root / "opt/pos/old").rename(bench.root / "opt/pos/run")
    later = time.time() - 3000
    os.utime(place, (later, later))
    assert not lockfile._removed(bench.host, one)  # written anew since
    assert place.exists()
    [one] = ACTION.diagnose(ACTION.facts(bench.host, asked), asked).plan["files"]
    assert lockfile._removed(bench.host, one)


def test_a_file_with_a_second_name_is_no_lock(bench: HealBench) -> None:
    os.link(bench.root / "run/pos.pid", bench.root / "run/other.pid")
    assert "no lock file was left behind" in looked(bench).reason


def test_a_lock_on_a_share_names_a_process_of_another_host(bench: HealBench) -> None:
    table = "40 30 0:50 / /run rw - nfs4 10.0.0.9:/share rw\n"
    (bench.root / "proc/self").mkdir()
    (bench.root / "proc/self/mountinfo").write_text(table)
    assert "no lock file was left behind" in looked(bench).reason
    (bench.root / "proc/self/mountinfo").write_text(table.replace("nfs4", "tmpfs"))
    assert looked(bench).state == "needed"


def test_a_container_has_processes_of_its_own(bench: HealBench) -> None:
    bench.unit("podman-pos.service", **FAILED)
    assert "is a container" in looked(bench, unit="podman-pos").reason
