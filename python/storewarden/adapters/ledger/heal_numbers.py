# SPDX-License-Identifier: GPL-3.0-or-later
"""What a decision about alerts may ask of the ledger: ids, numbers, and incidents that are open.

Counted from the clock, because a restored ledger must not give an id out again that hosts, or a
ticket system, know from the one that was given up.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, Table, func, select

from storewarden.adapters.ledger.alert_rows import ident_in
from storewarden.adapters.ledger.incident_rows import incident_of
from storewarden.adapters.ledger.tables import INCIDENT, PROBLEM, REPAIR
from storewarden.domain.healing.incident import Incident, IncidentState
from storewarden.domain.healing.numbers import INCIDENT as INCIDENTS
from storewarden.domain.healing.numbers import PROBLEM as PROBLEMS
from storewarden.domain.healing.numbers import next_number


class SqlNumbers:
    """``ports.healing.Numbers``, in a transaction that holds the journal's lock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection, self._now = connection, now
        self._repair = 0
        self._incident = ""

    def __call__(self, change: str) -> str:
        """The id of the next repair of a change: its second, or the one after the last id's."""
        if not self._repair:
            last = self._connection.execute(select(func.max(REPAIR.c.count))).scalar_one()
            self._repair = max(int(self._now.timestamp()), (last or 0) + 1)
        ident = ident_in(change, self._repair)
        self._repair += 1
        return ident

    def incident(self) -> str:
        """The number of the next incident."""
        last = self._incident or _largest(self._connection, INCIDENT)
        self._incident = next_number(INCIDENTS, self._now, last)
        return self._incident

    def open_incidents(self) -> Mapping[str, Incident]:
        """Incidents that are not closed, by fault."""
        return {each.name: each for each in open_incidents(self._connection)}


def next_problem(connection: Connection, now: datetime) -> str:
    """The number of the next problem ticket."""
    return next_number(PROBLEMS, now, _largest(connection, PROBLEM))


def open_incidents(connection: Connection) -> tuple[Incident, ...]:
    """Incidents that are not closed, oldest first."""
    chosen = select(INCIDENT.c.number, INCIDENT.c.body)
    chosen = chosen.where(INCIDENT.c.state.in_(_OPEN)).order_by(INCIDENT.c.opening)
    return tuple(incident_of(row.number, row.body) for row in connection.execute(chosen))


_OPEN = sorted(each.value for each in IncidentState if each is not IncidentState.CLOSED)


def _largest(connection: Connection, table: Table) -> str:
    return connection.execute(select(func.max(table.c.number))).scalar_one() or ""
