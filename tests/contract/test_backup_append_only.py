# SPDX-License-Identifier: GPL-3.0-or-later
"""The append-only server of docs/operators/backup-copies.md: who stores cannot delete there."""

from __future__ import annotations

import json
import os
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.contract.backup_copies import Target, restic
from tests.servers.backup_tools import search_path
from tests.servers.programs import answers, free_port, serving

pytestmark = pytest.mark.slow
_USER, _PASSWORD = "pos01.000101", "rest-secret-e81c"


@pytest.fixture(autouse=True, scope="module")
def _tools() -> Iterator[None]:
    found = search_path(["restic", "rclone"])
    if found is None:
        pytest.skip("restic and rclone are neither installed nor to be had from apt here")
    before = os.environ["PATH"]
    os.environ["PATH"] = found
    yield
    os.environ["PATH"] = before


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    chosen = free_port()
    argv = ["rclone", "serve", "restic", str(tmp_path / "tree"), "--append-only"]
    argv += ["--private-repos", "--addr", f"127.0.0.1:{chosen}"]
    (tmp_path / "tree").mkdir()
    # The password goes by the environment: argv is for everybody to read.
    env = {"RCLONE_USER": _USER, "RCLONE_PASS": _PASSWORD, "RCLONE_CONFIG": str(tmp_path / "none")}
    with serving(argv, tmp_path, env, tmp_path, lambda _: chosen if answers(chosen) else None):
        yield chosen


def test_who_stores_can_neither_delete_nor_see_another_ones(port: int, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="swt-") as folder:
        target = Target(Path(folder), 0)
        (target.source / "sale").write_bytes(b"12.50")
        mine = f"rest:http://{_USER}:{_PASSWORD}@127.0.0.1:{port}/{_USER}/"
        restic(mine, target.password, "init")
        restic(mine, target.password, "backup", str(target.source))
        for kind in ("data", "index", "snapshots"):
            for name in _kept(port, kind):
                assert _asked(port, "DELETE", f"/{_USER}/{kind}/{name}")[0] == 403
                assert _asked(port, "POST", f"/{_USER}/{kind}/{name}", b"x")[0] in (403, 500)
        assert _asked(port, "GET", "/pos02.000101/snapshots/")[0] == 403
        assert _asked(port, "POST", "/pos02.000101/?create=true")[0] == 403
        restic(mine, target.password, "restore", "latest", "-t", str(tmp_path / "back"))
        (came,) = (tmp_path / "back").rglob("sale")
        assert came.read_bytes() == b"12.50"


def _kept(port: int, kind: str) -> list[str]:
    found = json.loads(_asked(port, "GET", f"/{_USER}/{kind}/")[1])
    assert found, "nothing was stored"
    return [each["name"] for each in found]


def _asked(port: int, verb: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """Status and body. restic itself would try what is forbidden again for a minute."""
    line = HTTPConnection("127.0.0.1", port, timeout=10)
    key = b64encode(f"{_USER}:{_PASSWORD}".encode()).decode()
    wanted = {"Authorization": "Basic " + key, "Accept": "application/vnd.x.restic.rest.v2"}
    line.request(verb, path, body, wanted)
    answer = line.getresponse()
    found = answer.status, answer.read()
    line.close()
    return found
