# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a PostgreSQL cluster is, whose it is, and how it is asked.

A cluster is asked over its own socket as the account that owns it (peer); a password only comes as
a file for PGPASSFILE. What a running server tells of itself (``postmaster.pid``) wins over what is
usual.
"""

from __future__ import annotations

import os
import pwd
from typing import Any, NamedTuple

from .failures import BackupFailure, BadCredentials, Unfit
from .way import way_made
from .work import Ran, Work

WORDS = frozenset(
    ("cluster", "data", "port", "socket", "database", "databases", "user", "stanza", "closed",
     "programs", "scratch")
)  # fmt: skip
_PROGRAMS = ("/usr/lib/postgresql/{0}/bin", "/usr/pgsql-{0}/bin")
_REFUSED = ("authentication failed", "no password supplied", "no pg_hba.conf entry")


class Cluster(NamedTuple):
    """One server: ``owner`` is the account that its files belong to, ``version`` the major one,
    ``programs`` the folder of that version's programs ("" where the source did not say)."""

    data: str
    port: int
    socket: str
    owner: str
    user: str
    version: int
    programs: str
    databases: tuple[str, ...]


def cluster_of(work: Work) -> Cluster:
    """The cluster that ``work.order.source`` names. Raises Unfit with what is missing."""
    source = work.order.source
    unknown = sorted(set(source) - WORDS)
    if unknown:
        raise Unfit(
            "the source says unknown things: " + ", ".join(unknown),
            "数据源含有未知的项：" + "、".join(unknown),
        )
    data, port = _place(work, source)
    running = _running(data)
    version = major(data)
    owner = pwd.getpwuid(os.stat(data).st_uid).pw_name
    return Cluster(
        data=data,
        port=int(source.get("port") or running.get("port") or port),
        socket=str(source.get("socket") or running.get("socket") or "/var/run/postgresql"),
        owner=owner,
        user=str(source.get("user") or owner),
        version=version,
        programs=str(source.get("programs") or running.get("programs") or ""),
        databases=_databases(source),
    )


def lost_cluster(work: Work) -> Cluster:
    """The same, and for a source that is no more what is usual: a restore must not need what was
    lost."""
    try:
        return cluster_of(work)
    except Unfit:
        source = work.order.source
        owner = str(source.get("user") or "postgres")
        return Cluster(
            data=str(source.get("data") or ""), port=int(source.get("port") or 5432), socket="",
            owner=owner, user=owner, version=0, programs=str(source.get("programs") or ""),
            databases=_databases(source),
        )  # fmt: skip


def major(data: str) -> int:
    """The major version whose files these are. Raises Unfit for no cluster at all."""
    try:
        with open(os.path.join(data, "PG_VERSION"), encoding="ascii") as file:
            return int(file.read().split(".")[0])
    except (OSError, ValueError):
        raise Unfit(
            "{0} holds no PostgreSQL cluster".format(data),
            "{0} 不是 PostgreSQL 数据目录".format(data),
        ) from None


def program(name: str, version: int, folder: str = "") -> str:
    """The path of a program of this version. Raises Unfit when it is not installed."""
    for place in (folder, *(each.format(version) for each in _PROGRAMS)):
        path = os.path.join(place, name)
        if place and os.access(path, os.X_OK):
            return path
    raise Unfit(
        "{0} of PostgreSQL {1} is not installed".format(name, version),
        "未安装 PostgreSQL {1} 的 {0}".format(name, version),
    )


def found(name: str, version: int, folder: str = "") -> str:
    """The same, "" when it is not installed."""
    try:
        return program(name, version, folder)
    except Unfit:
        return ""


class Asked:
    """One server, asked by psql. ``socket`` is the folder of its socket."""

    def __init__(self, work: Work, cluster: Cluster) -> None:
        self._work = work
        self._cluster = cluster
        self._psql = program("psql", cluster.version, cluster.programs)

    @property
    def version(self) -> int:
        return self._cluster.version

    def environment(self) -> dict[str, str]:
        """What libpq gets: never a password, at most the name of a file."""
        env = {
            "PGHOST": self._cluster.socket,
            "PGPORT": str(self._cluster.port),
            "PGUSER": self._cluster.user,
            "PGAPPNAME": "storewarden-backup",
            "PGCONNECT_TIMEOUT": "15",
            "PGTZ": "UTC",
        }
        if "password" in self._work.order.secrets:
            env["PGPASSFILE"] = password_file(self._work, self._cluster.owner)
        return env

    def ask(self, sql: str, database: str = "postgres") -> str:
        """What the statements answered, unaligned, without headers. Raises BadCredentials, or
        BackupFailure with what the server said."""
        argv = [self._psql, "-XAtqw", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-"]
        ran = self._work.run(
            argv, env=self.environment(), stdin=sql, cwd="/", user=self._cluster.owner
        )
        if ran.rc == 0:
            return ran.out.strip()
        if any(word in ran.err for word in _REFUSED):
            raise BadCredentials(
                "PostgreSQL refuses {0}: {1}".format(self._cluster.user, ran.last),
                "PostgreSQL 拒绝账户 {0}：{1}".format(self._cluster.user, ran.last),
            )
        said = _first(ran)
        raise BackupFailure(
            "PostgreSQL at {0}: {1}".format(self._cluster.socket, said),
            "{0} 上的 PostgreSQL：{1}".format(self._cluster.socket, said),
        )

    def databases(self) -> tuple[str, ...]:
        """Those that the source names, or all that take connections."""
        if self._cluster.databases:
            return self._cluster.databases
        return self.every()

    def every(self) -> tuple[str, ...]:
        """All that take connections."""
        sql = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1"
        return tuple(line for line in self.ask(sql).splitlines() if line)

    def setting(self, name: str) -> str:
        """The value in effect; "" for one that this version does not have."""
        return self.ask("SELECT coalesce(current_setting('{0}', true), '')".format(name))


def _first(ran: Ran) -> str:
    """The line that says what it was; details and hints follow it."""
    lines = [each for each in ran.err.splitlines() if "ERROR" in each or "FATAL" in each]
    return lines[0][:300] if lines else ran.last


def own_folder(work: Work, name: str, owner: str) -> str:
    """A folder inside of the job's own that the cluster's account may use, and nobody else. Raises
    Unfit when the account cannot get there."""
    folder = os.path.join(work.folder, name)
    if not os.path.isdir(folder):
        os.mkdir(folder, 0o700)
    handed(folder, owner)
    return folder


def handed(folder: str, owner: str) -> None:
    """A folder that the engine made belongs to the cluster's account, which can enter what the
    engine made above it, and see nothing there. Raises Unfit for a path that it cannot enter."""
    given(folder, owner)
    closed = way_made(folder, owner)
    if closed:
        raise Unfit(
            "{0} cannot be entered by {1}: chmod o+x {0}".format(closed, owner),
            "{1} 无法进入 {0}：请执行 chmod o+x {0}".format(closed, owner),
        )


def given(path: str, owner: str) -> None:
    """``path`` belongs to the account from now on, if we are the one that may say so."""
    entry = pwd.getpwnam(owner)
    if os.geteuid() == 0:
        os.chown(path, entry.pw_uid, entry.pw_gid)


def password_file(work: Work, owner: str) -> str:
    """The secret ``password`` (lines as in .pgpass) where the cluster's account can read it."""
    path = os.path.join(own_folder(work, "pass", owner), "pgpass")
    if not os.path.exists(path):
        with open(work.secret("password"), encoding="utf-8") as given_file:
            private(path, given_file.read(), owner)
    return path


def private(path: str, text: str, owner: str) -> None:
    """A file with ``text`` that only the account can read, never for a moment anybody else."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    given(path, owner)


def _place(work: Work, source: dict[str, Any]) -> tuple[str, int]:
    if source.get("data"):
        return str(source["data"]), 5432
    wanted = str(source.get("cluster", "")).split("/")
    lines = _clusters(work) if work.has("pg_lsclusters") else []
    for words in lines:
        if not wanted[0] or words[:2] == wanted:
            return words[5], int(words[2])
    raise Unfit(
        "there is no cluster {0!r} here (source: cluster or data)".format(
            source.get("cluster", "")
        ),
        "此处没有集群 {0!r}（source 中的 cluster 或 data）".format(source.get("cluster", "")),
    )


def _clusters(work: Work) -> list[list[str]]:
    lines = work.run(["pg_lsclusters", "-h"]).out.splitlines()
    return [words for words in (line.split() for line in lines) if len(words) >= 6]


def _running(data: str) -> dict[str, str]:
    """What the server wrote of itself; {} when none runs."""
    try:
        with open(os.path.join(data, "postmaster.pid"), encoding="utf-8") as file:
            lines = file.read().splitlines()
        programs = os.path.dirname(os.readlink("/proc/{0}/exe".format(int(lines[0]))))
    except (OSError, ValueError, IndexError):
        return {}
    port, socket = (*(each.strip() for each in lines[3:5]), "", "")[:2]
    return {"port": port, "socket": socket, "programs": programs}


def _databases(source: dict[str, Any]) -> tuple[str, ...]:
    named = source.get("databases") or source.get("database") or ()
    return (named,) if isinstance(named, str) else tuple(str(each) for each in named)
