# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalog of backups in the ledger; ``SqlLedger.backups``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select

from storewarden.adapters.ledger import backup_queries, backup_rows, journal
from storewarden.adapters.ledger.backup_writing import write_catalog
from storewarden.adapters.ledger.tables import (
    BACKUP_DELETION,
    BACKUP_DRILL,
    BACKUP_RUN,
    BACKUP_SET,
)
from storewarden.adapters.ledger.transactions import Transactions
from storewarden.domain.backup.catalog import (
    BackupSet,
    Catalog,
    DeletionRequest,
    DrillRecord,
    Run,
    Target,
    Verb,
)
from storewarden.domain.backup.catalog_events import CatalogEvent, DeletionProposed, RunBegan
from storewarden.domain.backup.deletion_number import next_deletion
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.backup_catalog import DecideDeletion
from storewarden.ports.clock import Clock
from storewarden.ports.journal import stamp
from storewarden.ports.ledger import JournalEntry


class SqlBackups:
    """``ports.backup_catalog.BackupCatalog`` on a database."""

    def __init__(self, transactions: Transactions, clock: Clock) -> None:
        self._transactions = transactions
        self._clock = clock

    def record(self, events: Sequence[CatalogEvent]) -> None:
        """Write down what happened, all or nothing; what is known already is left out."""
        with self._transactions.writing() as connection:
            journal.lock(connection)
            write_catalog(connection, events, self._clock.now())

    def begin(self, runs: Sequence[Run]) -> tuple[Run, ...]:
        """Write down that these are ordered, in one step; those that are new."""
        with self._transactions.writing() as connection:
            journal.lock(connection)
            fresh = _fresh(connection, runs)
            write_catalog(connection, [RunBegan(run=each) for each in fresh], self._clock.now())
            return fresh

    def of(self, targets: Sequence[Target] | None = None) -> Catalog:
        """What is known of these targets, None for all."""
        with self._transactions.reading() as connection:
            there = backup_queries.catalogs(connection, self._clock.now(), targets).values()
        return Catalog(
            sets=tuple(each for one in there for each in one.sets),
            runs=tuple(each for one in there for each in one.runs),
            drills=tuple(each for one in there for each in one.drills),
        )

    def catalogs(
        self, *, since: datetime | None = None, targets: Sequence[Target] | None = None
    ) -> dict[Target, Catalog]:
        """The same for each target that the catalog has ever heard of, or of ``targets``; with
        ``since`` only sets received from then on, and what they build upon."""
        with self._transactions.reading() as connection:
            return backup_queries.catalogs(connection, self._clock.now(), targets, since)

    def changed(self, since: int | None) -> tuple[int, frozenset[Target]]:
        """The number of the newest entry, and the targets that entries after ``since`` tell of."""
        with self._transactions.reading() as connection:
            return backup_queries.changed(connection, since)

    def hosts(self) -> tuple[str, ...]:
        """Hosts that sets are known of which are not gone, by name."""
        with self._transactions.reading() as connection:
            return backup_queries.hosts(connection)

    def open_runs(self) -> tuple[Run, ...]:
        """Runs that have begun and not ended, oldest first."""
        with self._transactions.reading() as connection:
            return backup_queries.open_runs(connection)

    def run(self, run: str) -> Run | None:
        """One run by its id."""
        with self._transactions.reading() as connection:
            return backup_queries.one(connection, BACKUP_RUN, run, backup_rows.run_of)

    def runs(
        self,
        *,
        host: str = "",
        policy: str = "",
        verb: Verb | None = None,
        since: datetime | None = None,
        limit: int = 0,
    ) -> tuple[Run, ...]:
        """Runs, newest first."""
        chosen = backup_queries.of_target(select(BACKUP_RUN), BACKUP_RUN, host, policy)
        if verb is not None:
            chosen = chosen.where(BACKUP_RUN.c.verb == verb.value)
        if since is not None:
            chosen = chosen.where(BACKUP_RUN.c.began >= stamp(since))
        rows = self._rows(chosen.order_by(BACKUP_RUN.c.opening.desc()), limit)
        return tuple(backup_rows.run_of(row.body) for row in rows)

    def set(self, set_id: str) -> BackupSet | None:
        """One set by its id, also one that is gone."""
        with self._transactions.reading() as connection:
            return backup_queries.one_set(connection, set_id)

    def sets(
        self, *, host: str = "", policy: str = "", gone: bool = False, limit: int = 0
    ) -> tuple[BackupSet, ...]:
        """Sets, newest first; those whose copies are all gone only when asked for."""
        chosen = backup_queries.of_target(select(BACKUP_SET), BACKUP_SET, host, policy)
        if not gone:  # the sum keeps a database from walking all hosts' sets by their times
            chosen = chosen.where((BACKUP_SET.c.gone + 0 if host else BACKUP_SET.c.gone) == 0)
        ordered = chosen.order_by(BACKUP_SET.c.received.desc(), BACKUP_SET.c.opening.desc())
        with self._transactions.reading() as connection:
            rows = connection.execute(ordered.limit(limit) if limit else ordered).all()
            return tuple(backup_queries.with_copies(connection, rows))

    def drills(
        self, *, host: str = "", policy: str = "", since: datetime | None = None, limit: int = 0
    ) -> tuple[DrillRecord, ...]:
        """Drills, newest first."""
        chosen = backup_queries.of_target(select(BACKUP_DRILL), BACKUP_DRILL, host, policy)
        if since is not None:
            chosen = chosen.where(BACKUP_DRILL.c.began >= stamp(since))
        rows = self._rows(chosen.order_by(BACKUP_DRILL.c.opening.desc()), limit)
        return tuple(backup_rows.drill_of(row.body) for row in rows)

    def propose(self, sets: Sequence[str], digest: str, by: str) -> DeletionRequest:
        """Open a request to delete; the open one of the same digest is given back instead."""
        with self._transactions.writing() as connection:
            journal.lock(connection)
            there = backup_queries.open_deletion(connection, digest)
            if there is not None:
                return there
            now = self._clock.now()
            last = connection.execute(select(func.max(BACKUP_DELETION.c.number))).scalar_one()
            number = next_deletion(now, last or "")
            event = DeletionProposed(number=number, at=now, sets=tuple(sets), digest=digest, by=by)
            return _request(connection, number, [event], now)

    def deletion(self, number: str) -> DeletionRequest | None:
        """One request by its number."""
        with self._transactions.reading() as connection:
            return _deletion(connection, number)

    def deletions(self, *, open_only: bool = False, limit: int = 0) -> tuple[DeletionRequest, ...]:
        """Requests, newest first; open are those that were proposed or approved."""
        chosen = select(BACKUP_DELETION).order_by(BACKUP_DELETION.c.opening.desc())
        chosen = chosen.where(BACKUP_DELETION.c.open == 1) if open_only else chosen
        return tuple(backup_rows.deletion_of(row.body) for row in self._rows(chosen, limit))

    def amend_deletion(self, number: str, decide: DecideDeletion) -> DeletionRequest:
        """Record what ``decide`` makes of it as it is now, under the lock."""
        with self._transactions.writing() as connection:
            journal.lock(connection)
            there = _deletion(connection, number)
            if there is None:
                raise ConfigInvalid("there is no such deletion", where=number)
            events = tuple(decide(there))
            return _request(connection, number, events, self._clock.now())

    def history(self, subject: str) -> tuple[JournalEntry, ...]:
        """The journal entries of a run, a set, a drill or a deletion, in order."""
        with self._transactions.reading() as connection:
            return tuple(journal.of_run(connection, subject, backup_rows.KINDS))

    def _rows(self, chosen: Select[Any], limit: int) -> Sequence[Any]:
        with self._transactions.reading() as connection:
            return connection.execute(chosen.limit(limit) if limit else chosen).all()


def _fresh(connection: Connection, runs: Sequence[Run]) -> tuple[Run, ...]:
    """Those that nobody knows, and whose target has no other that is open."""
    busy = backup_queries.open_places(connection)
    known = backup_queries.known(connection, BACKUP_RUN, [each.id for each in runs])
    fresh: dict[str, Run] = {}
    for each in runs:
        if each.id not in known and each.id not in fresh and _place(each) not in busy:
            fresh[each.id] = each
            busy.add(_place(each))
    return tuple(fresh.values())


def _place(run: Run) -> tuple[str, str, str, str]:
    return run.target.host, run.target.policy, run.verb.value, run.location


def _deletion(connection: Connection, number: str) -> DeletionRequest | None:
    return backup_queries.one(connection, BACKUP_DELETION, number, backup_rows.deletion_of)


def _request(
    connection: Connection, number: str, events: Sequence[CatalogEvent], now: datetime
) -> DeletionRequest:
    write_catalog(connection, events, now)
    found = _deletion(connection, number)
    assert found is not None  # noqa: S101 - for the type checker: it was there, or was written
    return found
