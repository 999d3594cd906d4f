# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes in the ledger: decided, journaled and stored in one transaction.

The first statement of every write locks the journal's head. So the number that
is taken, the change that is decided about and the entries that are written are
one step, however many processes ask at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from storewarden.adapters.ledger import cursors, journal
from storewarden.adapters.ledger.change_rows import (
    KINDS,
    change_of,
    decision_of,
    hosts_of,
    note_of,
    row_of,
    series_of,
    told,
)
from storewarden.adapters.ledger.tables import CHANGE, CHANGE_HOST, CHANGE_SERIES
from storewarden.adapters.ledger.transactions import Transactions
from storewarden.domain.change.events import Decision
from storewarden.domain.change.machine import fold
from storewarden.domain.change.numbers import number_of, prefix_problem
from storewarden.domain.change.record import Change, State
from storewarden.domain.errors import AdapterError, ConfigInvalid, LedgerConflict
from storewarden.ports.changes import Amended
from storewarden.ports.clock import Clock
from storewarden.ports.journal import stamp
from storewarden.ports.ledger import JournalEntry

_SECOND = re.compile(r"#\d+$")  # what the second and later events of one decision end with


class SqlChanges:
    """The change book of a ledger; ``SqlLedger.changes``."""

    def __init__(self, transactions: Transactions, clock: Clock) -> None:
        self._transactions = transactions
        self._clock = clock

    def open_change(
        self, key: str, prefix: str, day: date, compose: Callable[[str], Decision]
    ) -> Amended:
        """Take the next number of ``day`` and record what ``compose`` makes of it."""
        _require_plain(key)
        if problem := prefix_problem(prefix):
            raise ConfigInvalid(problem, where="change numbers")
        with self._transactions.writing() as connection:
            head = journal.lock(connection)
            there = connection.execute(select(CHANGE).where(CHANGE.c.key == key)).one_or_none()
            if there is not None:
                return _again(connection, there, key)
            number = _next_number(connection, prefix, day, head.sequence + 1)
            writing = _Writing(connection, number, key, self._clock.now())
            return writing.opened(compose(number), head.sequence + 1)

    def amend(self, number: str, key: str, decide: Callable[[Change], Decision]) -> Amended:
        """Decide under the lock and record the events; nobody else writes in between."""
        _require_plain(key)
        with self._transactions.writing() as connection:
            journal.lock(connection)
            row = _row(connection, number)
            if row is None:
                raise ConfigInvalid("there is no such change", where=number)
            if journal.find(connection, number, key) is not None:
                return _again(connection, row, key)
            change = change_of(number, row.body)
            writing = _Writing(connection, number, key, self._clock.now())
            return writing.amended(change, decide(change))

    def change(self, number: str) -> Change | None:
        """One change, None when there is none."""
        with self._transactions.reading() as connection:
            row = _row(connection, number)
        return change_of(number, row.body) if row is not None else None

    def changes(
        self,
        *,
        states: Collection[State] = (),
        host: str = "",
        since: datetime | None = None,
        limit: int = 0,
    ) -> tuple[Change, ...]:
        """Changes, newest number first; in any of ``states``, touching ``host``, opened since."""
        chosen = _chosen(states, host, since)
        with self._transactions.reading() as connection:
            rows = connection.execute(chosen.limit(limit) if limit else chosen).all()
        return tuple(change_of(row.number, row.body) for row in rows)

    def history(self, number: str, *, after: int = 0) -> tuple[JournalEntry, ...]:
        """The journal entries of one change with a sequence above ``after``, in order."""
        with self._transactions.reading() as connection:
            return tuple(journal.of_run(connection, number, KINDS, after))


class _Writing:
    """The events of one decision about one change, on their way into the ledger."""

    def __init__(self, connection: Connection, number: str, key: str, now: datetime) -> None:
        self._connection = connection
        self._number = number
        self._key = key
        self._now = now

    def opened(self, decision: Decision, opening: int) -> Amended:
        if not decision.events:
            raise LedgerConflict("a change begins with an event", where=self._number)
        change, sequence = self._append(None, decision)
        values = {**row_of(change, sequence), "opening": opening, "key": self._key}
        self._connection.execute(insert(CHANGE).values(values))
        self._store_hosts((), change)
        cursors.begin_subject(self._connection, self._number, opening, sequence)
        return Amended(change=change, decision=decision, new=True)

    def amended(self, before: Change, decision: Decision) -> Amended:
        if not decision.events:
            return Amended(change=before, decision=decision, new=False)
        change, sequence = self._append(before, decision)
        mine = update(CHANGE).where(CHANGE.c.number == self._number)
        self._connection.execute(mine.values(row_of(change, sequence)))
        self._store_hosts(hosts_of(before), change)
        first = sequence - len(decision.events) + 1
        cursors.advance(self._connection, self._number, first, sequence)
        return Amended(change=change, decision=decision, new=True)

    def _append(self, before: Change | None, decision: Decision) -> tuple[Change, int]:
        change, sequence = before, 0
        for step, event in zip(_steps(self._key, decision), decision.events, strict=True):
            if event.number != self._number:
                raise LedgerConflict(f"an event of {event.number}", where=self._number)
            note = note_of(event, step, self._now)
            entry = journal.append(self._connection, note).entry
            # Folded as it will be read again: lists for tuples, text for moments.
            change, sequence = fold(change, told(entry)), entry.sequence
        if change is None:
            raise LedgerConflict("a change begins with an event", where=self._number)
        return change, sequence

    def _store_hosts(self, before: Collection[str], change: Change) -> None:
        now = hosts_of(change)
        if list(before) == now:
            return
        mine = delete(CHANGE_HOST).where(CHANGE_HOST.c.number == self._number)
        self._connection.execute(mine)
        rows = [{"host": host, "number": self._number} for host in now]
        if rows:
            self._connection.execute(insert(CHANGE_HOST), rows)


def _require_plain(key: str) -> None:
    if not key or _SECOND.search(key):
        raise AdapterError(
            f"the key {key!r} is empty or ends like the second event of another",
            where="journal",
            hint="nothing was written",
        )


def _steps(key: str, decision: Decision) -> list[str]:
    later = range(2, len(decision.events) + 1)
    return [key, *(f"{key}#{number}" for number in later)]


def _again(connection: Connection, row: Row[*tuple[Any, ...]], key: str) -> Amended:
    """What the same key led to when it came first, on the change as it is now."""
    entries = []
    step, count = key, 1
    while (entry := journal.find(connection, row.number, step)) is not None:
        entries.append(entry)
        count += 1
        step = f"{key}#{count}"
    change = change_of(row.number, row.body)
    return Amended(change=change, decision=decision_of(entries), new=False)


def skip_numbers(connection: Connection, series: Mapping[str, int], sequence: int) -> None:
    """Numbers up to these were given out by a ledger that was given up, says the entry
    ``sequence``."""
    for name, last in series.items():
        mine = CHANGE_SERIES.c.series == name
        values = {"sequence": sequence, "last": last}
        if connection.execute(update(CHANGE_SERIES).where(mine).values(**values)).rowcount == 0:
            connection.execute(insert(CHANGE_SERIES).values(series=name, **values))


def _next_number(connection: Connection, prefix: str, day: date, sequence: int) -> str:
    first = number_of(prefix, day, 1)
    mine = CHANGE_SERIES.c.series == series_of(first)
    last = connection.execute(select(CHANGE_SERIES.c.last).where(mine)).scalar_one_or_none()
    if last is None:
        row = {"series": series_of(first), "sequence": sequence, "last": 1}
        connection.execute(insert(CHANGE_SERIES).values(row))
        return first
    counted = update(CHANGE_SERIES).where(mine).values(sequence=sequence, last=last + 1)
    connection.execute(counted)
    return number_of(prefix, day, last + 1)


def _row(connection: Connection, number: str) -> Row[*tuple[Any, ...]] | None:
    return connection.execute(select(CHANGE).where(CHANGE.c.number == number)).one_or_none()


def _chosen(
    states: Collection[State], host: str, since: datetime | None
) -> Select[tuple[str, str]]:
    chosen = select(CHANGE.c.number, CHANGE.c.body).order_by(CHANGE.c.opening.desc())
    if states:
        chosen = chosen.where(CHANGE.c.state.in_(sorted(state.value for state in states)))
    if since is not None:
        chosen = chosen.where(CHANGE.c.opened >= stamp(since))
    if host:
        touching = select(CHANGE_HOST.c.number).where(CHANGE_HOST.c.host == host)
        chosen = chosen.where(CHANGE.c.number.in_(touching))
    return chosen
