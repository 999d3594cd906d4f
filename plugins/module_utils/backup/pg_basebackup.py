# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PostgreSQL by its own pg_basebackup: full sets, and increments where the server is 17 or newer.

A set has the WAL that makes it consistent and none after it: a moment in between cannot be
restored, which takes pgBackRest. ``pg_combinebackup`` joins a damaged chain and ends with 0, with
fresh sums that fit the damage, so each member is put to ``pg_verifybackup`` before.
"""

from __future__ import annotations

import contextlib
import os
from typing import Iterator

from .failures import BackupFailure, BadCredentials, NoRoom, Rejected, Unfit
from .folder_method import FolderMethod, Produced
from .method import Instance, Restored
from .postgresql_back import in_place, put_back
from .postgresql_instance import instance
from .postgresql_manifest import written
from .postgresql_source import (
    Asked,
    Cluster,
    cluster_of,
    given,
    handed,
    lost_cluster,
    major,
    own_folder,
    program,
)
from .restic_repository import ResticRepository, Snapshot
from .restic_runs import Restic
from .work import Ran, Work

_INCREMENTAL = 17  # the version that came with summarize_wal and pg_combinebackup
_DATA = "data"
_LIST = "backup_manifest"


class PgBaseBackup(FolderMethod):
    """The whole cluster as plain files: the repository finds what is the same in them."""

    name = "pg-basebackup"
    kinds = ("full", "incremental")

    def fits(self, work: Work) -> None:
        cluster = cluster_of(work)
        program("pg_basebackup", cluster.version, cluster.programs)
        program("pg_verifybackup", cluster.version, cluster.programs)
        asked = Asked(work, cluster)
        spaces = asked.ask("SELECT count(*) FROM pg_tablespace WHERE spcname !~ '^pg_'")
        if spaces != "0":
            raise Unfit(
                "the cluster has tablespaces of its own: use pgbackrest",
                "集群有自定义表空间：请使用 pgbackrest",
            )

    def expected(self, work: Work) -> int:
        """All databases, once as files and once in the repository, which compresses and knows
        most."""
        sql = "SELECT coalesce(sum(pg_database_size(oid)), 0)::bigint FROM pg_database"
        size = int(Asked(work, cluster_of(work)).ask(sql))
        return 2 * size if work.order.kind == "full" else size

    def needed(self, work: Work) -> int:
        """The chain, and what is joined of it."""
        return 2 * super().needed(work)

    def produce(self, work: Work, folder: str) -> Produced:
        cluster = cluster_of(work)
        asked = Asked(work, cluster)
        parent = _parent(work, cluster, asked)
        words = ["--incremental=" + _listed(work, cluster, parent)] if parent else []
        manifest = written(asked, dict(work.order.source.get("closed") or {}), work.order.run)
        handed(folder, cluster.owner)
        data = os.path.join(folder, _DATA)
        path = program("pg_basebackup", cluster.version, cluster.programs)
        argv = [path, "-D", data, "-Fp", "-X", "stream", "-c", "fast", "-w", "--no-sync",
                "--manifest-checksums=SHA256", *words]  # fmt: skip
        ran = work.run(argv, env=asked.environment(), cwd="/", user=cluster.owner)
        if ran.rc != 0:
            raise _refused(ran)
        wrong = _verified(work, cluster, data)
        if wrong:
            raise Rejected(wrong, wrong)
        kind = "incremental" if parent else "full"
        return Produced(manifest, kind, parent.id if parent else "")

    def examined(self, work: Work, folders: tuple[str, ...]) -> list[str]:
        """pg_verifybackup of each member: every byte against the sums of the backup."""
        cluster = lost_cluster(work)
        found = []
        for folder in folders:
            _reachable(work, cluster, folder)
            wrong = _verified(work, cluster, os.path.join(folder, _DATA))
            found += ["{0}: {1}".format(os.path.basename(folder), wrong)] if wrong else []
        return found

    @contextlib.contextmanager
    def opened(self, work: Work, restored: Restored, scratch: str) -> Iterator[Instance]:
        cluster = lost_cluster(work)
        if work.order.point:
            work.note(
                "pg-basebackup keeps no WAL between sets: the set's own moment was restored",
                "pg-basebackup 不保存备份集之间的 WAL：恢复的是备份集自身的时间点",
            )
        data = joined(work, cluster, restored, scratch)
        with instance(work, cluster, data, scratch, restored.manifest) as found:
            yield found

    def put_back(self, work: Work, restored: Restored, scratch: str) -> list[str]:
        cluster = cluster_of(work)
        return put_back(work, cluster, joined(work, cluster, restored, scratch))

    @contextlib.contextmanager
    def in_place(self, work: Work, restored: Restored) -> Iterator[Instance | None]:
        yield in_place(work, cluster_of(work), restored.manifest)


def joined(work: Work, cluster: Cluster, restored: Restored, scratch: str) -> str:
    """The folder of a cluster that starts. What joins the members does not notice damage, and
    gives the result sums of its own: ``examined`` has to come before. Raises Rejected for a gap in
    the chain."""
    handed(scratch, cluster.owner)
    members = [os.path.join(folder, _DATA) for folder in restored.folders]
    for folder in restored.folders:
        _reachable(work, cluster, folder)
    if len(members) == 1:
        return members[0]
    version = major(members[0])
    data = os.path.join(scratch, _DATA)
    path = program("pg_combinebackup", version, cluster.programs)
    argv = [path, "--no-sync", "-o", data, *members]
    ran = work.run(argv, cwd="/", user=cluster.owner)
    if ran.rc != 0:
        raise Rejected("pg_combinebackup: " + ran.last, "pg_combinebackup：" + ran.last)
    return data


def _parent(work: Work, cluster: Cluster, asked: Asked) -> Snapshot | None:
    """The newest whole set, for an increment; None when there has to be a full one, with why."""
    if work.order.kind == "full":
        return None
    if cluster.version < _INCREMENTAL:
        return _full(work, "PostgreSQL {0} makes no increments (17 does)".format(cluster.version))
    if asked.setting("summarize_wal") != "on":
        return _full(work, "summarize_wal is off")
    repository = ResticRepository(work)
    whole = {one.id for one in repository.sets() if not one.damaged}
    there = [one for one in repository.snapshots() if one.id in whole]
    return there[-1] if there else _full(work, "there is no whole set to build upon")


def _full(work: Work, why: str) -> None:
    work.note("a full set instead: " + why, "改为全量备份：" + why)


def _listed(work: Work, cluster: Cluster, parent: Snapshot) -> str:
    """The list of the parent's files, out of the repository."""
    path = os.path.join(own_folder(work, "parent", cluster.owner), _LIST)
    Restic(work).must("dump", parent.restic, "/{0}/{1}".format(_DATA, _LIST), into=path)
    given(path, cluster.owner)
    return path


def _verified(work: Work, cluster: Cluster, data: str) -> str:
    """What pg_verifybackup says of a folder; "" for nothing."""
    version = major(data)
    path = program("pg_verifybackup", version, cluster.programs)
    ran = work.run([path, data], cwd="/", user=cluster.owner)
    if ran.rc == 0 and "successfully verified" in ran.out + ran.err:
        return ""
    lines = [line for line in ran.err.splitlines() if "error" in line] or [ran.last]
    return "pg_verifybackup: " + lines[0][:300]


def _reachable(work: Work, cluster: Cluster, folder: str) -> None:
    handed(os.path.dirname(folder), cluster.owner)
    given(folder, cluster.owner)
    if os.stat(os.path.join(folder, _DATA)).st_uid != os.stat(folder).st_uid:
        work.run(["chown", "-R", cluster.owner + ":", folder])  # another host counts otherwise


def _refused(ran: Ran) -> BackupFailure:
    en, zh = "pg_basebackup: " + ran.last, "pg_basebackup：" + ran.last
    if "No space left" in ran.err:
        return NoRoom(en, zh)
    if "authentication failed" in ran.err or "no pg_hba.conf entry" in ran.err:
        return BadCredentials(en, zh)
    return BackupFailure(en, zh)
