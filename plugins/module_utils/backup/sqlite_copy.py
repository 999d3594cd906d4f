# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One SQLite database copied while it is used, by SQLite's own interface: a plain copy of the file
misses what is still in the write-ahead log."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from typing import Any, Iterator

from .failures import BackupFailure, Busy, Interrupted, NoRoom, Rejected, Unfit
from .sqlite_manifest import again, manifest_of

PAGES = 2048  # 8 MiB of pages of 4 KiB in one step; a writer waits no longer than that takes
_PAUSE = 0.005  # seconds between steps, in which a writer gets its turn
_RESTARTS = 5  # of a copy that a writer keeps changing; after that all of it in one step
_WAIT = 30.0  # seconds that a lock is waited for
_BUSY, _FULL, _CANTOPEN = "locked", "full", "unable to open"


@contextlib.contextmanager
def looking(path: str) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write. Raises leaves of BackupFailure for what SQLite says."""
    base = _opened(path)
    base.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    try:
        yield base
    except sqlite3.Error as error:
        raise failure(path, error) from None
    finally:
        base.close()


def _opened(path: str) -> sqlite3.Connection:
    """Read-only. A log that lies there without its index needs a writer to make that, who then
    promises to write nothing else."""
    try:
        base = _connected(path, "ro")
        base.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        return base
    except sqlite3.OperationalError as error:
        if _CANTOPEN not in str(error):
            raise failure(path, error) from None
    except sqlite3.Error as error:
        raise failure(path, error) from None
    try:
        base = _connected(path, "rw")
        base.execute("PRAGMA query_only = 1")
        return base
    except sqlite3.Error as error:
        raise failure(path, error) from None


def _connected(path: str, mode: str) -> sqlite3.Connection:
    from urllib.parse import quote

    uri = "file:{0}?mode={1}".format(quote(path), mode)
    return sqlite3.connect(uri, uri=True, timeout=_WAIT, isolation_level=None)


def failure(path: str, error: sqlite3.Error) -> BackupFailure:
    """What SQLite's error means to a backup."""
    text = str(error)
    if _BUSY in text:
        return Busy(
            "{0} was locked for {1:.0f} s".format(path, _WAIT),
            "{0} 被锁定超过 {1:.0f} 秒".format(path, _WAIT),
        )
    if _FULL in text:
        return NoRoom("{0}: {1}".format(path, text), "{0}：磁盘空间不足".format(path))
    if isinstance(error, sqlite3.OperationalError):
        return Unfit("{0}: {1}".format(path, text), "{0}：无法读取（{1}）".format(path, text))
    return Rejected("{0} is damaged: {1}".format(path, text), "{0} 已损坏：{1}".format(path, text))


def wrong(base: sqlite3.Connection) -> list[str]:
    """What the integrity check finds, a line each; [] is well."""
    try:
        found = [str(row[0]) for row in base.execute("PRAGMA integrity_check(20)")]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [] if found == ["ok"] else found


def copied(path: str, target: str, rows: int, left: float) -> dict[str, Any]:
    """Copy a database and prove the copy; the manifest of what it must have in it.

    With a write-ahead log it all happens in one snapshot, and writers go on. Without one a writer
    makes the copy begin again; what changed meanwhile is left out of the manifest.
    Raises Busy, Rejected, NoRoom, Interrupted, Unfit."""
    with looking(path) as base:
        logged = base.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        if logged:
            base.execute("BEGIN")
        before = manifest_of(base, rows)
        _pages(base, path, target, time.monotonic() + left, whole=logged)
        after = before if logged else again(base, before, rows)
    with looking(target) as copy:
        if damage := wrong(copy):
            raise Rejected(
                "{0} is damaged: {1}".format(path, damage[0]),
                "{0} 已损坏：{1}".format(path, damage[0]),
            )
        return {"wal": logged, **_proven(path, before, after, again(copy, before, rows))}


def _pages(base: sqlite3.Connection, path: str, target: str, ends: float, *, whole: bool) -> None:
    """The copy itself; ``whole``: nothing can change it meanwhile."""
    watch = _Watch(path, ends)
    try:
        with contextlib.closing(sqlite3.connect(target, timeout=_WAIT)) as copy:
            try:
                base.backup(copy, pages=PAGES, progress=watch.step, sleep=_PAUSE)
            except _Restless:
                if whole:
                    raise
                base.backup(copy)
            # One file and nothing beside it, whoever looks at it.
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise failure(path, error) from None


class _Restless(Exception):
    """A writer made the copy begin again too often."""


class _Watch:
    """Looks on while pages are copied."""

    def __init__(self, path: str, ends: float) -> None:
        self._path = path
        self._ends = ends
        self._left = -1
        self._restarts = 0

    def step(self, _status: int, left: int, _total: int) -> None:
        if time.monotonic() > self._ends:
            text = "copying {0} took longer than it may"
            raise Interrupted(text.format(self._path), "复制 {0} 超时".format(self._path))
        if 0 <= self._left < left:
            self._restarts += 1
        self._left = left
        if self._restarts > _RESTARTS:
            raise _Restless


def _proven(
    path: str, before: dict[str, Any], after: dict[str, Any], copy: dict[str, Any]
) -> dict[str, Any]:
    """Tables that stood still while they were copied have to be the same in the copy."""
    still = {
        name: facts
        for name, facts in before["tables"].items()
        if after["tables"].get(name) == facts
    }
    for name, facts in still.items():
        if copy["tables"].get(name) != facts:
            raise Rejected(
                "the copy of {0} differs in table {1}".format(path, name),
                "{0} 的副本在表 {1} 中不一致".format(path, name),
            )
    return {
        "schema": copy["schema"],
        "tables": still,
        "moving": sorted(set(before["tables"]) - set(still)),
    }


def exclusive(path: str) -> None:
    """Raises Busy while somebody else uses a database that is to be replaced."""
    if not os.path.exists(path):
        return
    try:
        with contextlib.closing(_connected(path, "rw")) as base:
            base.execute("PRAGMA busy_timeout = 2000")
            base.execute("PRAGMA locking_mode = EXCLUSIVE")
            base.execute("BEGIN EXCLUSIVE")
            base.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if _BUSY in str(error):
            raise Busy(
                path + " is in use; name the service that uses it as source.unit",
                path + " 正在使用；请在 source.unit 中写明使用它的服务",
            ) from None
    except sqlite3.DatabaseError:
        return  # damaged: that is why it is replaced
