# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger on a database: transactions and errors around the parts beside this file.

Every writing method is one transaction that is on the disk when the method
returns. Threads and processes may share one ledger; writers wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine

from storewarden.adapters.ledger import audits, entries, journal, reading
from storewarden.adapters.ledger import verify as verification
from storewarden.adapters.ledger.connection import connect, locate, shown
from storewarden.adapters.ledger.connection import reading as for_reading
from storewarden.adapters.ledger.connection import writing as for_writing
from storewarden.adapters.ledger.failures import translated
from storewarden.adapters.ledger.upgrade import bring_forward
from storewarden.domain.baseline.drift import Drift
from storewarden.domain.baseline.finding import Audit, HostAudit
from storewarden.domain.errors import StorewardenError
from storewarden.ports.clock import Clock
from storewarden.ports.journal import stamp
from storewarden.ports.ledger import JournalEntry, Verification

PATIENCE = timedelta(seconds=30)
"""How long a writer waits for another; an audit's transactions take milliseconds."""

_PAGE = 500


def open_ledger(place: str | Path, *, clock: Clock, patience: timedelta = PATIENCE) -> SqlLedger:
    """Open the ledger at a path or postgresql:// address; create or upgrade it when needed.

    Raises ConfigInvalid for an address nobody can open, ContentMissing without the
    driver, LedgerConflict when it is newer, damaged or locked, AdapterError when the
    disk or server fails. Each names the place, never a password.
    """
    url = locate(place)
    engine = connect(url, patience.total_seconds())
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
        self._engine = engine
        self._clock = clock
        self.place = shown(engine.url)

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
        self._engine.dispose()

    def append(self, kind: str, body: Mapping[str, object], *, run: str, step: str) -> JournalEntry:
        """Add one entry; the same (run, step) again returns the first and adds nothing."""
        note = journal.Note(at=stamp(self._clock.now()), kind=kind, run=run, step=step, body=body)
        with self._writing() as connection:
            return journal.append(connection, note).entry

    def entry(self, run: str, step: str) -> JournalEntry | None:
        """The entry of one step, if it is there."""
        with self._reading() as connection:
            return journal.find(connection, run, step)

    def journal(self, *, after: int = 0) -> Iterator[JournalEntry]:
        """Entries with a sequence above ``after``; each page is a short transaction."""
        while True:
            with self._reading() as connection:
                page = journal.page(connection, after, _PAGE)
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].sequence

    def verify(self, *, known: Mapping[int, str] | None = None) -> Verification:
        """Walk the chain and replay it against the state tables, as of one moment."""
        with self._reading() as connection:
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
        with self._writing() as connection:
            audits.begin(connection, opening, self._clock.now())

    def record_host(self, audit_id: str, host: HostAudit, at: datetime) -> tuple[Drift, ...]:
        """Store one host's result; the transitions it caused."""
        with self._writing() as connection:
            return audits.record(connection, audit_id, host, at, self._clock.now())

    def end_audit(self, audit_id: str, at: datetime, outcome: str) -> None:
        """Close an audit."""
        with self._writing() as connection:
            audits.end(connection, audit_id, at, outcome, self._clock.now())

    def audit(self, audit_id: str = reading.LAST) -> Audit | None:
        """A recorded audit with all findings."""
        with self._reading() as connection:
            return reading.audit(connection, audit_id)

    def unfinished(self) -> tuple[str, ...]:
        """Audits that were begun and have not ended, oldest first."""
        with self._reading() as connection:
            return reading.unfinished(connection)

    def drift(self, *, since: str, until: str = "") -> tuple[Drift, ...]:
        """Transitions after ``since`` and not after the audit ``until``, oldest first."""
        with self._reading() as connection:
            return reading.drift(connection, since, until)

    def last_host_count(self, scope: str) -> int | None:
        """The size of the inventory ``scope`` when last counted."""
        with self._reading() as connection:
            return reading.host_count(connection, scope)

    def remember_host_count(self, scope: str, count: int, at: datetime) -> None:
        """Store the size of the inventory ``scope``."""
        with self._writing() as connection:
            audits.count_hosts(connection, scope, count, at, self._clock.now())

    def port_samples(self, host: str) -> tuple[Mapping[str, object], ...]:
        """Packet counters of the host's named ports, one sample a day for 40 days."""
        with self._reading() as connection:
            return reading.port_samples(connection, host, self._clock.now())

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with translated(self.place), for_writing(self._engine).begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with translated(self.place), for_reading(self._engine).begin() as connection:
            yield connection
