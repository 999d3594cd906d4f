# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""MariaDB by mariadb-backup, while it is used: full sets, and increments upon them
(docs/reference/backup-databases.md). The tool writes into a folder, never into a pipe: a pipe that
was cut off ends with status 0."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from typing import Any, Iterator, NamedTuple

from .aside import movable, moved_aside
from .clock import stamp
from .failures import BackupFailure, Interrupted, NoRoom, Rejected, Unfit
from .folder_method import FolderMethod, Produced
from .mariadb_client import failure, first_of, options_file, server_of, variables
from .mariadb_manifest import ROWS, again, manifest_of
from .mariadb_scratch import (
    BACKUP,
    DATA,
    DONE,
    Production,
    checkpoints,
    damaged_pages,
    prepared,
    started,
)
from .method import Instance, Restored
from .report import SetFacts
from .restic_repository import ResticRepository, Snapshot
from .restic_runs import Restic
from .scratch_server import owner_of
from .unit_pause import paused
from .work import Ran, Work

_SIZE = "SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables;"
_TYPES = {"full": "full-backuped", "differential": "incremental", "incremental": "incremental"}


class _Base(NamedTuple):
    """What a set builds upon; ``lsn`` is where that one ended."""

    name: str
    lsn: int


class MariaDb(FolderMethod):
    """``source``: ``socket``, or ``host`` and ``port`` of this machine; ``account`` (root), with
    the secret ``password`` where the socket alone does not do; ``rows``; ``heartbeat: {table:
    schema.table, column}``; ``unit`` and ``directory``, for a restore. Increments build upon the
    newest set of any kind, differential ones upon the newest full one."""

    name = "mariadb"
    kinds = ("full", "differential", "incremental")

    def fits(self, work: Work) -> None:
        first_of(work, BACKUP)
        for program in ("innochecksum",):
            first_of(work, (program,))
        variables(server_of(work), "version")

    def expected(self, work: Work) -> int:
        return int(server_of(work).rows(_SIZE)[0][0]) if work.order.kind == "full" else 0

    def produce(self, work: Work, folder: str) -> Produced:
        server = server_of(work)
        facts = variables(server, "datadir", "version")
        work.tool = "MariaDB " + facts["version"]
        line = _lineage(facts)
        base = _base(work, line) if work.order.kind != "full" else None
        kind = work.order.kind if base else "full"
        before = manifest_of(server, _rows(work))
        data = os.path.join(folder, DATA)
        lsn = _taken(work, facts["datadir"], data, kind, base)
        if wrong := damaged_pages(work, data):
            raise Rejected("a page is damaged: " + wrong[0], "数据页损坏：" + wrong[0])
        after = again(server, before)
        kept = {name: each for name, each in before.items() if after.get(name) == each}
        _say_moving(work, sorted(set(before) - set(kept)))
        manifest = {"lineage": line, "lsn": lsn, "tables": kept}
        return Produced(manifest, kind, base.name if base else "")

    def listed(self, work: Work) -> list[SetFacts]:
        """An increment has to begin where the set that it builds upon ended."""
        repository = ResticRepository(work)
        found, known = repository.sets(), repository.snapshots()
        return _joined(found, _ends(work, known))

    def examined(self, work: Work, folders: tuple[str, ...]) -> list[str]:
        """Pages are looked at before anything is applied to them."""
        found = []
        for folder in folders:
            data = os.path.join(folder, DATA)
            if not checkpoints(data):
                found.append(os.path.basename(folder) + " has no xtrabackup_checkpoints")
            found += damaged_pages(work, data)
        return found

    @contextlib.contextmanager
    def opened(self, work: Work, restored: Restored, scratch: str) -> Iterator[Instance]:
        with work.phase("restore"):
            base = prepared(work, restored)
        account = owner_of(_directory(work), "mysql")
        with started(work, base, account, scratch, restored.manifest) as instance:
            yield instance

    def put_back(self, work: Work, restored: Restored, scratch: str) -> list[str]:
        target = _directory(work)
        movable(target)
        base = prepared(work, restored)
        done: list[str] = []
        with paused(work, str(work.order.source.get("unit", "mariadb")), done):
            done.append(_replaced(work, base, target))
        variables(server_of(work), "version")
        return done

    @contextlib.contextmanager
    def in_place(self, work: Work, restored: Restored) -> Iterator[Instance | None]:
        yield Production(work, server_of(work), restored.manifest)


def _rows(work: Work) -> int:
    return max(1, int(work.order.source.get("rows", ROWS)))


def _directory(work: Work) -> str:
    """Where the live server's data lie; it need not run."""
    named = work.order.source.get("directory")
    if named:
        return os.path.normpath(str(named))
    try:
        return os.path.normpath(str(variables(server_of(work), "datadir")["datadir"]))
    except BackupFailure:
        return "/var/lib/mysql"


def _lineage(facts: dict[str, Any]) -> str:
    """What has to be the same for an increment to fit: the release, and the very files. After a
    restore the numbers of the log go on from an older place and would fit by chance."""
    try:
        there = os.stat(os.path.join(facts["datadir"], "ibdata1"))
    except OSError:
        raise Unfit(
            "{0} is not readable here: the server has to be on this host".format(facts["datadir"]),
            "无法读取 {0}：数据库必须在本机".format(facts["datadir"]),
        ) from None
    release = ".".join(facts["version"].split(".")[:2])
    return "{0} {1}:{2}".format(release, there.st_dev, there.st_ino)


def _base(work: Work, line: str) -> _Base | None:
    """What an increment can build upon now; None, and a note, where there is nothing."""
    known = ResticRepository(work).snapshots()
    if work.order.kind == "differential":
        known = [one for one in known if one.kind == "full"]
    named = [one for one in known if one.id == work.order.parent]
    for one in (named or known)[-1:]:
        before = _manifest(work, one)
        if before.get("lineage") == line:
            return _Base(one.id, int(before["lsn"]["to"]))
    work.note(
        "there is no set that an increment could build upon: a full one was made",
        "没有可供增量依赖的备份集，已改做完整备份",
    )
    return None


def _manifest(work: Work, one: Snapshot) -> dict[str, Any]:
    found = json.loads(Restic(work).must("dump", one.restic, "/manifest.json").out or "{}")
    return found if isinstance(found, dict) else {}


def _taken(work: Work, datadir: str, data: str, kind: str, base: _Base | None) -> dict[str, int]:
    """The set itself; from and to which number of the log it goes. Raises leaves of BackupFailure:
    it is only a set when the tool said so, wrote how far it came, and that is what was asked
    for."""
    argv = [
        first_of(work, BACKUP), "--defaults-extra-file=" + options_file(work), "--backup",
        "--target-dir=" + data, "--datadir=" + datadir,
    ]  # fmt: skip
    if base is not None:
        argv.append("--incremental-lsn={0}".format(base.lsn))
    ran = work.run(argv)
    facts = checkpoints(data)
    if ran.rc < 0 or (ran.rc == 0 and not facts):
        raise Interrupted(
            "mariadb-backup was ended before it was done", "mariadb-backup 在完成之前被终止"
        )
    if ran.rc != 0 or not ran.last.endswith(DONE):
        raise _of_backup(ran)
    first, last = int(facts.get("from_lsn", -1)), int(facts.get("to_lsn", -1))
    if (
        facts.get("backup_type") != _TYPES[kind]
        or first != (base.lsn if base else 0)
        or last < first
    ):
        raise Rejected(
            "mariadb-backup made something else: {0}".format(facts), "备份结果与要求不符"
        )
    return {"from": first, "to": last}


def _of_backup(ran: Ran) -> BackupFailure:
    if "page corruption" in ran.err or "is corrupted" in ran.err:
        told = next(line for line in ran.err.splitlines() if "corrupt" in line)[:300]
        return Rejected("the database is damaged: " + told, "数据库已损坏：" + told)
    return failure(ran, "mariadb-backup")


def _say_moving(work: Work, names: list[str]) -> None:
    if names:
        shown = ", ".join(names[:5])
        work.note(
            "{0} tables changed during the backup and are not proven: {1}".format(
                len(names), shown
            ),
            "{0} 个表在备份期间有变化，未作证明：{1}".format(len(names), shown),
        )


def _ends(work: Work, known: list[Snapshot]) -> dict[str, tuple[int, int]]:
    """Set -> from and to which number of the log it goes, of those that are part of a chain."""
    parents = {one.parent for one in known if one.parent}
    found = {}
    for one in known:
        if one.parent or one.id in parents:
            with contextlib.suppress(BackupFailure, ValueError, KeyError):
                lsn = _manifest(work, one)["lsn"]
                found[one.id] = (int(lsn["from"]), int(lsn["to"]))
    return found


def _joined(sets: list[SetFacts], ends: dict[str, tuple[int, int]]) -> list[SetFacts]:
    """The sets, oldest first; one whose number does not fit is damaged, and so is what builds upon
    it."""
    wrong: dict[str, str] = {}
    found = []
    for one in sets:
        text = one.damaged
        if not text and one.parent:
            fits = one.id in ends and one.parent in ends and ends[one.id][0] == ends[one.parent][1]
            text = "" if fits else "it does not begin where {0} ended".format(one.parent)
            text = wrong.get(one.parent) or text
        if text:
            wrong[one.id] = "{0}: {1}".format(one.id, text)
        found.append(one._replace(damaged=text, level=0 if text else one.level))
    return found


def _replaced(work: Work, base: str, target: str) -> str:
    """The prepared data take the place of the old ones, which are kept."""
    like = os.stat(target if os.path.exists(target) else os.path.dirname(target))
    kept, fresh = "{0}.before-{1}".format(target, stamp(time.time())), target + ".new"
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        shutil.copytree(base, fresh)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise NoRoom("{0}: {1}".format(fresh, error), "无法写入 " + fresh) from None
    for at, names, files in os.walk(fresh):
        for each in (at, *(os.path.join(at, name) for name in (*names, *files))):
            os.chmod(each, 0o700 if os.path.isdir(each) else 0o660)
            os.chown(each, like.st_uid, like.st_gid)
    if os.path.exists(target):
        moved_aside(work, target, kept)
    os.rename(fresh, target)
    return "{0} replaced; the old data are {1}".format(target, kept)
