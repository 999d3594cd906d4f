# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays the journal's backups against their tables.

Folded again from their entries, by the same folds that wrote the rows; they must come out byte for
byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, select

from storewarden.adapters.ledger import backup_rows
from storewarden.adapters.ledger.backup_writing import Shelf, Shelves
from storewarden.adapters.ledger.judging import Row, judged
from storewarden.adapters.ledger.tables import BACKUP_COPY
from storewarden.domain.backup.catalog_events import CatalogEvent
from storewarden.domain.backup.catalog_plain import event_of, subject_of
from storewarden.ports.ledger import Problem

_AT_ONCE = 2000  # rows held in memory


class BackupReplay:
    """Takes journal rows in order; collects a problem for each row they do not explain."""

    def __init__(self, connection: Connection) -> None:
        """``connection`` sees the same moment as the rows that are taken."""
        self.problems: list[Problem] = []
        self._connection = connection
        self._shelves = Shelves()
        self._broken: set[tuple[str, str]] = set()

    def take(self, row: Row) -> None:
        """One raw row."""
        kind = row["kind"]
        if not isinstance(kind, str) or not kind.startswith(backup_rows.KINDS):
            return
        try:
            self._happened(row, event_of(row["run"], kind, json.loads(row["body"])))
        except (KeyError, TypeError, ValueError, AttributeError) as failure:
            what = f"altered: not the content of a {kind!r} entry ({failure})"
            self.problems.append(Problem(where=f"entry {row['sequence']}", what=what))

    def close(self) -> list[Problem]:
        """Compare the tables; all problems."""
        for shelf in self._shelves.all():
            self._compare(shelf)
        self._compare_copies()
        return self.problems

    def _happened(self, row: Row, event: CatalogEvent) -> None:
        shelf = self._shelves.of(event)
        here = (shelf.table.name, subject_of(event))
        if here in self._broken:  # named once; what follows cannot be folded any more
            return
        self._broken.add(here)
        shelf.take(here[1], event)
        self._broken.discard(here)
        self._shelves.told(event, row["sequence"])

    def _compare(self, shelf: Shelf) -> None:
        waiting = dict.fromkeys(shelf.sequence)
        for row in self._all(shelf.table):
            subject = row[next(iter(shelf.table.primary_key.columns)).name]
            known = subject in waiting
            waiting.pop(subject, None)
            self._judge(shelf.table, shelf.row(subject) if known else None, row)
        for missing in waiting:
            self._judge(shelf.table, shelf.row(missing), None)

    def _compare_copies(self) -> None:
        waiting = dict(self._shelves.copies)
        for row in self._all(BACKUP_COPY):
            key = (row["set"], row["location"])
            sequence = waiting.pop(key, None)
            expected = None if sequence is None else self._copy(key, sequence)
            self._judge(BACKUP_COPY, expected, row)
        for key, sequence in waiting.items():
            self._judge(BACKUP_COPY, self._copy(key, sequence), None)

    def _copy(self, key: tuple[str, str], sequence: int) -> dict[str, Any]:
        return backup_rows.copy_row(self._shelves.copy(key), sequence)

    def _all(self, table: Table) -> Any:
        few = {"yield_per": _AT_ONCE}
        return self._connection.execute(select(table), execution_options=few).mappings()

    def _judge(self, table: Table, expected: Mapping[Any, Any] | None, actual: Row | None) -> None:
        problem = judged(table.name, expected, actual)
        if problem is not None:
            self.problems.append(problem)
