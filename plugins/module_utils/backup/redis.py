# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Redis: a snapshot of its memory, sent as to a replica (docs/reference/backup-databases.md).

Nothing of the server is changed and its own dump file is left alone; it waits its own
``repl-diskless-sync-delay`` before it sends.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any, Iterator

from .clock import stamp
from .failures import BackupFailure, BadCredentials, NoRoom, Rejected, Unfit
from .folder_method import FolderMethod, Produced
from .method import Instance, Restored
from .redis_line import RedisLine
from .redis_manifest import SAMPLE, again, manifest_of, of_what_stood, still
from .scratch_server import given_to, moved_in, owner_of, running
from .unit_pause import paused
from .work import Work

_FILE = "dump.rdb"
_WHOLE = r"RDB looks OK!"
_PATIENCE = 120.0  # seconds for production to answer again after a restore
_END = b"\xff"  # opcode of the end, followed by a CRC of 8 bytes
_SETTINGS = (
    'port 0\nunixsocket scratch.sock\nunixsocketperm 700\ndir .\ndbfilename dump.rdb\nsave ""\n'
    "appendonly no\ndaemonize no\nprotected-mode yes\ndatabases 10000\n"
)


class Redis(FolderMethod):
    """``source``: ``socket``, or ``host`` (127.0.0.1) and ``port`` (6379); ``account``: a user of
    its access list; ``sample``; ``heartbeat: {key}``, a key with seconds since 1970; ``unit`` and
    ``directory``, for a restore. The password is the secret ``password``, if there is one."""

    name = "redis"
    kinds = ("full",)

    def fits(self, work: Work) -> None:
        for program in ("redis-cli", "redis-check-rdb"):
            if not work.has(program):
                raise Unfit(program + " is not installed", program + " 未安装")
        with _line(work) as line:
            line.ask("PING")

    def expected(self, work: Work) -> int:
        with _line(work) as line:
            return int(_info(line, "memory").get("used_memory_dataset", 0))

    def produce(self, work: Work, folder: str) -> Produced:
        target = os.path.join(folder, _FILE)
        sample = max(1, int(work.order.source.get("sample", SAMPLE)))
        with _line(work) as line:
            version = _info(line, "server").get("redis_version", "")
            work.tool = "Redis " + version
            before = manifest_of(line, sample)
        _fetched(work, target)
        if damage := _checked(work, target):
            raise Rejected("the dump is no whole one: " + damage, "转储不完整：" + damage)
        with _line(work) as line:
            kept = still(before, again(line, before))
        if any(before[name]["groups"] and not facts["groups"] for name, facts in kept.items()):
            work.note(
                "everything changed while it was copied: no value is proven",
                "复制期间数据全部变化：无法证明具体内容",
            )
        return Produced({"version": version, "databases": kept}, "full", "")

    def examined(self, work: Work, folders: tuple[str, ...]) -> list[str]:
        damage = _checked(work, os.path.join(folders[-1], _FILE))
        return [damage] if damage else []

    @contextlib.contextmanager
    def opened(self, work: Work, restored: Restored, scratch: str) -> Iterator[Instance]:
        home = moved_in(os.path.join(restored.folders[-1], _FILE), scratch, "redis")
        with open(os.path.join(home, "redis.conf"), "w", encoding="ascii") as settings:
            settings.write(_SETTINGS)
        account = owner_of(_directory(work), "redis")
        given_to(account, home, scratch)
        place = os.path.join(home, "scratch.sock")
        argv = ["redis-server", "redis.conf"]
        with running(work, argv, account, home, lambda: _loaded(place)):
            with RedisLine(place) as line:
                yield _Scratch(work, line, restored.manifest)

    def put_back(self, work: Work, restored: Restored, scratch: str) -> list[str]:
        came = os.path.join(restored.folders[-1], _FILE)
        if damage := _checked(work, came):
            raise Rejected("the dump is no whole one: " + damage, "转储不完整：" + damage)
        unit, done = str(work.order.source.get("unit", "redis-server")), []
        directory = _directory(work)
        with paused(work, unit, done):
            done += _replaced(came, directory)
        return done

    @contextlib.contextmanager
    def in_place(self, work: Work, restored: Restored) -> Iterator[Instance | None]:
        _awaited(work)
        with _line(work) as line:
            yield _Scratch(work, line, restored.manifest)


class _Scratch(Instance):
    """A Redis over the dump that came back."""

    def __init__(self, work: Work, line: RedisLine, before: dict[str, Any]) -> None:
        self._source = work.order.source
        self._line = line
        self._before = before

    def structure(self) -> list[str]:
        """It was loaded whole; each key can be asked for its kind."""
        for name in self._before["databases"]:
            self._line.ask("SELECT", name)
            self._line.ask("RANDOMKEY")
        return []

    def manifest(self) -> dict[str, Any]:
        before = self._before["databases"]
        now = of_what_stood(before, again(self._line, before))
        return {**self._before, "databases": now}

    def heartbeat(self) -> float | None:
        words = self._source.get("heartbeat")
        if not words:
            return None
        self._line.ask("SELECT", int(words.get("database", 0)))
        found = self._line.ask("GET", str(words["key"]))
        try:
            return float(found) if found is not None else None
        except ValueError:
            return None


def _place(work: Work) -> str | tuple[str, int]:
    source = work.order.source
    if source.get("socket"):
        return str(source["socket"])
    return str(source.get("host", "127.0.0.1")), int(source.get("port", 6379))


def _password(work: Work) -> str:
    if "password" not in work.order.secrets:
        return ""
    with open(work.secret("password"), encoding="utf-8") as source:
        return source.read().rstrip("\n")


def _line(work: Work) -> RedisLine:
    return RedisLine(_place(work), str(work.order.source.get("account", "")), _password(work))


def _info(line: RedisLine, part: str) -> dict[str, str]:
    rows = line.ask("INFO", part).decode("utf-8", "replace").splitlines()
    return dict(row.partition(":")[::2] for row in rows if ":" in row)


def _fetched(work: Work, target: str) -> None:
    """The dump, sent as to a replica. Raises BadCredentials, NoRoom, BackupFailure."""
    place, account = _place(work), str(work.order.source.get("account", ""))
    words = ["-s", place] if isinstance(place, str) else ["-h", place[0], "-p", str(place[1])]
    if account:
        words += ["--user", account]
    password = _password(work)
    env = {"REDISCLI_AUTH": password} if password else {}
    ran = work.run(["redis-cli", *words, "--no-auth-warning", "--rdb", target], env=env)
    said = ran.out + ran.err
    if "NOAUTH" in said or "WRONGPASS" in said or "NOPERM" in said:
        raise BadCredentials("Redis refused the password", "Redis 拒绝了密码")
    if "No space left" in said:
        raise NoRoom("no space left for the dump", "转储时磁盘空间不足")
    if ran.rc != 0 or "Transfer finished with success" not in said:
        raise BackupFailure("redis-cli: " + ran.last, "redis-cli：" + ran.last)


def _checked(work: Work, path: str) -> str:
    """What is wrong with a dump, "" for nothing. The checker alone takes a file without its end for
    a whole one when the cut falls between two records."""
    if not os.path.isfile(path):
        return "there is no " + _FILE
    ran = work.run(["redis-check-rdb", path])
    if ran.rc != 0 or _WHOLE not in ran.out:
        told = [line for line in ran.out.splitlines() if line.startswith("--- ") or "rror" in line]
        return told[0][:200] if told else ran.last
    with open(path, "rb") as dump:
        dump.seek(-9, os.SEEK_END)
        return "" if dump.read(1) == _END else "it has no end"


def _awaited(work: Work) -> None:
    """Production has read its dump. Raises BackupFailure when it does not within its time."""
    ends = time.monotonic() + min(_PATIENCE, work.left())
    while True:
        try:
            with _line(work) as line:
                if _info(line, "persistence").get("loading") == "0":
                    return
                why = BackupFailure("Redis still loads its dump", "Redis 仍在加载转储")
        except BadCredentials:
            raise
        except BackupFailure as error:
            why = error
        if time.monotonic() > ends:
            raise why
        time.sleep(0.1)


def _loaded(place: str) -> bool:
    try:
        with RedisLine(place) as line:
            return _info(line, "persistence").get("loading") == "0"
    except BackupFailure:
        return False


def _directory(work: Work) -> str:
    return str(work.order.source.get("directory", "/var/lib/redis"))


def _replaced(came: str, directory: str) -> list[str]:
    """The dump takes the old one's place. Where the append-only log is used the server would read
    that and nothing else: it gets a new one that begins with the dump, as Redis 7 itself writes
    it."""
    import shutil

    kept = ".before-" + stamp(os.stat(came).st_mtime)
    log, dump = os.path.join(directory, "appendonlydir"), os.path.join(directory, _FILE)
    like = os.stat(directory)
    done = []
    logged = os.path.isdir(log)
    for path in (dump, log):
        if os.path.lexists(path):
            os.rename(path, path + kept)
            done.append("{0} kept as {1}".format(path, path + kept))
    places = [dump]
    shutil.copyfile(came, dump)
    if logged:
        os.mkdir(log, 0o750)
        base = os.path.join(log, "appendonly.aof.1.base.rdb")
        listing = os.path.join(log, "appendonly.aof.manifest")
        shutil.copyfile(came, base)
        with open(listing, "w", encoding="ascii") as out:
            out.write("file appendonly.aof.1.base.rdb seq 1 type b\n")
        places += [log, base, listing]
    for path in places:
        os.chmod(path, 0o750 if path == log else 0o640)
        if os.geteuid() == 0:
            os.chown(path, like.st_uid, like.st_gid)
    return [*done, dump + " put in place"]
