# SPDX-License-Identifier: GPL-3.0-or-later
"""Warm runs where the machine has nothing left, and files that change while they are loaded."""

from __future__ import annotations

import os
import pty
import resource
import signal
import uuid
from pathlib import Path

import pytest

from storewarden.adapters.ansible import environment
from storewarden.adapters.ansible.rundir import Request, RunDir, scratch_dir
from storewarden.adapters.ansible.warm_play import WarmPlay
from storewarden.adapters.ansible.warm_process import Files
from storewarden.adapters.ansible.warm_start import WarmStart


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file that is loaded."""
    path = tmp_path / "module.py"
    path.write_text("old")
    return path


def _loaded(path: Path, after: int) -> Files:
    """Loading it began so many nanoseconds after its last change."""
    return Files([str(path)], path.stat().st_ctime_ns + after)


def test_a_file_that_was_there_before_loading_began_is_no_change(source: Path) -> None:
    assert not _loaded(source, 1).changed()


@pytest.mark.parametrize("after", [0, -1])
def test_a_file_that_changed_while_it_was_loaded_is_a_change(source: Path, after: int) -> None:
    os.utime(source, (0, 0))  # an installer gives files the times of their package
    assert _loaded(source, after).changed()


def test_a_file_that_changes_later_is_a_change(source: Path) -> None:
    files = _loaded(source, 1)
    source.write_text("another")
    assert files.changed()


def test_folders_and_missing_files_may_change_while_loading(tmp_path: Path) -> None:
    """Python writes its own files into folders that it loads from."""
    assert not Files([str(tmp_path), str(tmp_path / "none")], 1).changed()


def test_without_descriptors_a_run_is_left_to_the_cold_way(tmp_path: Path) -> None:
    def places() -> environment.PlayPlaces:
        raise AssertionError("nothing is begun")

    warm = WarmStart(places, tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        taken = warm.start(tmp_path, 0, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert taken is False


def test_a_play_that_cannot_be_forked_is_over_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> tuple[int, int]:
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(pty, "fork", full)
    run_id = str(uuid.uuid4())
    run = RunDir(tmp_path / "runs" / run_id)
    run.work.mkdir(parents=True)
    run.inventory.write_text("all: {hosts: {pos1: {}}}")
    request = Request(
        run_id=run_id, playbook="site.yml", hosts=("pos1",), exclusive=True, owner="me", label="",
        started=0, timeout=60, forks=1, check_mode=False,
        bin_dir=str(environment.bin_directory()),
    )  # fmt: skip
    play = WarmPlay(run, request, frozenset())
    try:
        play.start()
    finally:
        scratch_dir(run_id).rmdir()
    assert str(play.trouble) == "no more processes"
    assert (play.is_alive(), play.rc) == (False, None)
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, set())
