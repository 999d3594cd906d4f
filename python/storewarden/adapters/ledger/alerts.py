# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts and repairs in the ledger: kept before the sender is answered, decided once.

The first statement of every write locks the journal's head, as for changes: of two processes that
hear of one alert, or decide about it, one writes and the other finds it done.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from storewarden.adapters.ledger import journal
from storewarden.adapters.ledger.alert_queries import AlertQueries, found_occurrences
from storewarden.adapters.ledger.alert_rows import (
    alert_note,
    occurrence_row,
    repair_note,
    repair_of,
    repair_row,
)
from storewarden.adapters.ledger.heal_numbers import SqlNumbers
from storewarden.adapters.ledger.incident_writing import write_incidents
from storewarden.adapters.ledger.tables import JOURNAL, OCCURRENCE, REPAIR
from storewarden.adapters.ledger.transactions import Transactions
from storewarden.domain.errors import ConfigInvalid, LedgerConflict
from storewarden.domain.healing.alert import Alert, Delivery, Signal
from storewarden.domain.healing.events import (
    AlertEvent,
    Arrived,
    Refired,
    RepairBegun,
    RepairEnded,
    RepairEvent,
    RepairOpened,
    Resolved,
)
from storewarden.domain.healing.machine import fold
from storewarden.domain.healing.plain import alert_event, repair_event
from storewarden.domain.healing.record import HostEnd, Occurrence, Repair, RepairState
from storewarden.domain.healing.repairing import fold_repair
from storewarden.ports.alerts import Received
from storewarden.ports.clock import Clock
from storewarden.ports.healing import DecideAlerts, Settled
from storewarden.ports.journal import stamp
from storewarden.ports.ledger import JournalEntry


class SqlAlerts(AlertQueries):
    """The healing book of a ledger; ``SqlLedger.alerts``."""

    def __init__(self, transactions: Transactions, clock: Clock) -> None:
        super().__init__(transactions)
        self._clock = clock

    def receive(self, delivery: Delivery, now: datetime) -> Received:
        """Keep what is new; what was heard before changes nothing but a count."""
        alerts = _once(delivery.alerts)
        if not alerts:
            return Received()
        with self._transactions.writing() as connection:
            journal.lock(connection)
            known = found_occurrences(connection, alerts)
            events = list(_heard(connection, delivery, alerts, known, now))
            _Writing(connection, self._clock.now()).alerts(known, events)
            repeated = [key for key in alerts if key in known]
            _seen(connection, repeated, now)
        return _received(events, len(repeated))

    def amend(self, keys: Collection[str], decide: DecideAlerts) -> Settled:
        """Decide under the lock about these occurrences as they are now, and record it all."""
        with self._transactions.writing() as connection:
            journal.lock(connection)
            return self._settled(connection, keys, decide)

    def begin_repair(self, ident: str, worker: str, now: datetime) -> Repair | None:
        """Take it; None when somebody has begun or ended it."""
        with self._transactions.writing() as connection:
            journal.lock(connection)
            there = _needed(connection, ident)
            if there.begun_at is not None or there.state is RepairState.ENDED:
                return None
            event = RepairEvent(id=ident, at=now, what=RepairBegun(worker=worker), by=worker)
            return _Writing(connection, self._clock.now()).repair(there, event)

    def end_repair(
        self, ident: str, ends: Sequence[HostEnd], now: datetime, decide: DecideAlerts
    ) -> Repair:
        """Record its end, and what follows for its occurrences; again nothing happens."""
        with self._transactions.writing() as connection:
            journal.lock(connection)
            there = _needed(connection, ident)
            if there.state is RepairState.ENDED:
                return there
            event = RepairEvent(id=ident, at=now, what=RepairEnded(ends=tuple(ends)))
            after = _Writing(connection, self._clock.now()).repair(there, event)
            self._settled(connection, there.occurrences, decide)
            return after

    def _settled(
        self, connection: Connection, keys: Collection[str], decide: DecideAlerts
    ) -> Settled:
        there = found_occurrences(connection, keys)
        now = self._clock.now()
        settled = decide(there, SqlNumbers(connection, now))
        writing = _Writing(connection, now)
        for repair in settled.repairs:
            event = RepairEvent(id=repair.id, at=repair.opened_at, what=RepairOpened(repair=repair))
            writing.repair(None, event)
        writing.alerts(there, settled.events)
        write_incidents(connection, settled.incidents, now)
        return settled


class _Writing:
    """Events on their way into the journal and the rows; folded as they will be read again."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._at = stamp(now)

    def alerts(self, before: Mapping[str, Occurrence], events: Sequence[AlertEvent]) -> None:
        """All of them in one go; steps are numbered by what the occurrence has been through."""
        if not events:
            return
        steps = _Steps(self._connection, [each.key for each in events if each.key in before])
        notes = [alert_note(each, steps.next(each.key), self._at) for each in events]
        entries = journal.extend(self._connection, notes)
        after: dict[str, Occurrence] = dict(before)
        last: dict[str, JournalEntry] = {}
        for entry in entries:
            event = alert_event(entry.run, entry.kind, entry.at, entry.body)
            after[event.key] = _folded(after.get(event.key), event)
            last[event.key] = entry
        rows = [occurrence_row(after[key], entry.sequence) for key, entry in last.items()]
        self._store(rows, before)

    def repair(self, before: Repair | None, event: RepairEvent) -> Repair:
        """One event of a repair."""
        word = type(event.what).__name__.removeprefix("Repair").lower()
        entry = journal.append(self._connection, repair_note(event, word, self._at)).entry
        told = repair_event(entry.run, entry.kind, entry.at, entry.body)
        after = fold_repair(before, told)
        row = repair_row(after, entry.sequence)
        if before is None:
            self._connection.execute(insert(REPAIR).values(row))
        else:
            self._connection.execute(update(REPAIR).where(REPAIR.c.id == after.id).values(row))
        return after

    def _store(self, rows: Sequence[Mapping[str, Any]], before: Collection[str]) -> None:
        new = [{**row, "seen": 1, "seen_at": row["received"]} for row in rows
               if row["key"] not in before]  # fmt: skip
        if new:
            self._connection.execute(insert(OCCURRENCE), new)
        for row in rows:
            if row["key"] in before:
                mine = update(OCCURRENCE).where(OCCURRENCE.c.key == row["key"])
                self._connection.execute(mine.values(row))


class _Steps:
    """The journal's step of each event: how many entries its occurrence has, counted on."""

    def __init__(self, connection: Connection, keys: Iterable[str]) -> None:
        counted = (
            select(JOURNAL.c.run, func.count().label("times"))
            .where(JOURNAL.c.run.in_(_sorted(keys)))
            .group_by(JOURNAL.c.run)
        )
        self._counts = {row.run: int(row.times) for row in connection.execute(counted)}

    def next(self, key: str) -> str:
        self._counts[key] = self._counts.get(key, 0) + 1
        return str(self._counts[key])


def _sorted(keys: Iterable[str]) -> list[str]:
    """Keys without repetition, in a fixed order."""
    return sorted(set(keys))


def _once(alerts: Iterable[Alert]) -> dict[str, Alert]:
    """Occurrence -> what is said of it; of several words in one request "it is over" counts."""
    found: dict[str, Alert] = {}
    for alert in alerts:
        there = found.get(alert.key)
        if there is None or alert.signal is Signal.RESOLVED:
            found[alert.key] = alert
    return found


_LATE = timedelta(minutes=2)
"""So long after "it is over" a "it fires" may have been under way before it: another half of a
pair, a repetition that was late. What is true is said again, or found by asking."""


def _refires(alert: Alert, there: Occurrence, now: datetime, *, polled: bool) -> bool:
    """Whether a firing word of what was called over counts. An event that has a number of its own
    never begins again: only its sender, asked, can say that it is on."""
    ended = there.resolved_at
    if alert.signal is not Signal.FIRING or ended is None:
        return False
    return polled or (not alert.once and now - ended >= _LATE)


def _heard(
    connection: Connection,
    delivery: Delivery,
    alerts: Mapping[str, Alert],
    known: Mapping[str, Occurrence],
    now: datetime,
) -> Iterable[AlertEvent]:
    """What is new in a delivery. An acknowledgement of something unheard of is nothing."""
    number = connection.execute(select(func.max(OCCURRENCE.c.number))).scalar_one() or 0
    for key, alert in alerts.items():
        there, over = known.get(key), alert.signal is Signal.RESOLVED
        if there is not None:
            if over and there.resolved_at is None:
                yield AlertEvent(key=key, at=now, what=Resolved(), by=alert.source)
            elif _refires(alert, there, now, polled=delivery.polled):
                refired = Refired(polled=delivery.polled)
                yield AlertEvent(key=key, at=now, what=refired, by=alert.source)
        elif alert.signal is not Signal.NOTED:
            number += 1
            arrived = Arrived(number=number, alert=alert, resolved=over)
            yield AlertEvent(key=key, at=now, what=arrived, by=alert.source)


def _seen(connection: Connection, keys: Sequence[str], now: datetime) -> None:
    for key in keys:
        mine = update(OCCURRENCE).where(OCCURRENCE.c.key == key)
        connection.execute(mine.values(seen=OCCURRENCE.c.seen + 1, seen_at=stamp(now)))


def _received(events: Sequence[AlertEvent], repeated: int) -> Received:
    return Received(
        new=tuple(each.key for each in events if isinstance(each.what, Arrived | Refired)),
        repeated=repeated,
        resolved=tuple(each.key for each in events if isinstance(each.what, Resolved)),
    )


def _needed(connection: Connection, ident: str) -> Repair:
    body = connection.execute(
        select(REPAIR.c.body).where(REPAIR.c.id == ident)
    ).scalar_one_or_none()
    if body is None:
        raise ConfigInvalid("there is no such repair", where=ident)
    return repair_of(ident, body)


def _folded(before: Occurrence | None, event: AlertEvent) -> Occurrence:
    try:
        return fold(before, event)
    except ValueError as error:
        raise LedgerConflict(str(error), where="journal", hint="nothing was written") from None
