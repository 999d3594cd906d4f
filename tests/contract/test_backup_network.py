# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of what was read of network devices: real rclone, a folder of another filesystem."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.backup.engine import (
    Root,
    carried_out,
)
from ansible_collections.storewarden.ops.plugins.module_utils.backup.order import order_of
from ansible_collections.storewarden.ops.plugins.module_utils.backup.report import Report
from tests.servers.backup_tools import search_path

pytestmark = [pytest.mark.slow, pytest.mark.full]
ONE, TWO = "r1-20261122-v1.0.cfg", "r1-20261123-v1.1.cfg"


@pytest.fixture(autouse=True)
def _tools(monkeypatch: pytest.MonkeyPatch) -> None:
    path = search_path(["rclone"])
    if path is None:
        pytest.skip("rclone is neither installed nor to be had from apt here")
    monkeypatch.setenv("PATH", path)


@pytest.fixture
def place() -> Iterator[Path]:
    with TemporaryDirectory(dir=_elsewhere(), prefix="swt-") as name:
        yield Path(name)


def _elsewhere() -> str:
    """A filesystem that is not that of the tests' folders."""
    here = Path("/dev/shm").stat().st_dev
    return next(each for each in ("/var/tmp", "/tmp") if Path(each).stat().st_dev != here)


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(dir="/dev/shm", prefix="swt-") as name:
        (Path(name) / "configurations/r1").mkdir(parents=True)
        yield Path(name)


def asked(folder: Path, place: Path, verb: str = "copy", *sets: str) -> Report:
    order = order_of(
        {
            "format": 1, "run": "run-1", "verb": verb, "host": "r1", "policy": "network",
            "method": "network", "source": {}, "sets": list(sets),
            "repository": str(folder / "configurations/r1"),
            "place": {
                "name": "away", "kind": "path", "words": {"folder": str(place), "mounted": False},
            },
        }
    )  # fmt: skip
    return carried_out(order, Root(str(folder / "root")))


def test_a_device_s_configurations_are_copied_and_listed_where_they_came(
    folder: Path, place: Path
) -> None:
    mine = folder / "configurations/r1"
    (mine / ONE).write_text("hostname r1\nend\n")
    (mine / "half.new").write_text("h")
    first = asked(folder, place, "copy", ONE)
    assert (first.end, [(each.id, each.level) for each in first.sets]) == ("done", [(ONE, 1)])
    (mine / TWO).write_text("hostname r1\n!\nend\n")
    second = asked(folder, place, "copy", TWO)
    assert [(each.id, each.level) for each in second.sets] == [(ONE, 1), (TWO, 1)]
    there = place / "r1/network"
    assert {each.name for each in there.iterdir()} == {ONE, TWO}
    assert (there / TWO).read_text() == (mine / TWO).read_text()


def test_a_copy_that_somebody_changed_is_damaged_and_not_written_over(
    folder: Path, place: Path
) -> None:
    (folder / "configurations/r1" / ONE).write_text("hostname r1\nend\n")
    asked(folder, place)
    (place / "r1/network" / ONE).write_text("hostname evil\nend\n")
    told = asked(folder, place)
    assert told.end == "failed" and ONE in told.reason["en"]
    assert "evil" in (place / "r1/network" / ONE).read_text()
    (listed,) = asked(folder, place, "list").sets
    assert listed.damaged and listed.level == 0


def test_it_neither_takes_nor_removes_anything(folder: Path, place: Path) -> None:
    (folder / "configurations/r1" / ONE).write_text("hostname r1\nend\n")
    asked(folder, place)
    for verb in ("take", "prune"):
        told = asked(folder, place, verb, ONE)
        assert told.end == "failed" and told.reason["zh"], verb
    assert (place / "r1/network" / ONE).exists()
