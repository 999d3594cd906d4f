# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Production gets a restored cluster. What was there before is moved aside, never deleted."""

from __future__ import annotations

import os
from typing import Any

from .aside import movable, moved_aside
from .failures import BackupFailure, Unfit
from .method import Instance
from .postgresql_instance import instance
from .postgresql_manifest import again, heartbeat
from .postgresql_source import Asked, Cluster, given, major, private
from .work import Work

_DEBIAN = "/var/lib/postgresql/"
_OURS = ("restore_command", "recovery_target", "archive_mode", "recovery_")
_SPACES = "pg_tblspc"
_SIGNALS = ("recovery.signal", "standby.signal", "backup_label", "tablespace_map")


def put_back(work: Work, cluster: Cluster, data: str) -> list[str]:
    """Stop the cluster, move its folder aside, copy the restored one to its place, start it; what
    was done, a line each. Raises Unfit before anything is touched, BackupFailure with what to do
    after."""
    if major(data) != cluster.version:
        raise Unfit(
            "the set is of PostgreSQL {0}, the cluster of {1}".format(major(data), cluster.version),
            "备份集来自 PostgreSQL {0}，集群为 {1}".format(major(data), cluster.version),
        )
    if os.path.isdir(os.path.join(data, _SPACES)) and os.listdir(os.path.join(data, _SPACES)):
        raise Unfit(
            "the set has tablespaces: restore it into scratch, and move them by hand",
            "备份集含有表空间：请恢复到临时目录后手动迁移",
        )
    movable(cluster.data)
    _recovered(work, cluster, data)
    aside = "{0}.before-{1}".format(cluster.data, work.order.run)
    if os.path.exists(aside):
        raise Unfit("{0} exists".format(aside), "{0} 已存在".format(aside))
    done = [_stopped(work, cluster)]
    try:
        moved_aside(work, cluster.data, aside)
    except BackupFailure:
        _started(work, cluster)
        raise
    done.append("{0} was moved to {1}".format(cluster.data, aside))
    _copied(work, cluster, data, aside)
    done.append("the restored cluster is at {0}".format(cluster.data))
    done.append(_started(work, cluster))
    return [*done, "take a full set now: WAL goes on in a new timeline"]


def in_place(work: Work, cluster: Cluster, before: dict[str, Any]) -> Production | None:
    """The cluster after ``put_back``; None where it is others who start it."""
    return Production(work, cluster, before) if unit_of(work, cluster) else None


class Production(Instance):
    """The cluster in its place. It is only read: what looks at indexes
    (pg_amcheck) would have to be installed into it, and has looked at the rehearsal."""

    def __init__(self, work: Work, cluster: Cluster, before: dict[str, Any]) -> None:
        self._asked = Asked(work, cluster)
        self._before = before

    def structure(self) -> list[str]:
        """Every database answers, and nothing is left to recover."""
        wrong = []
        for name in self._asked.databases():
            if self._asked.ask("SELECT pg_is_in_recovery()", name) != "f":
                wrong.append("{0} is still recovering".format(name))
        return wrong

    def manifest(self) -> dict[str, Any]:
        return again(self._asked, self._before)

    def heartbeat(self) -> float | None:
        return heartbeat(self._asked)


def _recovered(work: Work, cluster: Cluster, data: str) -> None:
    """It ends in order, as a cluster that has nothing to recover; a rehearsal has seen to that
    before."""
    if any(os.path.exists(os.path.join(data, name)) for name in _SIGNALS) or not _clean(data):
        from .postgresql_instance import stop

        scratch = os.path.dirname(data)
        with instance(work, cluster, data, scratch, {}) as server:
            stop(work, server.cluster, "fast")


def _clean(data: str) -> bool:
    return not os.path.exists(os.path.join(data, "postmaster.pid"))


def _stopped(work: Work, cluster: Cluster) -> str:
    unit = unit_of(work, cluster)
    if unit:
        ran = work.run(["systemctl", "stop", unit])
    elif os.path.exists(os.path.join(cluster.data, "postmaster.pid")):
        from .postgresql_instance import stop

        ran = stop(work, cluster, "fast")
    else:
        return "the cluster did not run"
    if ran.rc != 0 or os.path.exists(os.path.join(cluster.data, "postmaster.pid")):
        raise BackupFailure("the cluster does not stop: " + ran.last, "集群无法停止：" + ran.last)
    return "the cluster was stopped"


def _copied(work: Work, cluster: Cluster, data: str, aside: str) -> None:
    fresh = cluster.data + ".new-" + work.order.run
    ran = work.run(["cp", "-a", "--", data, fresh])
    if ran.rc != 0:
        os.rename(aside, cluster.data)
        _started(work, cluster)
        raise BackupFailure(
            "copying failed, the old data is back in its place: " + ran.last,
            "复制失败，原数据已放回原处：" + ran.last,
        )
    _settings(fresh, aside)
    _told_archive(fresh, cluster)
    given(fresh, cluster.owner)
    os.rename(fresh, cluster.data)
    os.sync()


def _told_archive(fresh: str, cluster: Cluster) -> None:
    """The archive learns of the new timeline. It recovered without one, and the next restore would
    take the same number again: its WAL would then be refused for ever."""
    wal = os.path.join(fresh, "pg_wal")
    for name in sorted(os.listdir(wal)):
        mark = os.path.join(wal, "archive_status", name)
        if name.endswith(".history") and not os.path.exists(mark + ".done"):
            private(mark + ".ready", "", cluster.owner)


def _settings(fresh: str, aside: str) -> None:
    """Production's own settings stay: only what a restore wrote is left out."""
    for name in ("postgresql.conf", "pg_hba.conf", "pg_ident.conf", "postgresql.auto.conf"):
        was, now = os.path.join(aside, name), os.path.join(fresh, name)
        if not os.path.exists(was):
            continue
        with open(was, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.readlines()
        if name == "postgresql.auto.conf":
            lines = [line for line in lines if not line.startswith(_OURS[:2])]
        status = os.stat(was)
        with open(now, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.writelines(lines)
        os.chmod(now, status.st_mode & 0o777)
        os.chown(now, status.st_uid, status.st_gid)


def _started(work: Work, cluster: Cluster) -> str:
    unit = unit_of(work, cluster)
    if not unit:
        return "start it the way it is started here: no unit of it is known"
    ran = work.run(["systemctl", "start", unit])
    if ran.rc != 0:
        raise BackupFailure(
            "{0} does not start: {1}; the old data is beside {2}".format(
                unit, ran.last, cluster.data
            ),
            "{0} 无法启动：{1}；原数据在 {2} 旁".format(unit, ran.last, cluster.data),
        )
    return "{0} was started".format(unit)


def unit_of(work: Work, cluster: Cluster) -> str:
    """Debian's unit of the cluster; "" where systemd does not know it."""
    name = str(work.order.source.get("cluster") or "")
    if not name and cluster.data.startswith(_DEBIAN):
        name = cluster.data[len(_DEBIAN) :].strip("/")
    if not name or not work.has("systemctl") or not os.path.isdir("/run/systemd/system"):
        return ""
    return "postgresql@{0}.service".format(name.replace("/", "-"))
