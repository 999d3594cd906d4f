# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SQLite databases: the till's own files, copied while the till sells
(docs/reference/backup-databases.md)."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import sqlite3
from typing import Any, Iterator

from .clock import stamp
from .failures import BackupFailure, NoRoom, Rejected, Unfit
from .folder_method import FolderMethod, Produced
from .method import Instance, Restored
from .sqlite_copy import copied, exclusive, looking, wrong
from .sqlite_manifest import ROWS, again, newest
from .unit_pause import paused
from .work import Work

_BESIDE = ("-wal", "-shm", "-journal")
"""What belongs to a database file and is never left beside another one."""


class Sqlite(FolderMethod):
    """``source``: ``path``, ``paths`` or ``glob``; ``rows``; ``heartbeat: {table, column}`` (and
    ``path`` where there are several databases); ``unit``, which is stopped while a file is
    replaced."""

    name = "sqlite"
    kinds = ("full",)

    def fits(self, work: Work) -> None:
        for path in _paths(work):
            with looking(path) as base:
                base.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()

    def expected(self, work: Work) -> int:
        return sum(os.path.getsize(path + end) for path in _paths(work) for end in ("", "-wal")
                   if os.path.exists(path + end))  # fmt: skip

    def produce(self, work: Work, folder: str) -> Produced:
        work.tool = "SQLite " + sqlite3.sqlite_version
        found = {}
        for path in _paths(work):
            target = _inside(folder, path)
            os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
            found[path] = copied(path, target, _rows(work), work.left())
            if found[path]["moving"]:
                names = ", ".join(found[path]["moving"][:5])
                work.note(
                    "{0}: changed while it was copied, so not proven: {1}".format(path, names),
                    "{0}：复制期间有变化，未作证明：{1}".format(path, names),
                )
        return Produced({"rows": _rows(work), "databases": found}, "full", "")

    def examined(self, work: Work, folders: tuple[str, ...]) -> list[str]:
        """A header and a size that fit together; the pages are looked at by the integrity check."""
        return [
            "{0} is no SQLite database".format(path)
            for path in _files(folders[-1])
            if not _is_database(path)
        ]

    @contextlib.contextmanager
    def opened(self, work: Work, restored: Restored, scratch: str) -> Iterator[Instance]:
        yield _Copies(work, restored)

    def put_back(self, work: Work, restored: Restored, scratch: str) -> list[str]:
        done: list[str] = []
        unit = str(work.order.source.get("unit", ""))
        fresh = _laid(work, restored)
        try:
            with paused(work, unit, done):
                for path in fresh:
                    exclusive(path)
                for path, new in fresh.items():
                    done.append(_replaced(path, new))
        finally:
            for new in fresh.values():
                with contextlib.suppress(OSError):
                    os.unlink(new)
        return done

    @contextlib.contextmanager
    def in_place(self, work: Work, restored: Restored) -> Iterator[Instance | None]:
        yield _InPlace(work, restored)


class _Copies(Instance):
    """Databases that came back, opened and never written to."""

    def __init__(self, work: Work, restored: Restored) -> None:
        self._source = work.order.source
        self._folder = restored.folders[-1]
        self._before = restored.manifest

    def _at(self, path: str) -> str:
        return _inside(self._folder, path)

    def structure(self) -> list[str]:
        found = []
        for path in self._before["databases"]:
            try:
                with looking(self._at(path)) as base:
                    found += ["{0}: {1}".format(path, line) for line in wrong(base)]
            except BackupFailure as error:
                found.append(error.en)
        return found

    def manifest(self) -> dict[str, Any]:
        rows, found = self._before["rows"], {}
        for path, before in self._before["databases"].items():
            with looking(self._at(path)) as base:
                found[path] = {**before, **again(base, before, rows)}
        return {**self._before, "databases": found}

    def heartbeat(self) -> float | None:
        words = self._source.get("heartbeat")
        if not words:
            return None
        path = words.get("path") or next(iter(self._before["databases"]))
        with looking(self._at(path)) as base:
            return newest(base, words["table"], words["column"])


class _InPlace(_Copies):
    """The databases of production."""

    def _at(self, path: str) -> str:
        return path


def _paths(work: Work) -> list[str]:
    """The databases that are meant. Raises Unfit when there are none, or one is not there."""
    source = work.order.source
    named = [source["path"]] if source.get("path") else list(source.get("paths", ()))
    found = sorted({*named, *(each for each in glob.glob(source.get("glob", ""), recursive=True)
                              if not each.endswith(_BESIDE))})  # fmt: skip
    if not found:
        raise Unfit(
            "source names no database that is there (path, paths or glob)",
            "source 没有指向任何存在的数据库（path、paths 或 glob）",
        )
    for path in found:
        if not os.path.isabs(path) or not os.path.isfile(path):
            raise Unfit("there is no database " + path, "没有数据库文件 " + path)
    return found


def _rows(work: Work) -> int:
    return max(1, int(work.order.source.get("rows", ROWS)))


def _inside(folder: str, path: str) -> str:
    return os.path.join(folder, "databases", os.path.normpath(path).lstrip("/"))


def _files(folder: str) -> list[str]:
    return sorted(
        os.path.join(at, name)
        for at, _, names in os.walk(os.path.join(folder, "databases"))
        for name in names
    )


def _is_database(path: str) -> bool:
    with open(path, "rb") as source:
        head = source.read(100)
    if len(head) < 100 or not head.startswith(b"SQLite format 3\0"):
        return False
    page = int.from_bytes(head[16:18], "big")
    size = int.from_bytes(head[28:32], "big") * (65536 if page == 1 else page)
    return size == 0 or size == os.path.getsize(path)


def _laid(work: Work, restored: Restored) -> dict[str, str]:
    """Path -> the file that will take its place, on the same filesystem, checked."""
    found = {}
    for path in restored.manifest["databases"]:
        came = _inside(restored.folders[-1], path)
        with looking(came) as base:
            if damage := wrong(base):
                raise Rejected(path + ": " + damage[0], path + "：" + damage[0])
        new = "{0}.new-{1}".format(path, work.order.run)
        try:
            _placed(came, new, path, wal=restored.manifest["databases"][path]["wal"])
        except OSError as error:
            raise NoRoom("{0}: {1}".format(new, error.strerror), "无法写入 " + new) from None
        found[path] = new
    return found


def _placed(came: str, new: str, path: str, *, wal: bool) -> None:
    """A copy with owner and mode of what it replaces, safely on the disk."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    like = os.stat(path if os.path.exists(path) else os.path.dirname(path))
    shutil.copyfile(came, new)
    if wal:
        with contextlib.closing(sqlite3.connect(new)) as base:
            base.execute("PRAGMA journal_mode = WAL")
    os.chmod(new, like.st_mode & 0o777 if os.path.exists(path) else 0o600)
    if os.geteuid() == 0:
        os.chown(new, like.st_uid, like.st_gid)
    with open(new, "rb") as written:
        os.fsync(written.fileno())


def _replaced(path: str, new: str) -> str:
    """The old file is kept with what belongs to it; the path is never empty."""
    kept = "{0}.before-{1}".format(path, stamp(os.stat(new).st_mtime))
    if os.path.exists(path):
        os.link(path, kept)
    for end in _BESIDE:
        if os.path.exists(path + end):
            os.rename(path + end, kept + end)
    os.rename(new, path)
    there = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(there)
    finally:
        os.close(there)
    return "{0} replaced; the old one is {1}".format(path, kept)
