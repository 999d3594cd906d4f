# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PostgreSQL by pgBackRest: full, differential and incremental backups and WAL, in a repository of
its own.

archive_command only ever writes into the repository on the host: a line that is down must not stop
the database or have it throw WAL away. Copies are another job's. What the database counts as
archived is held against what the repository holds, because pgBackRest itself does not notice WAL
that is missing.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any, Iterator

from .clock import stamp
from .failures import BackupFailure, Rejected, Unfit
from .method import Instance, Method, Restored
from .pgbackrest_aim import aim_of, known_then, restore_words, without_target
from .pgbackrest_chain import archived, broken_chain, hole, other_line, with_chain
from .pgbackrest_facts import TYPES, Backup, inventory, missing, new_label, refused, verified
from .pgbackrest_store import (
    MANIFESTS,
    RULES,
    Store,
    far,
    fetched,
    judged,
    pass_phrase,
    segments_of,
    stanza_of,
)
from .places import CopyRules, remove
from .postgresql_back import in_place, put_back
from .postgresql_instance import PostgreSql, instance, stop
from .postgresql_manifest import written
from .postgresql_source import Asked, Cluster, cluster_of, given, handed, lost_cluster
from .report import SetFacts
from .work import Work

_WAL_WAIT = 300.0  # seconds for a segment to arrive in the repository
_TOO_EARLY = "recovery ended before configured recovery target was reached"


class PgBackRest(Method):
    """A stanza in a local repository, encrypted with the secret ``repository``."""

    name = "pgbackrest"
    kinds = ("full", "differential", "incremental", "log")

    def fits(self, work: Work) -> None:
        """Raises Unfit with the setting that is missing; the role backup_postgresql makes them."""
        pass_phrase(work)
        if not work.has("pgbackrest"):
            raise Unfit("pgbackrest is not installed", "未安装 pgbackrest")
        if work.order.verb != "take":
            return
        asked = Asked(work, cluster_of(work))
        if asked.ask("SELECT pg_is_in_recovery()") == "t":
            raise Unfit("this is a standby: back up the primary", "这是备库：请备份主库")
        command = asked.setting("archive_command")
        if asked.setting("archive_mode") == "off" or "archive-push" not in command:
            raise Unfit(
                "WAL is not archived (archive_mode, archive_command): apply role backup_postgresql",
                "WAL 未归档（archive_mode、archive_command）：请应用角色 backup_postgresql",
            )

    def expected(self, work: Work) -> int:
        """The size of all databases, for a full one that compresses nothing."""
        if work.order.kind != "full":
            return 0
        sql = "SELECT coalesce(sum(pg_database_size(oid)), 0)::bigint FROM pg_database"
        return int(Asked(work, cluster_of(work)).ask(sql))

    def needed(self, work: Work) -> int:
        """The size of the cluster that the set holds; of a set of WAL that of its backup."""
        wanted = set(work.order.sets[-1:])
        backups = _backups(work)
        return max((each.size for each in backups if each.label in wanted), default=0)

    def take(self, work: Work) -> SetFacts:
        cluster = cluster_of(work)
        asked = Asked(work, cluster)
        store = _opened(work, cluster)
        counted = archived(work, cluster)
        before = store.backups()
        broken = broken_chain(store, counted)
        if work.order.kind == "log":
            return _shipped(work, store, asked, before, broken)
        kind = _kind(work, before, broken)
        manifest = written(asked, dict(work.order.source.get("closed") or {}), work.order.run)
        ran = store.run("--type=" + TYPES[kind], "backup")
        if ran.rc != 0:
            raise refused(ran, "backup")
        if "resumable backup" in ran.out + ran.err:
            work.note("it went on with a backup that was cut off", "继续了中断的备份")
        label = new_label(ran)
        return _facts_of(store, label, manifest, int(asked.ask(_SEGMENT)))

    def copy_rules(self) -> CopyRules:
        return RULES

    def listed(self, work: Work) -> list[SetFacts]:
        stanza = stanza_of(work.order)
        if work.order.place.kind != "host":
            shelf = far(work)
            return with_chain(work, judged(stanza, shelf, 1), shelf, "")
        cluster = lost_cluster(work)
        store = Store(work, cluster, work.order.repository)
        counted = archived(work, cluster)  # before the listing: WAL goes on arriving
        shelf = store.shelf()
        return with_chain(work, judged(stanza, shelf, 1), shelf, counted)

    def read(self, work: Work) -> list[SetFacts]:
        """pgBackRest's ``verify`` reads everything, so a part is the whole."""
        store = fetched(work, lost_cluster(work))
        shelf = store.shelf()
        labels = [each.label for each in shelf.backups if each.kind != "log"]
        found = verified(store.run("verify", "--output=text", "--verbose"), labels)
        facts = judged(store.stanza, shelf, 2)
        by = {each.label: each for each in shelf.backups}
        return [_read(each, by[each.id], found.backups, found.segments) for each in facts]

    def restored(self, work: Work, scratch: str) -> Restored:
        cluster = lost_cluster(work)
        store = fetched(work, cluster)
        there = {each.label: each for each in store.backups()}
        aim = aim_of(work, there)
        handed(scratch, cluster.owner)
        data = os.path.join(scratch, "data")
        os.mkdir(data, 0o700)
        given(data, cluster.owner)
        ran = store.run(*restore_words(work, aim, data, scratch), "restore")
        if ran.rc != 0:
            raise refused(ran, "restore")
        kept = known_then(work, store.kept())
        found = Restored((data,), kept.manifest if kept else {})
        if work.order.into:  # whoever looks at it has neither the pass phrase nor the WAL
            self._recovered(work, found, scratch)
        return found

    @contextlib.contextmanager
    def opened(self, work: Work, restored: Restored, scratch: str) -> Iterator[Instance]:
        """Up to ``work.order.point``; to the end of the WAL where that comes before it."""
        cluster, data = lost_cluster(work), restored.folders[0]
        with contextlib.ExitStack() as stack:
            try:
                found = stack.enter_context(
                    instance(work, cluster, data, scratch, restored.manifest)
                )
            except BackupFailure as failure:
                if _TOO_EARLY not in failure.en:
                    raise
                without_target(data)
                work.note(
                    "the WAL ends before the wanted point: restored to its end",
                    "WAL 在所要求的时间点之前结束：已恢复到末尾",
                )
                found = stack.enter_context(
                    instance(work, cluster, data, scratch, restored.manifest)
                )
            yield found

    def put_back(self, work: Work, restored: Restored, scratch: str) -> list[str]:
        self._recovered(work, restored, scratch)
        return put_back(work, cluster_of(work), restored.folders[0])

    @contextlib.contextmanager
    def in_place(self, work: Work, restored: Restored) -> Iterator[Instance | None]:
        yield in_place(work, cluster_of(work), restored.manifest)

    def _recovered(self, work: Work, restored: Restored, scratch: str) -> None:
        """Up to its end, and stopped in order: a folder that needs nothing else."""
        with self.opened(work, restored, scratch) as found:
            assert isinstance(found, PostgreSql)
            stop(work, found.cluster, "fast")

    def removed(self, work: Work) -> list[str]:
        if work.order.place.kind != "host":
            return _removed_far(work)
        store = Store(work, lost_cluster(work), work.order.repository)
        there = {each.label: each for each in store.backups()}
        _refuse_needed(work.order.sets, list(there.values()))
        for name in sorted(set(work.order.sets) & set(there), reverse=True):
            if there[name].kind != "log":
                ran = store.run("--set=" + name, "expire")
                if ran.rc != 0:
                    raise refused(ran, "expire")
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(store.folder, MANIFESTS, name + ".json"))
        left = store.backups()
        _expire_wal(store, left)
        return sorted(set(there) - {each.label for each in left})


_SEGMENT = (
    "SELECT setting::bigint * CASE unit WHEN '8kB' THEN 8192 ELSE 1 END"
    " FROM pg_settings WHERE name = 'wal_segment_size'"
)


def _backups(work: Work) -> list[Backup]:
    if work.order.place.kind != "host":
        return far(work).backups
    return Store(work, lost_cluster(work), work.order.repository).backups()


def _opened(work: Work, cluster: Cluster) -> Store:
    """The repository with the stanza in it, made when there is none. Never made anew over one that
    this pass phrase does not open: ``info`` raises before."""
    folder = work.order.repository
    if not os.path.isdir(folder):
        os.makedirs(folder, mode=0o750)
    handed(folder, cluster.owner)
    store = Store(work, cluster, folder)
    if inventory(store.info(), store.stanza) == []:
        ran = store.run("stanza-create")
        if ran.rc != 0:
            raise refused(ran, "stanza-create")
    return store


def _kind(work: Work, before: list[Backup], broken: str) -> str:
    fulls = [each for each in before if each.kind == "full"]
    if work.order.kind != "full" and broken:
        work.note("a full set instead: " + broken, "改为全量备份：" + broken)
        return "full"
    if work.order.kind != "full" and not fulls:
        work.note("there is no full set yet: this is one", "尚无全量备份：本次为全量")
        return "full"
    return work.order.kind


def _facts_of(store: Store, label: str, manifest: dict[str, Any], segment: int) -> SetFacts:
    made = [each for each in store.backups() if each.label == label]
    if not made:
        raise Rejected(
            "{0} is not in the repository's inventory".format(label),
            "{0} 不在仓库清单中".format(label),
        )
    store.keep(made[0], manifest, segment)
    facts = judged(store.stanza, store.shelf(), 1)
    return next(each for each in facts if each.id == label)


def _shipped(work: Work, store: Store, asked: Asked, before: list[Backup], broken: str) -> SetFacts:
    """The WAL up to now: the segment is closed, and the repository has got it."""
    base = next((each for each in reversed(before) if each.kind != "log"), None)
    if base is None:
        raise Unfit("there is no backup yet that WAL could follow", "尚无可供 WAL 衔接的备份")
    if broken:
        raise Rejected(broken, broken)
    # A row of ours, so that there always is something to close a segment over.
    manifest = written(asked, dict(work.order.source.get("closed") or {}), work.order.run)
    moment = time.time()
    label = stamp(moment) + "-log"
    asked.ask("SELECT pg_create_restore_point('{0}')".format(label))  # a restore ends there
    last = asked.ask("SELECT pg_walfile_name(pg_switch_wal())")
    if last[:8] != base.last[:8]:
        raise other_line(base.label)
    _arrived(store, last)
    size = int(asked.ask(_SEGMENT))
    segments = segments_of(store.stanza, store.tree())
    gone = missing(segments, base.first, last, size)
    if gone:
        raise hole(gone[0])
    backup = base._replace(
        label=label, kind="log", parent=base.label, taken=moment, stored=0,
        last=last, needs=(*base.needs, base.label),
    )  # fmt: skip
    store.keep(backup, manifest, size)
    return _facts_of(store, backup.label, manifest, size)


def _arrived(store: Store, segment: str) -> None:
    ends = time.monotonic() + _WAL_WAIT
    while segment not in segments_of(store.stanza, store.tree()):
        if time.monotonic() > ends:
            raise BackupFailure(
                "WAL segment {0} did not arrive within {1:.0f} s: see the server's log about "
                "archive_command".format(segment, _WAL_WAIT),
                "WAL 段 {0} 在 {1:.0f} 秒内未到达：请查看服务器日志中的 archive_command".format(
                    segment, _WAL_WAIT
                ),
            )
        time.sleep(0.2)


def _read(
    each: SetFacts, backup: Backup, wrong: dict[str, str], segments: tuple[str, ...]
) -> SetFacts:
    """With what the reading found; a set of WAL is as good as the backup that it follows."""
    label = backup.parent if backup.kind == "log" else backup.label
    bad = [one for one in segments if backup.first <= one <= backup.last]
    why = each.damaged
    if label in wrong:
        why = why or "pgBackRest verify: {0} is {1}".format(label, wrong[label])
    elif bad:
        why = why or "pgBackRest verify: WAL segment {0} is damaged".format(bad[0])
    return each._replace(level=0 if why else each.level, damaged=why)


def _refuse_needed(names: tuple[str, ...], backups: list[Backup]) -> None:
    for each in backups:
        used = set(each.needs) & set(names)
        if each.label not in names and used:
            raise Unfit(
                "{0} is needed by {1}".format(sorted(used)[0], each.label),
                "{0} 被 {1} 依赖".format(sorted(used)[0], each.label),
            )


def _expire_wal(store: Store, left: list[Backup]) -> None:
    """WAL older than the oldest full set that stays."""
    fulls = sum(1 for each in left if each.kind == "full")
    if fulls:
        ran = store.run("--repo1-retention-full={0}".format(fulls), "expire")
        if ran.rc != 0:
            raise refused(ran, "expire")


def _removed_far(work: Work) -> list[str]:
    shelf = far(work)
    kept = shelf.kept
    _refuse_needed(work.order.sets, shelf.backups)
    wanted = [name for name in work.order.sets if name in kept]
    stanza = stanza_of(work.order)
    paths = []
    for name in wanted:
        paths.append("{0}/{1}.json".format(MANIFESTS, name))
        if kept[name].backup.kind != "log":
            paths.append("backup/{0}/{1}".format(stanza, name))
    remove(work, paths)
    return sorted(wanted)
