# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis backed up as a replica reads it, and brought up again beside itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.backup import redis as method
from ansible_collections.storewarden.ops.plugins.module_utils.backup.failures import BadCredentials
from ansible_collections.storewarden.ops.plugins.module_utils.backup.redis_line import RedisLine
from ansible_collections.storewarden.ops.plugins.module_utils.backup.work import Work
from tests.contract.data_backups import Jobs, Watched, eventually, with_programs
from tests.servers.databases import redis, redis_path

pytestmark = pytest.mark.slow
SESAME = "open-sesame-of-the-shop"
KEYS = 20_000


@pytest.fixture(autouse=True, scope="module")
def _programs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        with_programs(patch, redis_path())
        yield


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    """A Redis with a password and 20,000 keys of all kinds."""
    folder = tmp_path_factory.mktemp("redis")
    words = (f"requirepass {SESAME}", "repl-diskless-sync-delay 0")
    with redis(folder / "server", *words) as place:
        with RedisLine(str(place), password=SESAME) as line:
            _fill(line)
        source = {
            "socket": str(place),
            "directory": str(folder / "server"),
            "heartbeat": {"key": "beat"},
        }
        yield Jobs(folder, "redis", source, password=SESAME)


def _fill(line: RedisLine) -> None:
    line.ask_all(("SET", f"price:{number}", f"{number * 3}") for number in range(KEYS - 6))
    line.ask("RPUSH", "queue", *range(300))
    line.ask("SADD", "tags", *(f"t{number}" for number in range(600)))
    line.ask("ZADD", "rank", 1, "a", 2, "b")
    line.ask("HSET", "till", *(f"f{number}" for number in range(600)))
    line.ask("XADD", "log", "1-1", "sold", "1")
    line.ask("SET", "beat", "1764000000")
    line.ask("SET", "soon", "gone", "PX", 600_000)
    line.ask("SELECT", 3)
    line.ask("SET", "other", "database")


@pytest.mark.full
def test_all_keys_are_there_after_a_drill_and_no_password_is_seen(jobs: Jobs) -> None:
    with Watched() as watched:
        name = jobs.taken()
        drill = jobs.drilled(name).drill
    assert drill is not None
    assert (drill.passed, drill.level, drill.differences) == (True, 4, ())
    assert drill.rpo > 0
    assert not watched.holds(SESAME)
    _no_secret_below(jobs.folder / "root")


def _no_secret_below(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            assert SESAME.encode() not in path.read_bytes()


@pytest.mark.full
def test_a_key_that_is_another_one_is_found(jobs: Jobs, tmp_path: Path) -> None:
    work = _work(jobs, tmp_path)
    with RedisLine(jobs.source["socket"], password=SESAME) as line:
        before = method.manifest_of(line, KEYS)
        line.ask("SELECT", 0)
        line.ask("HSET", "till", "f0", "changed")
        after = method.of_what_stood(before, method.again(line, before))
        line.ask("SELECT", 0)
        line.ask("HSET", "till", "f0", "f1")
        again = method.of_what_stood(before, method.again(line, before))
    assert after != before
    assert again == before
    assert work.notes == []


def test_a_dump_that_was_cut_off_is_no_whole_one(jobs: Jobs, tmp_path: Path) -> None:
    work = _work(jobs, tmp_path)
    target = tmp_path / "dump.rdb"
    method._fetched(work, str(target))
    assert method._checked(work, str(target)) == ""
    whole = target.read_bytes()
    for size in (len(whole) - 9, len(whole) // 2, 9):
        target.write_bytes(whole[:size])
        assert method._checked(work, str(target)) != "", size
    target.write_bytes(whole[: len(whole) // 2] + b"\xff" + whole[len(whole) // 2 + 1 :])
    assert method._checked(work, str(target)) != ""


def _work(jobs: Jobs, folder: Path) -> Work:
    (folder / "work").mkdir(mode=0o700)
    return Work(jobs.order("take"), str(folder / "work"))


def test_a_password_that_is_refused_is_never_a_set(jobs: Jobs, tmp_path: Path) -> None:
    jobs.secret("password", "another")
    try:
        report = jobs.done("take")
        with pytest.raises(BadCredentials):
            method._fetched(_work(jobs, tmp_path), str(tmp_path / "dump.rdb"))
    finally:
        jobs.secret("password", SESAME)
    assert report.end == "auth", report.reason
    assert not (tmp_path / "dump.rdb").exists()
    del jobs.secrets["password"]
    try:
        assert jobs.done("take").end == "auth"
    finally:
        jobs.secret("password", SESAME)


def test_a_restore_lays_the_append_only_log_anew(jobs: Jobs, tmp_path: Path) -> None:
    """With only the dump in place a server that keeps a log would start empty."""
    work = _work(jobs, tmp_path)
    came = tmp_path / "dump.rdb"
    method._fetched(work, str(came))
    with redis(tmp_path / "other", "appendonly yes") as place, RedisLine(str(place)) as line:
        line.ask("SET", "only", "here")
    method._replaced(str(came), str(tmp_path / "other"))
    with redis(tmp_path / "other", "appendonly yes") as place, RedisLine(str(place)) as line:
        eventually(lambda: method._loaded(str(place)))
        assert line.ask("DBSIZE") == KEYS + 1
        assert line.ask("GET", "only") is None
