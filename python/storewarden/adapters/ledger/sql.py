# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger on a database: one transaction around the parts beside this file.

Every writing method is one transaction that is on the disk when the method
returns. Threads and processes may share one ledger; writers wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Engine

from storewarden.adapters.ledger import (
    anchors,
    audits,
    entries,
    journal,
    reading,
    reserved,
    tombstones,
)
from storewarden.adapters.ledger import verify as verification
from storewarden.adapters.ledger.alerts import SqlAlerts
from storewarden.adapters.ledger.backup_catalog import SqlBackups
from storewarden.adapters.ledger.changes import SqlChanges, skip_numbers
from storewarden.adapters.ledger.compliance_months import SqlComplianceMonths
from storewarden.adapters.ledger.connection import Password, connect, locate, shown
from storewarden.adapters.ledger.drift_tickets import SqlDriftTickets
from storewarden.adapters.ledger.failures import translated
from storewarden.adapters.ledger.heal_pauses import SqlHealPauses
from storewarden.adapters.ledger.incidents import SqlIncidents
from storewarden.adapters.ledger.outbox import SqlOutbox
from storewarden.adapters.ledger.rollouts import SqlRollouts
from storewarden.adapters.ledger.session_locks import SessionLocks
from storewarden.adapters.ledger.transactions import Transactions
from storewarden.adapters.ledger.upgrade import bring_forward
from storewarden.domain.baseline.drift import Drift
from storewarden.domain.baseline.finding import Audit, HostAudit
from storewarden.domain.errors import StorewardenError
from storewarden.ports.clock import Clock
from storewarden.ports.journal import stamp
from storewarden.ports.ledger import Anchor, Head, JournalEntry, Verification

PATIENCE = timedelta(seconds=60)
"""How long a writer waits for its turn. A transaction takes milliseconds, on a slow disk a tenth of
a second; SQLite lets waiting writers in at random, so one of fifty may wait for most others."""

_PAGE = 500


def open_ledger(
    place: str | Path,
    *,
    clock: Clock,
    patience: timedelta = PATIENCE,
    password: Password | None = None,
) -> SqlLedger:
    """Open the ledger at a path or postgresql:// address; create or upgrade it when needed.

    ``password`` reads the one of the PostgreSQL user; without it the driver looks where it
    always does (PGPASSFILE).

    Raises ConfigInvalid for an address nobody can open, ContentMissing without the
    driver, LedgerConflict when it is newer, damaged or locked, AdapterError when the
    disk or server fails. Each names the place, never a password.
    """
    url = locate(place)
    engine = connect(url, patience.total_seconds(), password)
    try:
        with translated(shown(url)):
            bring_forward(engine, patience.total_seconds())
    except StorewardenError:
        engine.dispose()
        raise
    return SqlLedger(engine, clock)


class SqlLedger:
    """The ledger on SQLite or PostgreSQL; made by ``open_ledger``."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        """``engine`` leads to a database with this release's schema."""
        self.transactions = Transactions(engine)
        self._clock = clock
        self.place = self.transactions.place

    def __enter__(self) -> Self:
        """The ledger itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Give up all connections."""
        if "locks" in self.__dict__ and self.locks is not None:
            self.locks.close()
        self.transactions.engine.dispose()

    @cached_property
    def changes(self) -> SqlChanges:
        """The changes in this ledger."""
        return SqlChanges(self.transactions, self._clock)

    @cached_property
    def locks(self) -> SessionLocks | None:
        """Locks among all machines that use this ledger; None for a file, which has one."""
        engine = self.transactions.engine
        return SessionLocks(engine) if engine.dialect.name == "postgresql" else None

    @cached_property
    def drift_tickets(self) -> SqlDriftTickets:
        """The drift tickets in this ledger."""
        return SqlDriftTickets(self.transactions, self._clock)

    @cached_property
    def compliance(self) -> SqlComplianceMonths:
        """The months that were closed."""
        return SqlComplianceMonths(self.transactions, self._clock)

    @cached_property
    def rollouts(self) -> SqlRollouts:
        """The rollouts in this ledger."""
        return SqlRollouts(self.transactions, self._clock)

    @cached_property
    def alerts(self) -> SqlAlerts:
        """The alerts and repairs in this ledger."""
        return SqlAlerts(self.transactions, self._clock)

    @cached_property
    def incidents(self) -> SqlIncidents:
        """The incidents and problem tickets in this ledger."""
        return SqlIncidents(self.transactions, self._clock)

    @cached_property
    def heal_pauses(self) -> SqlHealPauses:
        """What is not to be healed, by a person's word."""
        return SqlHealPauses(self.transactions, self._clock)

    @cached_property
    def backups(self) -> SqlBackups:
        """The catalog of backups."""
        return SqlBackups(self.transactions, self._clock)

    @cached_property
    def outbox(self) -> SqlOutbox:
        """What still has to reach other systems."""
        return SqlOutbox(self.transactions, self._clock)

    def append(self, kind: str, body: Mapping[str, object], *, run: str, step: str) -> JournalEntry:
        """Add one entry; the same (run, step) again returns the first and adds nothing."""
        reserved.require_free(kind)
        note = journal.Note(at=stamp(self._clock.now()), kind=kind, run=run, step=step, body=body)
        return self.note(note)

    def note(self, note: journal.Note) -> JournalEntry:
        """Add an entry of any kind: for the parts of the ledger, which keep what it explains."""
        with self.transactions.writing() as connection:
            return journal.append(connection, note).entry

    def restored(self, made: tombstones.Restoration) -> JournalEntry:
        """Note that this ledger took the place of another, and keep to the numbers of that one."""
        with self.transactions.writing() as connection:
            entry = journal.append(connection, tombstones.restoration_note(made)).entry
            skip_numbers(connection, made.series, entry.sequence)
            return entry

    def head(self) -> Head:
        """The newest entry, as it is to be anchored."""
        with self.transactions.reading() as connection:
            return journal.head(connection)

    def anchored(self, anchor: Anchor) -> JournalEntry:
        """Note that ``anchor`` was laid down outside; once per place and sequence."""
        noted = self.entry(anchors.RUN, anchors.step_of(anchor))
        if noted is not None and anchors.anchor_of(noted).hash == anchor.hash:
            return noted
        return self.note(anchors.note_of(anchor, self._clock.now()))

    def anchors(self) -> tuple[Anchor, ...]:
        """All anchors the journal notes, oldest first."""
        return tuple(anchors.anchor_of(entry) for entry in self.of_run(anchors.RUN))

    def of_run(self, run: str) -> tuple[JournalEntry, ...]:
        """All entries of one run, in order."""
        with self.transactions.reading() as connection:
            return tuple(journal.of_run(connection, run))

    def entry(self, run: str, step: str) -> JournalEntry | None:
        """The entry of one step, if it is there."""
        with self.transactions.reading() as connection:
            return journal.find(connection, run, step)

    def journal(self, *, after: int = 0) -> Iterator[JournalEntry]:
        """Entries with a sequence above ``after``; each page is a short transaction."""
        while True:
            with self.transactions.reading() as connection:
                page = journal.page(connection, after, _PAGE)
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].sequence

    def verify(self, *, known: Mapping[int, str] | None = None) -> Verification:
        """Walk the chain and replay it against the state tables, as of one moment."""
        with self.transactions.reading() as connection:
            return verification.verify(connection, known or {})

    def begin_audit(
        self,
        audit_id: str,
        at: datetime,
        hosts: Sequence[str],
        controls: Sequence[str],
        content: str,
        *,
        scope: str = "",
    ) -> None:
        """Open an audit."""
        opening = entries.Opening(
            audit=audit_id,
            at=at,
            hosts=tuple(hosts),
            controls=tuple(controls),
            content=content,
            scope=scope,
        )
        with self.transactions.writing() as connection:
            audits.begin(connection, opening, self._clock.now())

    def record_host(self, audit_id: str, host: HostAudit, at: datetime) -> tuple[Drift, ...]:
        """Store one host's result; the transitions it caused."""
        with self.transactions.writing() as connection:
            return audits.record(connection, audit_id, host, at, self._clock.now())

    def end_audit(self, audit_id: str, at: datetime, outcome: str) -> None:
        """Close an audit."""
        with self.transactions.writing() as connection:
            audits.end(connection, audit_id, at, outcome, self._clock.now())

    def audit(self, audit_id: str = reading.LAST) -> Audit | None:
        """A recorded audit with all findings."""
        with self.transactions.reading() as connection:
            return reading.audit(connection, audit_id)

    def unfinished(self) -> tuple[str, ...]:
        """Audits that were begun and have not ended, oldest first."""
        with self.transactions.reading() as connection:
            return reading.unfinished(connection)

    def drift(self, *, since: str, until: str = "") -> tuple[Drift, ...]:
        """Transitions after ``since`` and not after the audit ``until``, oldest first."""
        with self.transactions.reading() as connection:
            return reading.drift(connection, since, until)

    def last_host_count(self, scope: str) -> int | None:
        """The size of the inventory ``scope`` when last counted."""
        with self.transactions.reading() as connection:
            return reading.host_count(connection, scope)

    def remember_host_count(self, scope: str, count: int, at: datetime) -> None:
        """Store the size of the inventory ``scope``."""
        with self.transactions.writing() as connection:
            audits.count_hosts(connection, scope, count, at, self._clock.now())

    def port_samples(self, host: str) -> tuple[Mapping[str, object], ...]:
        """Packet counters of the host's named ports, one sample a day for 40 days."""
        with self.transactions.reading() as connection:
            return reading.port_samples(connection, host, self._clock.now())
