# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of a job that go, and programs whose end is noticed at once."""

from __future__ import annotations

import os
import resource
import threading
import time
from pathlib import Path

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.backup.clearing import cleared
from ansible_collections.storewarden.ops.plugins.module_utils.backup.failures import Interrupted
from ansible_collections.storewarden.ops.plugins.module_utils.backup.order import Order
from ansible_collections.storewarden.ops.plugins.module_utils.backup.pgbackrest_store import files
from ansible_collections.storewarden.ops.plugins.module_utils.backup.work import Work


def test_a_folder_of_many_files_and_folders_is_gone(tmp_path: Path) -> None:
    for number in range(300):
        place = tmp_path / "scratch" / "base" / str(number % 7)
        place.mkdir(parents=True, exist_ok=True)
        (place / f"file {number}\n").write_bytes(b"page")
    os.mkfifo(tmp_path / "scratch" / "socket")
    cleared(str(tmp_path / "scratch"))
    assert list(tmp_path.iterdir()) == []


def test_what_links_lead_to_stays(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "till").write_text("open")
    scratch = tmp_path / "scratch"
    (scratch / "pg_tblspc").mkdir(parents=True)
    (scratch / "pg_tblspc" / "1").symlink_to(outside)
    (scratch / "file").symlink_to(outside / "till")
    cleared(str(scratch))
    assert not scratch.exists()
    assert (outside / "till").read_text() == "open"
    (tmp_path / "way").symlink_to(outside)
    cleared(str(tmp_path / "way"))
    assert (outside / "till").read_text() == "open"


def test_a_folder_that_is_not_there_is_gone_already(tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    beside.write_text("stays")
    cleared(str(tmp_path / "never"))
    assert list(tmp_path.iterdir()) == [beside]


def test_no_handle_stays_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(20):
        (tmp_path / "scratch").mkdir()
        (tmp_path / "scratch" / f"{number}").write_text("x")
        cleared(str(tmp_path / "scratch"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_files_of_a_repository_are_told_by_path_and_size(tmp_path: Path) -> None:
    (tmp_path / "backup" / "shop").mkdir(parents=True)
    (tmp_path / "backup" / "shop" / "backup.info").write_bytes(b"12345")
    (tmp_path / "backup" / "shop" / "latest").symlink_to("20261123-010203F")
    (tmp_path / "archive").write_bytes(b"")
    (tmp_path / "elsewhere").symlink_to("/etc")
    assert dict(files(str(tmp_path))) == {"archive": 0, "backup/shop/backup.info": 5}
    assert dict(files(str(tmp_path / "never"))) == {}


@pytest.mark.slow
def test_files_may_come_and_go_while_they_are_looked_at(tmp_path: Path) -> None:
    ends = time.monotonic() + 1.0

    def archive() -> None:
        while time.monotonic() < ends:
            for number in range(20):
                (tmp_path / f"{number}.tmp").write_bytes(b"wal")
                (tmp_path / f"{number}.tmp").rename(tmp_path / f"{number}")

    (tmp_path / "stays").write_bytes(b"12")
    archiver = threading.Thread(target=archive)
    archiver.start()
    try:
        while time.monotonic() < ends:
            assert dict(files(str(tmp_path)))["stays"] == 2
    finally:
        archiver.join()


@pytest.fixture
def work(tmp_path: Path) -> Work:
    order = Order(
        run="run-1", verb="take", host="srv", policy="shop", method="files", source={},
        repository=str(tmp_path / "repository"),
    )  # fmt: skip
    return Work(order, str(tmp_path))


@pytest.mark.slow
def test_waiting_for_a_program_is_sleeping_and_not_looking(work: Work) -> None:
    """Popen alone looks twenty times a second, and notices the end that much later."""
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    assert work.run(["sleep", "1.5"]).rc == 0
    assert resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before < 20


_CLEARS_UP = "trap 'echo > told; exit' TERM; sleep 600 & wait"


@pytest.mark.slow
def test_a_program_that_does_not_end_is_stopped_in_its_time(work: Work, tmp_path: Path) -> None:
    """It is told first, so that it can clear up; nothing of it is left."""
    work.trail = str(tmp_path / "trail")
    began = time.monotonic()
    with pytest.raises(Interrupted, match="sh did not end within 1 s"):
        work.run(["sh", "-c", _CLEARS_UP], seconds=1.0)
    assert time.monotonic() - began >= 1.0
    assert (tmp_path / "told").exists()
    pid = int(Path(work.trail).read_text().split()[0])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
