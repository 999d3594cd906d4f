# SPDX-License-Identifier: GPL-3.0-or-later
"""Closed months in the ledger, and the questions about audits that closing one takes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from storewarden.adapters.ledger import journal
from storewarden.adapters.ledger.drift_rows import (
    MONTH_CLOSED,
    device_of,
    month_in,
    month_note,
    month_rows,
)
from storewarden.adapters.ledger.tables import AUDIT, DEVICE_MONTH, HOST_RESULT, JOURNAL
from storewarden.adapters.ledger.transactions import Transactions
from storewarden.domain.baseline.compliance import FleetMonth, Month
from storewarden.domain.baseline.finding import AuditState
from storewarden.ports.clock import Clock
from storewarden.ports.journal import moment, stamp

_RUN = "compliance"


class SqlComplianceMonths:
    """The months of a ledger; ``SqlLedger.compliance``."""

    def __init__(self, transactions: Transactions, clock: Clock) -> None:
        self._transactions = transactions
        self._clock = clock

    def audits(self, starts: datetime, ends: datetime) -> tuple[str, ...]:
        """Ids of the audits that began in that time and have ended, in the journal's order."""
        chosen = select(AUDIT.c.id).where(
            AUDIT.c.ended != "", AUDIT.c.at >= stamp(starts), AUDIT.c.at < stamp(ends)
        )
        with self._transactions.reading() as connection:
            return tuple(connection.execute(chosen.order_by(AUDIT.c.sequence)).scalars())

    def audited(self, audit: str) -> frozenset[str]:
        """The hosts of which that audit has findings."""
        chosen = select(HOST_RESULT.c.host).where(
            HOST_RESULT.c.audit == audit,
            HOST_RESULT.c.state == AuditState.AUDITED.value,
            HOST_RESULT.c.evidence != b"",
        )
        with self._transactions.reading() as connection:
            return frozenset(connection.execute(chosen).scalars())

    def first_audit(self) -> datetime | None:
        """When the oldest audit that has ended began; None without any."""
        with self._transactions.reading() as connection:
            chosen = select(func.min(AUDIT.c.at)).where(AUDIT.c.ended != "")
            at = connection.execute(chosen).scalar()
        return moment(at) if at else None

    def close_month(self, fleet: FleetMonth) -> FleetMonth:
        """Record a month for good; the month as it stands in the ledger."""
        with self._transactions.writing() as connection:
            journal.lock(connection)
            there = _month(connection, fleet.month)
            if there is not None:
                return there
            entry = journal.append(connection, month_note(fleet, self._clock.now())).entry
            rows = month_rows(entry.body, entry.sequence)
            if rows:
                connection.execute(insert(DEVICE_MONTH), list(rows))
            return _month(connection, fleet.month) or fleet

    def month(self, month: Month) -> FleetMonth | None:
        """A closed month; None when it was not closed."""
        with self._transactions.reading() as connection:
            return _month(connection, month)

    def months(self) -> tuple[Month, ...]:
        """All closed months, oldest first."""
        chosen = select(JOURNAL.c.step).where(JOURNAL.c.run == _RUN, JOURNAL.c.kind == MONTH_CLOSED)
        with self._transactions.reading() as connection:
            return tuple(sorted(map(month_in, connection.execute(chosen).scalars())))


def _month(connection: Connection, month: Month) -> FleetMonth | None:
    entry = journal.find(connection, _RUN, str(month))
    if entry is None:
        return None
    mine = select(DEVICE_MONTH.c.body).where(DEVICE_MONTH.c.month == str(month))
    lines = connection.execute(mine.order_by(DEVICE_MONTH.c.place)).scalars()
    devices = tuple(device_of(line) for line in lines)
    return FleetMonth(month=month, devices=devices, closed_at=entry.at)
