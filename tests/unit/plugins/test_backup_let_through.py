# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders on the way to a rehearsal's place are opened for walking through: ours, and no others."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.backup.engine import (
    Root,
    _let_through,
)
from ansible_collections.storewarden.ops.plugins.module_utils.backup.order import order_of
from ansible_collections.storewarden.ops.plugins.module_utils.backup.work import Work


@pytest.fixture(autouse=True)
def _no_endless_climb() -> Iterator[None]:
    """Whoever climbs past the root never comes to an end."""
    signal.alarm(5)
    yield
    signal.alarm(0)


def job(root: Path, *names: str) -> tuple[Work, list[Path]]:
    """A job whose folder lies below ``root``, and all folders from there down to it, closed."""
    folder = root
    for name in names:
        folder = folder / name
        folder.mkdir(mode=0o700)
    order = order_of(
        {
            "format": 1, "run": "run-1", "verb": "list", "host": "till-1", "policy": "files",
            "method": "files", "source": {"paths": ["/etc"]}, "repository": str(root / "r"),
        }
    )  # fmt: skip
    above = [each for each in folder.parents if each.is_relative_to(root)]
    return Work(order, str(folder)), [folder, *above]


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_servers_of_rehearsals_pass_our_folders_and_list_none(tmp_path: Path) -> None:
    root = tmp_path / "storewarden" / "backup"
    root.mkdir(parents=True, mode=0o700)
    tmp_path.chmod(0o700)
    root.parent.chmod(0o700)
    work, _ = job(root, "repositories", "work", "job")
    _let_through(Root(f"{root}/"), work)
    assert mode(root / "repositories") == mode(root) == mode(root.parent) == 0o711
    assert mode(root / "repositories/work") == mode(root / "repositories/work/job") == 0o700
    assert mode(tmp_path) == 0o700


def test_a_folder_above_that_is_called_otherwise_stays_closed(tmp_path: Path) -> None:
    root = tmp_path / "elsewhere" / "backup"
    root.mkdir(parents=True, mode=0o700)
    root.parent.chmod(0o700)
    work, _ = job(root, "work")
    _let_through(Root(str(root)), work)
    assert (mode(root), mode(root.parent)) == (0o711, 0o700)


def test_a_repository_elsewhere_opens_nothing(tmp_path: Path) -> None:
    root, other = tmp_path / "storewarden/backup", tmp_path / "storewarden/backups-of-others"
    for each in (root, other):
        each.mkdir(parents=True, mode=0o700)
    work, _ = job(other, "a", "work")
    _let_through(Root(str(root)), work)
    assert [mode(each) for each in (root, other, other / "a", other / "a/work")] == [0o700] * 4


def test_the_root_of_the_filesystem_is_no_folder_of_ours(tmp_path: Path) -> None:
    """With "/" as the place of our state everything lies below it: nothing is opened."""
    work, folders = job(tmp_path, "a", "work", "job")
    tmp_path.chmod(0o700)
    before = [mode(each) for each in tmp_path.parents]
    for top in ("/", "//"):
        _let_through(Root(top), work)
    assert [mode(each) for each in folders] == [0o700] * len(folders)
    assert [mode(each) for each in tmp_path.parents] == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_a_folder_of_another_account_is_left_alone(tmp_path: Path) -> None:
    root = tmp_path / "storewarden" / "backup"
    root.mkdir(parents=True, mode=0o700)
    work, _ = job(root, "theirs", "work")
    os.chown(root / "theirs", 65534, 65534)
    _let_through(Root(str(root)), work)
    assert (mode(root), mode(root / "theirs")) == (0o711, 0o700)
