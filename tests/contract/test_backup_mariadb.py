# SPDX-License-Identifier: GPL-3.0-or-later
"""MariaDB backed up by its own tool: chains, damage that the tool calls fine, jobs that were cut
off."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.backup import mariadb as method
from ansible_collections.storewarden.ops.plugins.module_utils.backup import mariadb_scratch
from ansible_collections.storewarden.ops.plugins.module_utils.backup.engine import Root
from ansible_collections.storewarden.ops.plugins.module_utils.backup.failures import (
    Interrupted,
    NoRoom,
)
from ansible_collections.storewarden.ops.plugins.module_utils.backup.method import Restored
from ansible_collections.storewarden.ops.plugins.module_utils.backup.report import SetFacts
from ansible_collections.storewarden.ops.plugins.module_utils.backup.work import Work
from tests.contract.data_backups import Jobs, Watched, child_named, eventually, with_programs
from tests.servers.databases import mariadb, mariadb_path

pytestmark = pytest.mark.slow
SESAME = "open-sesame-of-the-tills"
_TABLES = """
CREATE DATABASE shop; USE shop;
CREATE TABLE sale (id INT PRIMARY KEY AUTO_INCREMENT, amount DECIMAL(10,2), at TIMESTAMP NULL);
CREATE TABLE price (code VARCHAR(20) PRIMARY KEY, cents INT, picture BLOB) ENGINE=InnoDB;
CREATE TABLE big (id INT PRIMARY KEY, note TEXT);
INSERT INTO sale (amount, at) SELECT seq * 1.5, NOW() FROM seq_1_to_2000;
INSERT INTO price SELECT CONCAT('c', seq), seq, UNHEX(SHA1(seq)) FROM seq_1_to_300;
INSERT INTO big SELECT seq, REPEAT(SHA1(seq), 40) FROM seq_1_to_1500;
"""


class Shop(Jobs):
    """Jobs over a server of the test's own."""

    def sql(self, text: str) -> str:
        argv = ["mariadb", "--no-defaults", f"--socket={self.source['socket']}", "-N"]
        return subprocess.run(
            argv, input=text, capture_output=True, text=True, check=True, timeout=60
        ).stdout

    def work(self, folder: Path, verb: str = "take") -> Work:
        there = folder / "work"
        there.mkdir(mode=0o700, exist_ok=True)
        return Work(self.order(verb), str(there))


@pytest.fixture(autouse=True, scope="module")
def _programs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        with_programs(patch, mariadb_path())
        yield


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("maria")
    with mariadb(folder / "server") as place:
        beat = {"table": "shop.sale", "column": "at"}
        jobs = Shop(folder, "mariadb", {"socket": str(place), "heartbeat": beat})
        jobs.sql(_TABLES)
        eventually(lambda: _clean(jobs))
        yield jobs


def _clean(jobs: Shop) -> bool:
    """All pages are where they belong: the set has them, and not only the log of them."""
    return jobs.sql("SHOW STATUS LIKE 'Innodb_buffer_pool_pages_dirty'").split()[1] == "0"


@pytest.mark.full
def test_a_chain_comes_back_as_it_was_and_no_password_is_seen(shop: Shop) -> None:
    shop.sql(
        f"CREATE USER keeper@localhost IDENTIFIED BY '{SESAME}';"
        " GRANT RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR, SELECT ON *.* TO keeper@localhost;"
    )
    shop.source["account"] = "keeper"
    shop.secret("password", SESAME)
    try:
        with Watched() as watched:
            shop.taken()
            shop.sql("USE shop; INSERT INTO sale (amount, at) SELECT seq, NOW() FROM seq_1_to_500")
            name = shop.taken("incremental")
            drill = shop.drilled(name).drill
    finally:
        del shop.source["account"], shop.secrets["password"]
    assert drill is not None
    assert (drill.passed, drill.level, drill.differences) == (True, 4, ())
    assert 0 <= drill.rpo < 120
    assert not watched.holds(SESAME)
    for path in (shop.folder / "root").rglob("*"):
        assert not path.is_file() or SESAME.encode() not in path.read_bytes()


@pytest.fixture(scope="module")
def full(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set as the method makes it, before it goes into the repository; never changed."""
    folder = tmp_path_factory.mktemp("full")
    (folder / "set").mkdir()
    made = method.MariaDb().produce(shop.work(folder), str(folder / "set"))
    assert made.kind == "full"
    assert {"shop.sale", "shop.price", "shop.big"} == set(made.manifest["tables"])
    return folder / "set"


def test_a_page_that_the_tool_calls_fine_is_found(shop: Shop, full: Path, tmp_path: Path) -> None:
    came = tmp_path / "scratch" / "00-full"
    shutil.copytree(full, came)
    _spoil(came / "data" / "shop" / "big.ibd")
    work = shop.work(tmp_path, "drill")
    found = method.MariaDb().examined(work, (str(came),))
    assert len(found) == 1
    assert found[0].startswith("shop/big.ibd: ")
    restored = Restored((str(came),), {"tables": {}})
    with method.MariaDb().opened(work, restored, str(tmp_path / "scratch")) as instance:
        wrong = instance.structure()  # to prepare it was no trouble, nor to start it
    assert any("big" in line for line in wrong), wrong


def _spoil(path: Path) -> None:
    """Bytes in the middle of leaf pages, far away from the head of the file."""
    with path.open("r+b") as file:
        for page in range(20, 40):
            file.seek(page * 16384 + 5000)
            file.write(os.urandom(6000))


def test_a_set_without_its_end_is_no_set(shop: Shop, full: Path, tmp_path: Path) -> None:
    came = tmp_path / "00-full"
    shutil.copytree(full, came)
    (came / "data" / "xtrabackup_checkpoints").unlink()
    found = method.MariaDb().examined(shop.work(tmp_path, "drill"), (str(came),))
    assert found == ["00-full has no xtrabackup_checkpoints"]
    assert mariadb_scratch.checkpoints(str(came / "data")) == {}


def test_an_increment_that_does_not_fit_is_damaged_with_all_that_follows() -> None:
    sets = [
        SetFacts(id="a", level=1),
        SetFacts(id="b", kind="incremental", parent="a", level=1),
        SetFacts(id="c", kind="incremental", parent="b", level=1),
    ]
    assert method._joined(sets, {"a": (0, 10), "b": (10, 20), "c": (20, 30)}) == sets
    found = method._joined(sets, {"a": (0, 10), "b": (11, 20), "c": (20, 30)})
    assert [one.level for one in found] == [1, 0, 0]
    assert found[1].damaged == "it does not begin where a ended"
    assert found[2].damaged.startswith("b: ")


def test_a_backup_that_is_killed_is_interrupted(shop: Shop, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with _stopped("mariadb-backup", signal.SIGKILL), pytest.raises(Interrupted):
        method._taken(shop.work(tmp_path), f"{shop.folder}/server/data", str(data), "full", None)
    assert mariadb_scratch.checkpoints(str(data)) == {}


class _stopped:  # noqa: N801 - it reads as a phrase
    """A program that gets a signal as soon as it is there."""

    def __init__(self, name: str, number: int) -> None:
        self._thread = threading.Thread(target=self._send, args=(name, number))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_gone: object) -> None:
        self._thread.join()

    @staticmethod
    def _send(name: str, number: int) -> None:
        os.kill(eventually(lambda: child_named(name)), number)


def test_a_full_disk_is_said_as_such(shop: Shop, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "storewarden-test", str(small)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no small disk can be had here")
    work, live = shop.work(tmp_path), f"{shop.folder}/server/data"
    try:
        with pytest.raises(NoRoom):
            method._taken(work, live, str(small / "data"), "full", None)
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.full
def test_the_last_good_set_stays_and_the_second_job_is_busy(shop: Shop) -> None:
    """A chain whose full set is gone is told at level 1; a second job on the target waits."""
    shop.repository = shop.repository.with_name("another")
    base = shop.taken()
    differential = shop.taken("differential")
    shop.taken("incremental")
    refused = shop.done("prune", sets=(base,))
    assert (refused.end, differential in refused.reason["en"]) == ("failed", True)
    _forget_behind_its_back(shop, base)
    listed = shop.done("list")
    assert [one.level for one in listed.sets] == [0, 0]
    assert "not in the repository" in listed.sets[0].damaged
    _two_at_once(shop)


def _two_at_once(shop: Shop) -> None:
    """Our own lock: the tool itself lets both of them run."""
    lock = Root(str(shop.folder / "root")).lock(shop.order("take"))
    with Path(lock).open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert shop.done("take").end == "busy"
    assert shop.done("take").end == "done"


def _forget_behind_its_back(shop: Shop, name: str) -> None:
    words = ["restic", "-r", str(shop.repository), "-p", shop.secrets["repository"]]
    subprocess.run(
        [*words, "forget", "--tag", f"id={name}", "--keep-tag", "none-of-these"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
