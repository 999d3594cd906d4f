# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that nobody wishes for: repositories made anew, lost keys, entries that cannot be read,
accounts that lay traps in their own folders, clocks that are wrong, servers that are busy."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.backup.canary import canary
from ansible_collections.storewarden.ops.plugins.module_utils.backup.failures import BackupFailure
from ansible_collections.storewarden.ops.plugins.module_utils.backup.method import CopyRules
from ansible_collections.storewarden.ops.plugins.module_utils.backup.order import (
    Limits,
    Order,
    Place,
)
from ansible_collections.storewarden.ops.plugins.module_utils.backup.packing import packed
from ansible_collections.storewarden.ops.plugins.module_utils.backup.program import write_report
from ansible_collections.storewarden.ops.plugins.module_utils.backup.pushing import push
from ansible_collections.storewarden.ops.plugins.module_utils.backup.report import (
    Report,
    SetFacts,
)
from ansible_collections.storewarden.ops.plugins.module_utils.backup.s3_requests import Bucket, Key
from ansible_collections.storewarden.ops.plugins.module_utils.backup.work import Work
from tests.contract.ledger_disk import small_disk
from tests.contract.restic_bench import Bench
from tests.servers.backup_tools import search_path
from tests.servers.seaweedfs import self_signed

pytestmark = pytest.mark.slow


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.fill(prices=b"apple 2.50\n" * 500)
    return bench


@pytest.fixture
def disk() -> Iterator[Bench]:
    """A host that is not on the second medium."""
    with tempfile.TemporaryDirectory(prefix="swt-", dir="/var/tmp") as folder:
        bench = Bench(Path(folder))
        bench.fill(prices=b"apple 2.50\n" * 500)
        yield bench


@pytest.fixture
def medium(disk: Bench) -> Iterator[dict[str, Any]]:
    """A place on another filesystem."""
    bench = disk
    bench.path = search_path(["restic", "rclone"]) or ""
    if not bench.path or not os.path.ismount("/dev/shm"):
        pytest.skip("no rclone, or no second filesystem here")
    with tempfile.TemporaryDirectory(prefix="storewarden-medium-", dir="/dev/shm") as folder:
        words = {"folder": folder, "mounted": False}
        yield {"name": "usb", "kind": "path", "words": words}


@pytest.mark.full
def test_a_repository_that_was_made_anew_spoils_no_old_copy(
    disk: Bench, medium: dict[str, Any]
) -> None:
    bench = disk
    old = bench.run("take")["sets"][0]["id"]
    assert bench.run("copy", place=medium)["end"] == "done"
    bench.repository.rename(bench.root.parent / "lost")
    assert bench.run("take")["end"] == "done"
    refused = bench.run("copy", place=medium)
    assert refused["end"] == "failed" and "another repository" in refused["reason"]["en"]
    (kept,) = bench.run("verify", level=2, place=medium)["sets"]
    assert kept["id"] == old and kept["level"] == 2


@pytest.mark.full
def test_sets_that_are_all_new_are_not_copied_over_old_catalogs(
    disk: Bench, medium: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store whose catalog is written over in place, like pgBackRest's."""
    bench = disk
    monkeypatch.setenv("PATH", bench.path)
    rules = CopyRules(last=(("*.info",),), changing=("*.info",))
    for name in ("first", "second"):
        folder = bench.repository / name
        folder.mkdir(parents=True)
        (folder / "backup.info").write_text(name)
        (folder / f"set-{name}").write_text(name)
    push(_work(bench, medium), str(bench.repository / "first"), rules)
    (bench.repository / "first" / "set-more").write_text("more")
    (bench.repository / "first" / "backup.info").write_text("first, and more")
    push(_work(bench, medium), str(bench.repository / "first"), rules)
    with pytest.raises(BackupFailure, match="another repository"):
        push(_work(bench, medium), str(bench.repository / "second"), rules)
    (info,) = Path(medium["words"]["folder"]).rglob("backup.info")
    assert info.read_text() == "first, and more"


def _work(bench: Bench, place: dict[str, Any]) -> Work:
    folder = bench.root.parent / "work"
    folder.mkdir(exist_ok=True)
    order = Order(
        run="run-1", verb="copy", host="till-1", policy="till-db", method="pgbackrest",
        source={}, repository=str(bench.repository / "first"), limits=Limits(seconds=60.0),
        place=Place(**place),
    )  # fmt: skip
    return Work(order, str(folder))


@pytest.mark.full
@pytest.mark.parametrize("how", ["lost", "damaged"])
def test_a_lost_key_is_no_wrong_password(bench: Bench, how: str) -> None:
    bench.run("take")
    (key,) = (bench.repository / "keys").iterdir()
    content = key.read_bytes()
    key.unlink()
    if how == "damaged":
        at = content.index(b'"data":"') + 12
        key.write_bytes(content[:at] + b"A" + content[at + 1 :])
    said = bench.run("verify", level=1)
    assert said["end"] == "failed" and "keys are lost" in said["reason"]["en"]


@pytest.mark.full
def test_a_set_whose_entry_is_damaged_is_missed_and_the_others_stand(bench: Bench) -> None:
    first = bench.run("take")["sets"][0]["id"]
    (entry,) = (bench.repository / "snapshots").iterdir()
    bench.fill(more=os.urandom(5000))
    second = bench.run("take")["sets"][0]["id"]
    entry.chmod(0o600)
    os.truncate(entry, 20)
    said = bench.run("verify", level=2, sets=[first, second])
    seen = {one["id"]: one for one in said["sets"]}
    assert "not in the repository" in seen[first]["damaged"]
    assert seen[second]["level"] == 2 and seen[second]["damaged"] == ""
    again = bench.run("take")
    assert again["end"] == "done", again["reason"]


@pytest.mark.full
def test_folders_that_are_called_like_ours_lead_no_rehearsal_astray(bench: Bench) -> None:
    trap = bench.source / "manifests" / "app"
    trap.mkdir(parents=True)
    (trap / "manifest.json").write_text('{"name": "till app"}')
    link = bench.source / "manifests" / "endless"
    link.mkdir()
    (link / "manifest.json").symlink_to("/dev/zero")
    assert bench.run("take")["end"] == "done"
    drill = bench.run("drill")["drill"]
    assert drill["passed"] and drill["level"] == 4


@pytest.mark.full
def test_a_link_that_an_account_laid_leads_no_restore_elsewhere(bench: Bench) -> None:
    made = bench.run("take")["sets"][0]["id"]
    elsewhere = bench.root.parent / "etc"
    elsewhere.mkdir(mode=0o755)
    bench.source.rename(bench.root.parent / "old")
    bench.source.symlink_to(elsewhere)
    said = bench.run("restore", sets=[made])
    assert said["end"] == "failed" and "was a folder" in said["reason"]["en"]
    assert list(elsewhere.iterdir()) == []


@pytest.mark.full
def test_a_link_above_of_another_account_is_not_followed(bench: Bench) -> None:
    above = bench.root.parent / "till-home"
    (above / "data").mkdir(parents=True)
    (above / "data" / "sales").write_text("12.00")
    source = {"paths": [str(above / "data")], "settled": 0}
    made = bench.run("take", source=source)["sets"][0]["id"]
    above.rename(bench.root.parent / "old")
    elsewhere = bench.root.parent / "etc"
    (elsewhere / "data").mkdir(parents=True)
    above.symlink_to(elsewhere)
    os.lchown(above, 12345, 12345)
    said = bench.run("restore", sets=[made], source=source)
    assert said["end"] == "failed" and "another account" in said["reason"]["en"]
    assert list((elsewhere / "data").iterdir()) == []


def test_a_report_that_does_not_fit_the_disk_is_a_shorter_one(tmp_path: Path) -> None:
    """The program writes a short report where the whole one has no room."""
    with small_disk(tmp_path / "disk", "1m") as disk:
        script = (
            "import os, sys; sys.path.insert(0, sys.argv[1])\n"
            "from storewarden_backup import program, report\n"
            "sets = tuple(report.SetFacts(id='s' * 100) for _ in range(20000))\n"
            "made = report.Report('r', 'verify', 'h', 'p', 'done', {}, 0, 0, 0, sets=sets)\n"
            "program._written(sys.argv[2], made)\n"
        )
        (tmp_path / "program.zip").write_bytes(packed())
        program = [str(tmp_path / "program.zip"), str(disk)]
        subprocess.run(["python3", "-I", "-S", "-c", script, *program], check=True, timeout=30)
        told = json.loads((disk / "report.json").read_text())
    assert told["end"] == "no-space" and told["sets"] == [] and told["reason"]["en"]


def test_a_whole_report_is_in_one_piece(tmp_path: Path) -> None:
    made = Report("r", "list", "h", "p", "done", {}, 0.0, 0.0, 0.0, sets=(SetFacts("s"),))
    write_report(str(tmp_path), made)
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"]


class _Busy(BaseHTTPRequestHandler):
    """A server that stores, and has no time for deletions; and one that counts without an end."""

    kept = b""

    def _say(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-amz-version-id", "v1")
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", "0")))
        self._say(200)

    def do_DELETE(self) -> None:
        self._say(503, b"<Error><Code>SlowDown</Code></Error>")

    def do_GET(self) -> None:
        if "versions" in self.path:
            page = b"<IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker>"
            self._say(200, b"<ListVersionsResult>" + page + b"</ListVersionsResult>")
        else:
            self._say(200, b"canary: this stays\n")

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Endpoint and CA of a server that answers like S3 on a bad day."""
    cert, key = self_signed(tmp_path, "127.0.0.1")
    server = HTTPServer(("127.0.0.1", 0), _Busy)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}", str(cert)
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_that_is_too_busy_to_delete_proves_no_lock(
    bench: Bench, busy: tuple[str, str], tmp_path: Path
) -> None:
    secrets = {"away_key_id": tmp_path / "id", "away_secret_key": tmp_path / "secret"}
    for file in secrets.values():
        file.write_text("x")
    words = {"endpoint": busy[0], "bucket": "backups"}
    work = _work(bench, {"name": "away", "kind": "s3", "words": words})
    files = {name: str(path) for name, path in secrets.items()}
    work.order = work.order._replace(secrets={**files, "away_ca": busy[1]})
    with pytest.raises(BackupFailure, match="not answered"):
        canary(work)


def test_a_list_of_versions_that_does_not_go_on_is_given_up(busy: tuple[str, str]) -> None:
    there = Bucket(busy[0], "backups", Key("x", "y"), ca=busy[1])
    with pytest.raises(BackupFailure, match="more versions"):
        list(there.versions("copies/"))
