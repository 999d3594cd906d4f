# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A PostgreSQL started over restored data, where nobody but the job reaches it, and gone
afterwards.

It has settings of its own only: no address, a socket in a folder that nobody else can enter, no
archiving (a rehearsal must not write into the archive of production), no libraries to preload,
nothing that replicates. What the restored cluster had set is overruled on the command line.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from typing import Any, Iterator

from .failures import BackupFailure
from .method import Instance
from .postgresql_manifest import again, heartbeat
from .postgresql_source import Asked, Cluster, found, given, major, private, program
from .work import Ran, Work

_PORT = 5432  # only a part of the socket's name
_LONGEST = 90  # bytes of a socket's folder: the kernel takes 107 with the name
_SETTINGS = {
    "listen_addresses": "",
    "archive_mode": "off",
    "archive_command": "",
    "archive_library": "",
    "hot_standby": "off",  # else it wants the limits that production had
    "shared_preload_libraries": "",
    "session_preload_libraries": "",
    "local_preload_libraries": "",
    "primary_conninfo": "",
    "logging_collector": "off",
    "log_destination": "stderr",
    "ssl": "off",
    "autovacuum": "off",
    "fsync": "off",  # it is thrown away
    "full_page_writes": "off",
    "cluster_name": "storewarden-rehearsal",
    "huge_pages": "off",
    "shared_buffers": "128MB",
    "max_connections": "20",
    "max_prepared_transactions": "100",  # prepared ones of production are replayed
    "event_source": "",
    "external_pid_file": "",
}
_KEPT = ("restore_", "recovery_", "archive_mode")  # what the restore wrote
_ONLY_SINCE = {"archive_library": 15}


class PostgreSql(Instance):
    """A running one. ``before`` is the manifest that the set came with."""

    def __init__(self, work: Work, cluster: Cluster, before: dict[str, Any], log: str) -> None:
        self._work = work
        self.cluster = cluster
        self._before = before
        self._log = log
        self.asked = Asked(work, cluster)

    def structure(self) -> list[str]:
        """What pg_amcheck says of heaps and indexes, and pg_checksums of pages where they have
        sums."""
        return [*self._amcheck(), *self._checksums()]

    def manifest(self) -> dict[str, Any]:
        return again(self.asked, self._before)

    def heartbeat(self) -> float | None:
        return heartbeat(self.asked)

    def _amcheck(self) -> list[str]:
        path = found("pg_amcheck", self.cluster.version, self.cluster.programs)
        if not path:
            self._work.note(
                "pg_amcheck is not there: the structure of indexes was not looked at",
                "没有 pg_amcheck：未检查索引结构",
            )
            return self._read_all()
        argv = [path, "--all", "--install-missing", "--jobs=2"]
        ran = self._run(argv)
        if ran.rc == 0:
            return []
        lines = (ran.out + ran.err).splitlines()
        return ["pg_amcheck: " + line.strip() for line in lines if line.strip()][:20] or [
            "pg_amcheck ended with {0}".format(ran.rc)
        ]

    def _read_all(self) -> list[str]:
        """Every row of every table, where nothing better is there."""
        path = program("pg_dumpall", self.cluster.version, self.cluster.programs)
        ran = self._run([path, "--file=/dev/null"])
        return [] if ran.rc == 0 else ["pg_dumpall: " + ran.last]

    def _checksums(self) -> list[str]:
        """pg_checksums wants a server that was stopped in order."""
        if self.asked.setting("data_checksums") != "on":
            return []
        path = program("pg_checksums", self.cluster.version, self.cluster.programs)
        stop(self._work, self.cluster, "fast")
        ran = self._run([path, "--check", "-D", self.cluster.data])
        start(self._work, self.cluster, self._log)
        lines = [line for line in ran.err.splitlines() if "checksum verification failed" in line]
        return [] if ran.rc == 0 else ["pg_checksums: " + each for each in lines[:20] or [ran.last]]

    def _run(self, argv: list[str]) -> Ran:
        env = self.asked.environment()
        return self._work.run(argv, env=env, cwd="/", user=self.cluster.owner)


@contextlib.contextmanager
def instance(
    work: Work, source: Cluster, data: str, scratch: str, before: dict[str, Any]
) -> Iterator[PostgreSql]:
    """An instance over the restored folder ``data``, which lies in ``scratch`` and belongs to the
    cluster's account. Raises BackupFailure with the server's own last words when it does not
    start."""
    version = major(data)
    conf = os.path.join(scratch, "instance")
    os.makedirs(conf, mode=0o700, exist_ok=True)
    given(conf, source.owner)
    with _socket_folder(conf, source.owner) as socket:
        cluster = source._replace(
            data=data, port=_PORT, socket=socket, user=source.user, version=version,
            databases=source.databases,
        )  # fmt: skip
        log = os.path.join(conf, "log")
        _settle(cluster, conf)
        try:
            start(work, cluster, log)
            yield PostgreSql(work, cluster, before, log)
        finally:
            gone(work, cluster)


def start(work: Work, cluster: Cluster, log: str) -> None:
    """Start it and wait until it takes connections, however much there is to recover."""
    limit = int(max(10.0, work.left()))
    conf = os.path.dirname(log)
    options = "-c config_file={0}/postgresql.conf -c hba_file={0}/pg_hba.conf".format(conf)
    for name in ("archive_mode", "listen_addresses", "shared_preload_libraries"):
        options += " -c {0}={1}".format(name, _SETTINGS[name] or "''")
    options += " -c unix_socket_directories={0} -c port={1}".format(cluster.socket, _PORT)
    ran = _control(work, cluster, "-w", "-t", str(limit), "-l", log, "-o", options, "start")
    if ran.rc != 0 or not _ready(work, cluster):
        words = _last_words(log) or ran.last
        raise BackupFailure(
            "the restored server does not start: " + words, "恢复的服务器无法启动：" + words
        )


def _ready(work: Work, cluster: Cluster) -> bool:
    """pg_ctl is content with a server that still recovers; we wait until it has ended that."""
    began = time.monotonic()
    try:
        while work.left() > 0:
            state = _state(cluster.data)
            if state == "ready":
                return True
            if not state or not _is(_pid(cluster.data), cluster.data):
                return False
            time.sleep(0.05)
        return False
    finally:
        work.tool_seconds += time.monotonic() - began


def _state(data: str) -> str:
    """What the server says of itself in the last line of its file; "" when it is gone."""
    try:
        with open(os.path.join(data, "postmaster.pid"), encoding="utf-8") as file:
            return file.read().splitlines()[7].strip()
    except OSError:
        return ""
    except IndexError:
        return "starting"


def stop(work: Work, cluster: Cluster, how: str) -> Ran:
    """``how``: fast (in order) or immediate (when it is thrown away)."""
    return _control(work, cluster, "-w", "-t", "60", "-m", how, "stop")


def gone(work: Work, cluster: Cluster) -> None:
    """It runs no more, even when the job's time is over."""
    pid = _pid(cluster.data)
    with contextlib.suppress(BackupFailure):
        stop(work, cluster, "immediate")
    if pid and _is(pid, cluster.data):
        with contextlib.suppress(OSError):
            os.kill(pid, 9)  # its children notice that it is away and end


def _control(work: Work, cluster: Cluster, *words: str) -> Ran:
    path = program("pg_ctl", cluster.version, cluster.programs)
    return work.run([path, "-D", cluster.data, *words], cwd="/", user=cluster.owner)


def _settle(cluster: Cluster, conf: str) -> None:
    """Settings of its own, where ALTER SYSTEM of production comes after and is overruled."""
    mine = {k: v for k, v in _SETTINGS.items() if cluster.version >= _ONLY_SINCE.get(k, 0)}
    lines = ["{0} = '{1}'".format(name, value) for name, value in mine.items()]
    lines.append("unix_socket_permissions = 0700")
    private(os.path.join(conf, "postgresql.conf"), "\n".join(lines) + "\n", cluster.owner)
    private(os.path.join(conf, "pg_hba.conf"), "local all all trust\n", cluster.owner)
    auto = os.path.join(cluster.data, "postgresql.auto.conf")
    kept = [line for line in _lines(auto) if line.strip().startswith(_KEPT)]
    private(auto, "".join(kept), cluster.owner)


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return [line if line.endswith("\n") else line + "\n" for line in file]
    except OSError:
        return []


@contextlib.contextmanager
def _socket_folder(conf: str, owner: str) -> Iterator[str]:
    if len(os.fsencode(conf)) <= _LONGEST:
        yield conf
        return
    # A path that is too long for a socket: a folder of its own, as closed as the scratch place.
    folder = tempfile.mkdtemp(prefix="storewarden-")
    try:
        given(folder, owner)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _pid(data: str) -> int:
    try:
        with open(os.path.join(data, "postmaster.pid"), encoding="ascii") as file:
            return int(file.readline())
    except (OSError, ValueError):
        return 0


def _is(pid: int, data: str) -> bool:
    """Whether this process still is the server of that folder."""
    try:
        return os.readlink("/proc/{0}/cwd".format(pid)) == os.path.realpath(data)
    except OSError:
        return False


def _last_words(log: str) -> str:
    lines = [line.strip() for line in _lines(log)[-200:]]
    told = [line for line in lines if "FATAL" in line or "PANIC" in line or "ERROR" in line]
    return (told or lines or [""])[-1][:300]
