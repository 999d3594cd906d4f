# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of what was read of network devices: real rclone, a folder of another filesystem, a real
sshd, a bucket of SeaweedFS."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.backup.order import order_of
from ansible_collections.storewarden.ops.plugins.module_utils.backup.report import Report
from ansible_collections.storewarden.ops.plugins.module_utils.backup.s3_requests import Bucket, Key
from tests.contract import backup_engine
from tests.servers.backup_tools import search_path
from tests.servers.seaweedfs import ADMIN, object_store, weed
from tests.servers.seaweedfs import STORE as STORE_KEY
from tests.servers.sftp import STORE, can_serve, documented, sftp_server

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


@dataclass(frozen=True)
class Away:
    """A place of any kind, and what opens it."""

    kind: str
    words: Mapping[str, Any]
    secrets: Mapping[str, Path] = field(default_factory=dict)


def asked(
    folder: Path, place: Path | Away, verb: str = "copy", *sets: str, level: int = 0
) -> Report:
    if isinstance(place, Path):
        place = Away("path", {"folder": str(place), "mounted": False})
    order = order_of(
        {
            "format": 1, "run": "run-1", "verb": verb, "host": "r1", "policy": "network",
            "method": "network", "source": {}, "sets": list(sets), "level": level,
            "repository": str(folder / "configurations/r1"),
            "place": {"name": "away", "kind": place.kind, "words": dict(place.words)},
            "secrets": {name: str(file) for name, file in place.secrets.items()},
        }
    )  # fmt: skip
    return backup_engine.done(order, folder / "root")


def seen(told: Report) -> list[tuple[str, int, str]]:
    return [(each.id, each.level, each.damaged) for each in told.sets]


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


def test_a_look_at_a_copy_reads_every_byte_of_it(folder: Path, place: Path) -> None:
    """One byte differs and the size does not: a listing finds nothing, reading does."""
    mine, there = folder / "configurations/r1", place / "r1/network"
    (mine / ONE).write_text("hostname r1\nend\n")
    (mine / TWO).write_text("hostname r1\n!\nend\n")
    asked(folder, place, "copy", ONE, TWO)
    assert seen(asked(folder, place, "verify", level=2)) == [(ONE, 2, ""), (TWO, 2, "")]
    (there / ONE).chmod(0o600)
    (there / ONE).write_text("hostname r7\nend\n")
    assert seen(asked(folder, place, "verify", level=1)) == [(ONE, 1, ""), (TWO, 1, "")]
    read = asked(folder, place, "verify", level=2)
    assert read.end == "done"
    assert seen(read) == [(ONE, 0, "it is not what the controller has"), (TWO, 2, "")]
    (there / TWO).unlink()
    assert [name for name, *_ in seen(asked(folder, place, "verify", level=2))] == [ONE]


def test_a_place_that_is_gone_is_a_look_that_failed(folder: Path, place: Path) -> None:
    (folder / "configurations/r1" / ONE).write_text("hostname r1\nend\n")
    asked(folder, place, "copy", ONE)
    (place / "r1").rename(place / "moved")
    for level in (1, 2):
        told = asked(folder, place, "verify", level=level)
        assert (told.end, told.sets) == ("failed", ()) and "away" in told.reason["en"]


def _copied_and_read(folder: Path, away: Away) -> None:
    """Two readings of a device, copied one after the other, and every byte of them seen there."""
    mine = folder / "configurations/r1"
    for name, text in ((ONE, "hostname r1\nend\n"), (TWO, "hostname r1\n!\nend\n")):
        (mine / name).write_text(text)
        told = asked(folder, away, "copy", name)
        assert told.end == "done", told.reason
    told = asked(folder, away, "verify", level=2)
    assert (told.end, seen(told)) == ("done", [(ONE, 2, ""), (TWO, 2, "")])


def test_copies_lie_on_a_server_over_sftp_and_are_read_there(folder: Path, tmp_path: Path) -> None:
    if not can_serve():
        pytest.skip("an sshd of the tests needs root")
    with sftp_server(tmp_path, documented()) as server:
        words = {
            "address": "127.0.0.1", "port": server.port, "user": STORE[0], "folder": "copies",
        }  # fmt: skip
        keys = {"away_key": server.key, "away_known_hosts": server.known_hosts}
        away = Away("sftp", words, keys)
        _copied_and_read(folder, away)
        there = server.folder() / "r1/network"
        assert {each.name for each in there.iterdir()} == {ONE, TWO}
        (there / ONE).write_text("hostname r7\nend\n")
        assert next(damaged for _, _, damaged in seen(asked(folder, away, "verify", level=2)))
        refused = Away("sftp", {**words, "user": "nobody"}, keys)
        assert asked(folder, refused, "verify", level=2).end == "auth"


def test_copies_lie_in_a_bucket_and_are_read_there(folder: Path, tmp_path: Path) -> None:
    if weed() is None:
        pytest.skip("SeaweedFS cannot be had here")
    with object_store(tmp_path) as store:
        name = "network-" + str(time.monotonic_ns())
        bucket = Bucket(store.endpoint, name, Key(*ADMIN), ca=str(store.ca))
        bucket.must("PUT")
        words = {"endpoint": store.endpoint, "bucket": name, "prefix": "copies"}
        keys = {
            "away_ca": store.ca,
            "away_key_id": tmp_path / "id",
            "away_secret_key": tmp_path / "key",
        }
        keys["away_key_id"].write_text(STORE_KEY[0])
        keys["away_secret_key"].write_text(STORE_KEY[1])
        _copied_and_read(folder, Away("s3", words, keys))
        bucket.must("PUT", f"copies/r1/network/{ONE}", body=b"hostname r7\nend\n")
        told = asked(folder, Away("s3", words, keys), "verify", level=2)
        assert [bool(damaged) for _, _, damaged in seen(told)] == [True, False]
        gone = Away("s3", {**words, "bucket": name + "-gone"}, keys)
        assert (asked(folder, gone, "verify", level=2).end) in ("failed", "auth")
