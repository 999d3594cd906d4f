# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts of databases walk through folders of jobs, and through nobody else's."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.backup.way import way_made


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that everybody gets to; the folders of a test run are closed."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_what_a_job_made_is_walked_through_and_stays_unreadable(open_folder: Path) -> None:
    job = open_folder / "scratch" / "ab12-run"
    (job / "data").mkdir(parents=True)
    for path in (job.parent, job, job / "data"):
        path.chmod(0o700)
    assert way_made(str(job / "data"), "nobody") == ""
    assert [mode(path) for path in (job.parent, job, job / "data")] == [0o711, 0o711, 0o700]


@pytest.mark.skipif(os.geteuid() == 65534, reason="is nobody itself")
def test_a_closed_folder_of_others_is_named_and_left_closed(open_folder: Path) -> None:
    closed = open_folder / "private"
    (closed / "scratch" / "run").mkdir(parents=True)
    closed.chmod(0o700)
    assert way_made(str(closed / "scratch" / "run"), "nobody") == str(closed)
    assert mode(closed) == 0o700
