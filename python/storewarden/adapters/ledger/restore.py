# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup in the place of a ledger, or not at all.

The backup is copied, brought to this release's schema and verified, aside; what
the ledger that is there has and the backup lacks is counted; the restore is noted
in the copy's journal; then one rename puts it in place. Whatever fails before
leaves everything as it was. The old file is kept under another name.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as sqlite

from storewarden.adapters.ledger import copies, tombstones
from storewarden.adapters.ledger.connection import connect, locate
from storewarden.adapters.ledger.failures import translated
from storewarden.adapters.ledger.ownership import leave_to_owner
from storewarden.adapters.ledger.rollout_rows import is_series, series_of
from storewarden.adapters.ledger.sql import PATIENCE, SqlLedger
from storewarden.adapters.ledger.upgrade import alone, bring_forward
from storewarden.domain.change.numbers import parse_number
from storewarden.domain.errors import AdapterError, ConfigInvalid, LedgerConflict, Refused
from storewarden.ports.clock import Clock
from storewarden.ports.ledger import Anchor, Head

_WAIT = PATIENCE.total_seconds()
_SOON = 2.0  # seconds another process may take to let go of the ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """What is asked for. ``anchors`` are hashes known from outside, newer ones than the backup
    included; ``mark`` is told up to where they hold when entries are given up; ``by`` is who
    asks."""

    ledger: Path
    backup: Path
    by: str
    anchors: Sequence[Anchor] = ()
    mark: Callable[[Anchor], None] | None = None
    replace: bool = False
    accept_loss: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came of it: the ledger's head now, the backup's own, what was given up and kept.

    ``given_up`` None means: the old ledger could not be read, so nobody knows.
    """

    at: datetime
    head: Head
    backup: Head
    given_up: int | None
    kept: Path | None


def restore(asked: Restore, clock: Clock) -> Restored:
    """Put the backup in place.

    Raises ConfigInvalid when there is no backup, LedgerConflict when it does not verify or
    the ledger is in use, Refused when something would be lost without being accepted,
    AdapterError when the disk fails.
    """
    if not asked.backup.is_file():
        raise ConfigInvalid("there is no such backup", where=str(asked.backup))
    if asked.ledger.exists() and not asked.replace:
        raise Refused(
            "there is a ledger already",
            where=str(asked.ledger),
            hint="--replace keeps it under another name",
        )
    sha256 = _intact(asked.backup)
    try:
        asked.ledger.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _candidate(asked) as candidate, alone(asked.ledger, _WAIT):
            return _Exchange(asked, candidate, sha256, clock).made()
    except OSError as failure:
        raise AdapterError(
            f"cannot be restored: {failure.strerror}", where=str(asked.ledger)
        ) from failure


class _Exchange:
    """The step from the ledger that is there to the one that is asked for."""

    def __init__(self, asked: Restore, candidate: Path, sha256: str, clock: Clock) -> None:
        self._asked = asked
        self._candidate = candidate
        self._sha256 = sha256
        self._clock = clock
        self._now = clock.now()

    def made(self) -> Restored:
        """Count, refuse or note, and exchange."""
        ledger = self._asked.ledger
        there = ledger.exists()
        if there:
            _seize(ledger)
        before = self._verified()
        given_up = self._given_up(before, there=there)
        if given_up != 0 and not self._asked.accept_loss:
            raise _loss(given_up, before, self._asked)
        aside = self._aside() if there else None
        head = self._noted(given_up, aside)
        if given_up != 0 and self._asked.mark is not None:  # it counts with the note only
            at = Anchor(sequence=before.sequence, hash=before.hash, at=self._now, where="file")
            self._asked.mark(at)
        if aside is not None:
            _keep(ledger, aside)
        leave_to_owner(self._candidate, ledger if there else ledger.parent)
        self._candidate.replace(ledger)
        copies.sync(ledger.parent)
        return Restored(at=self._now, head=head, backup=before, given_up=given_up, kept=aside)

    def _verified(self) -> Head:
        """The backup's head, when all of it is as it should be."""
        with self._opened() as ledger:
            head = ledger.head()
            known = {a.sequence: a.hash for a in self._asked.anchors if a.sequence <= head.sequence}
            copies.refuse_problems(ledger.verify(known=known), self._asked.backup)
        return head

    def _given_up(self, before: Head, *, there: bool) -> int | None:
        """Entries that exist, or existed when they were anchored, and are not in the backup."""
        newest = max((anchor.sequence for anchor in self._asked.anchors), default=0)
        anchored = max(0, newest - before.sequence)
        if not there:
            return anchored
        lacking = _lacking(self._asked.ledger, self._candidate)
        return None if lacking is None else max(lacking, anchored)

    def _noted(self, given_up: int | None, aside: Path | None) -> Head:
        made = tombstones.Restoration(
            at=self._now,
            by=self._asked.by,
            backup=self._sha256,
            given_up=given_up,
            kept=aside.name if aside else "",
            series=_numbers_beyond(self._asked.ledger, self._candidate) if aside else {},
        )
        with self._opened() as ledger:
            entry = ledger.restored(made)
        _single_file(self._candidate)
        return Head(sequence=entry.sequence, hash=entry.hash)

    def _opened(self) -> SqlLedger:
        return SqlLedger(connect(locate(self._candidate), _WAIT), self._clock)

    def _aside(self) -> Path:
        ledger = self._asked.ledger
        stamp = self._now.strftime("%Y%m%dT%H%M%S.%fZ")
        return ledger.with_name(f"{ledger.name}.replaced-{stamp}")


def _intact(backup: Path) -> str:
    """The digest of the backup's file, which its manifest must tell, too."""
    try:
        found = copies.sha256_of(backup)
    except OSError as failure:
        raise AdapterError(f"cannot be read: {failure.strerror}", where=str(backup)) from failure
    manifest = copies.read_manifest(copies.manifest_path(backup))
    if manifest is not None and manifest.sha256 != found:
        raise LedgerConflict(
            "was altered or damaged: its bytes are not those of its manifest",
            where=str(backup),
            hint="use another backup; keep this one, it may be evidence",
        )
    return found


@contextmanager
def _candidate(asked: Restore) -> Iterator[Path]:
    """A copy of the backup with this release's schema, in a folder of its own."""
    folder = tempfile.mkdtemp(dir=asked.ledger.parent, prefix=".restoring-")  # 0700
    try:
        candidate = Path(folder) / asked.ledger.name
        copies.copy(asked.backup, candidate)
        engine = connect(locate(candidate), _WAIT)
        try:
            with translated(str(asked.backup)):
                bring_forward(engine, _WAIT)
        finally:
            engine.dispose()
        yield candidate
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _seize(ledger: Path) -> None:
    """Fold the side files in, which SQLite does for the last user of a file only.

    Raises LedgerConflict when somebody else has it open. A file that is damaged has nothing
    to fold in.
    """
    with closing(sqlite.connect(str(ledger), timeout=_SOON)) as connection:
        try:
            connection.execute("PRAGMA journal_mode=DELETE").fetchall()
        except sqlite.OperationalError as failure:
            if failure.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise LedgerConflict(
                    "another process has the ledger open",
                    where=str(ledger),
                    hint="stop storewarden serve and wait for other commands",
                ) from failure
        except sqlite.DatabaseError:
            return


def _lacking(ledger: Path, candidate: Path) -> int | None:
    """How many entries of ``ledger`` the candidate lacks; None when it cannot be read."""
    try:
        with closing(
            sqlite.connect(ledger.absolute().as_uri() + "?mode=ro", uri=True)
        ) as connection:
            connection.execute("ATTACH DATABASE ? AS candidate", (str(candidate),))
            return int(_only(connection.execute(_LACKING)))
    except sqlite.DatabaseError:
        return None


_LACKING = (
    "SELECT count(*) FROM main.journal AS mine LEFT JOIN candidate.journal AS theirs"
    " ON theirs.sequence = mine.sequence AND theirs.hash = mine.hash"
    " WHERE theirs.sequence IS NULL"
)


def _numbers_beyond(ledger: Path, candidate: Path) -> dict[str, int]:
    """Series -> the last number that ``ledger`` has given out, where the candidate is behind."""
    try:
        with closing(
            sqlite.connect(ledger.absolute().as_uri() + "?mode=ro", uri=True)
        ) as connection:
            connection.execute("ATTACH DATABASE ? AS candidate", (str(candidate),))
            found = connection.execute(_BEYOND).fetchall()
    except sqlite.DatabaseError:  # damaged, or of a release that knew no changes
        return {}
    return {series: last for series, last in found if _is_series(series, last)}


_BEYOND = (
    "SELECT mine.series, mine.last FROM main.change_series AS mine"
    " LEFT JOIN candidate.change_series AS theirs ON theirs.series = mine.series"
    " WHERE mine.last > coalesce(theirs.last, 0)"
)


def _is_series(series: object, last: object) -> bool:
    """The old ledger may have been tampered with: nothing strange is taken over."""
    try:
        if is_series(str(series)):
            change = parse_number(str(series).removesuffix(series_of("")))
            return series == series_of(str(change)) and type(last) is int
        return parse_number(f"{series}-{last:03d}").series == series
    except (ValueError, TypeError):
        return False


def _only(rows: Any) -> Any:
    return rows.fetchone()[0]


def _loss(given_up: int | None, before: Head, asked: Restore) -> Refused:
    if given_up is None:
        what = "the ledger that is there cannot be read, so what the backup lacks is not known"
    else:
        entries = "1 entry" if given_up == 1 else f"{given_up} entries"
        what = f"the backup ends at entry {before.sequence} and lacks {entries} of the ledger"
    return Refused(what, where=str(asked.backup), hint="--accept-loss gives them up")


def _keep(ledger: Path, aside: Path) -> None:
    """The old ledger under another name; the name itself is never without a file."""
    os.link(ledger, aside)
    for side in ("-wal", "-shm"):  # of a damaged file only: an intact one has none any more
        with suppress(FileNotFoundError):
            ledger.with_name(ledger.name + side).replace(aside.with_name(aside.name + side))


def _single_file(candidate: Path) -> None:
    with closing(sqlite.connect(str(candidate))) as connection:
        connection.execute("PRAGMA journal_mode=DELETE").fetchall()
    handle = os.open(candidate, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
