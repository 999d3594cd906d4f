# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of the backup catalog on their way into the journal and the rows.

A night brings ten thousand of them: what they are about is read at once, folded in memory, and
written in one go. An event that changes nothing is known already and leaves no entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select, tuple_

from storewarden.adapters.ledger import backup_queries, backup_rows, journal
from storewarden.adapters.ledger.tables import (
    BACKUP_COPY,
    BACKUP_DELETION,
    BACKUP_DRILL,
    BACKUP_RUN,
    BACKUP_SET,
    JOURNAL,
)
from storewarden.domain.backup.catalog import BackupSet, Copy
from storewarden.domain.backup.catalog_events import (
    CatalogEvent,
    CopyGone,
    CopySeen,
    Drilled,
    HoldChanged,
    RunBegan,
    RunEnded,
    SetFound,
)
from storewarden.domain.backup.catalog_fold import fold_deletion, fold_drill, fold_run, fold_set
from storewarden.domain.backup.catalog_plain import body_of, entry_kind, event_of, subject_of
from storewarden.domain.errors import LedgerConflict
from storewarden.ports.journal import stamp

_AT_ONCE = 500
"""Parameters of one question: a database takes some ten thousand, and reads few well."""

type Rows = dict[str, dict[str, Any]]


@dataclass(slots=True)
class Shelf:
    """Records of one table: as they stand, and of each the first entry and the last one."""

    table: Table
    fold: Callable[[Any, Any], Any]
    there: dict[str, Any] = field(default_factory=dict)
    opening: dict[str, int] = field(default_factory=dict)
    sequence: dict[str, int] = field(default_factory=dict)

    def take(self, subject: str, event: CatalogEvent) -> bool:
        """Whether the event changed anything. Raises ValueError for what cannot have happened."""
        before = self.there.get(subject)
        after = self.fold(before, event)
        self.there[subject] = after
        return bool(after != before)

    def told(self, subject: str, sequence: int) -> None:
        """The entry of an event that was taken."""
        self.opening.setdefault(subject, sequence)
        self.sequence[subject] = sequence

    def row(self, subject: str) -> dict[str, Any]:
        """The columns of a record."""
        record, opening, last = (
            self.there[subject],
            self.opening[subject],
            self.sequence[subject],
        )
        if self.table is BACKUP_DRILL:
            return backup_rows.drill_row(record, opening)
        if self.table is BACKUP_RUN:
            return backup_rows.run_row(record, opening, last)
        if self.table is BACKUP_SET:
            return backup_rows.set_row(record, opening, last)
        return backup_rows.deletion_row(record, opening, last)


@dataclass(slots=True)
class Shelves:
    """All records that events are about, and the copies that they changed."""

    runs: Shelf = field(default_factory=lambda: Shelf(BACKUP_RUN, fold_run))
    sets: Shelf = field(default_factory=lambda: Shelf(BACKUP_SET, fold_set))
    drills: Shelf = field(default_factory=lambda: Shelf(BACKUP_DRILL, fold_drill))
    deletions: Shelf = field(default_factory=lambda: Shelf(BACKUP_DELETION, fold_deletion))
    copies: dict[tuple[str, str], int] = field(default_factory=dict)
    """Set and place -> the entry that changed the copy last."""

    def of(self, event: CatalogEvent) -> Shelf:
        """Where the record lies that an event is about."""
        if isinstance(event, RunBegan | RunEnded):
            return self.runs
        if isinstance(event, SetFound | CopySeen | CopyGone | HoldChanged):
            return self.sets
        return self.drills if isinstance(event, Drilled) else self.deletions

    def all(self) -> tuple[Shelf, ...]:
        """One shelf for each table but that of copies."""
        return self.runs, self.sets, self.drills, self.deletions

    def told(self, event: CatalogEvent, sequence: int) -> None:
        """The entry of an event that was taken."""
        self.of(event).told(subject_of(event), sequence)
        if isinstance(event, CopySeen | CopyGone):
            self.copies[event.set, event.location] = sequence

    def copy(self, key: tuple[str, str]) -> Copy:
        """A copy as it stands."""
        backup: BackupSet = self.sets.there[key[0]]
        return next(each for each in backup.copies if each.location == key[1])


def write_catalog(connection: Connection, events: Sequence[CatalogEvent], now: datetime) -> Shelves:
    """Record the events, under the journal's lock, which the caller has.

    Raises LedgerConflict for what cannot have happened: nothing is written.
    """
    shelves = _before(connection, events)
    fresh = [read for read in map(_as_read_again, events) if _new(shelves, read)]
    steps = _steps(connection, list(dict.fromkeys(subject_of(each) for each in fresh)))
    notes = []
    for event in fresh:
        subject = subject_of(event)
        steps[subject] = steps.get(subject, 0) + 1
        notes.append(backup_rows.note_of(event, str(steps[subject]), stamp(now)))
    entries = journal.extend(connection, notes)
    for event, entry in zip(fresh, entries, strict=True):
        shelves.told(event, entry.sequence)
    _store(connection, shelves)
    return shelves


def _as_read_again(event: CatalogEvent) -> CatalogEvent:
    """Rows come of the journal's own words: what a record loses on the way there is lost."""
    try:
        return event_of(subject_of(event), entry_kind(event), body_of(event))
    except ValueError as error:
        raise _refusal(error) from None


def _new(shelves: Shelves, event: CatalogEvent) -> bool:
    try:
        return shelves.of(event).take(subject_of(event), event)
    except ValueError as error:
        raise _refusal(error) from None


def _refusal(error: ValueError) -> LedgerConflict:
    return LedgerConflict(str(error), where="backup catalog", hint="nothing was written")


def _before(connection: Connection, events: Iterable[CatalogEvent]) -> Shelves:
    shelves = Shelves()
    asked: dict[str, dict[str, None]] = {}
    for event in events:
        asked.setdefault(shelves.of(event).table.name, {})[subject_of(event)] = None
    for shelf in shelves.all():
        for some in _parts(list(asked.get(shelf.table.name, ()))):
            _load(connection, shelf, some)
    return shelves


def _load(connection: Connection, shelf: Shelf, subjects: Sequence[str]) -> None:
    key = _key(shelf.table)
    rows = connection.execute(select(shelf.table).where(key.in_(subjects))).all()
    for subject, record in backup_queries.records(connection, shelf.table, rows):
        shelf.there[subject] = record
    for row in rows:
        shelf.opening[row[0]] = int(row.opening)


def _steps(connection: Connection, subjects: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in _parts(subjects):
        counted = select(JOURNAL.c.run, func.count().label("times"))
        counted = counted.where(JOURNAL.c.run.in_(some)).group_by(JOURNAL.c.run)
        found |= {row.run: int(row.times) for row in connection.execute(counted)}
    return found


def _store(connection: Connection, shelves: Shelves) -> None:
    for shelf in shelves.all():
        rows = [shelf.row(subject) for subject in shelf.sequence]
        _replace(connection, shelf.table, list(shelf.sequence), rows)
    changed = list(shelves.copies)
    for some in _parts(changed):
        both = tuple_(BACKUP_COPY.c.set, BACKUP_COPY.c.location)
        connection.execute(delete(BACKUP_COPY).where(both.in_(some)))
    copies = [backup_rows.copy_row(shelves.copy(key), shelves.copies[key]) for key in changed]
    if copies:
        connection.execute(insert(BACKUP_COPY), copies)


def _replace(
    connection: Connection, table: Table, subjects: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> None:
    for some in _parts(subjects):
        connection.execute(delete(table).where(_key(table).in_(some)))
    if rows:
        connection.execute(insert(table), rows)


def _key(table: Table) -> Any:
    return next(iter(table.primary_key.columns))


def _parts[T](all_of_them: Sequence[T]) -> Iterable[Sequence[T]]:
    for start in range(0, len(all_of_them), _AT_ONCE):
        yield all_of_them[start : start + _AT_ONCE]
