# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts in the ledger: decided, journaled and stored in one transaction.

The first statement of every write locks the journal's head, as for changes. What differs is
size: a rollout may have 30,000 hosts, and most events are about fifty of them. So the hosts are
rows of their own, only those that an event changed are written, and a process remembers the
rollouts it saw last: it reads again only what was written behind the entry it knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, case, insert, select, update

from storewarden.adapters.ledger import cursors, journal
from storewarden.adapters.ledger.rollout_memory import RolloutMemory
from storewarden.adapters.ledger.rollout_queries import RolloutQueries
from storewarden.adapters.ledger.rollout_rows import (
    KINDS,
    TOLD_KINDS,
    changed_hosts,
    ended_by,
    event_in,
    host_row,
    job_row,
    note_of,
    number_in,
    row_of,
    series_of,
)
from storewarden.adapters.ledger.rollout_work import RolloutWork
from storewarden.adapters.ledger.tables import (
    CHANGE,
    CHANGE_SERIES,
    ROLLOUT,
    ROLLOUT_HOST,
    ROLLOUT_JOB,
)
from storewarden.adapters.ledger.transactions import Transactions
from storewarden.domain.errors import AdapterError, ConfigInvalid, LedgerConflict
from storewarden.domain.rollout.events import Dispatched, RolloutEvent
from storewarden.domain.rollout.machine import fold
from storewarden.domain.rollout.record import Rollout
from storewarden.ports.clock import Clock
from storewarden.ports.journal import stamp
from storewarden.ports.ledger import JournalEntry
from storewarden.ports.rollouts import DecideRollout, Told

_SECOND = re.compile(r"#\d+$")  # what the second and later events of one decision end with


class SqlRollouts(RolloutQueries, RolloutWork):
    """The rollout book of a ledger; ``SqlLedger.rollouts``."""

    def __init__(self, transactions: Transactions, clock: Clock) -> None:
        self._transactions = transactions
        self._clock = clock
        self._memory = RolloutMemory()

    def open_rollout(
        self, key: str, change: str, compose: Callable[[str], Sequence[RolloutEvent]]
    ) -> Told:
        """Take the change's next number and record what ``compose`` makes of it."""
        _require_plain(key)
        with self._transactions.writing() as connection:
            head = journal.lock(connection)
            mine = select(ROLLOUT.c.number).where(ROLLOUT.c.key == key)
            there = connection.execute(mine).scalar_one_or_none()
            if there is not None:
                return Told(rollout=self._needed(connection, there), events=(), new=False)
            _require_change(connection, change)
            number = _next_number(connection, change, head.sequence + 1)
            written = _Writing(connection, number, key, self._clock.now()).opened(compose(number))
        self._memory.keep(written.rollout, written.sequence)
        return Told(rollout=written.rollout, events=written.events, new=True)

    def amend(
        self, number: str, key: str, decide: DecideRollout, *, look_at: datetime | None = None
    ) -> Told:
        """Decide under the lock and record the events; nobody else writes in between."""
        _require_plain(key)
        self.rollout(number)  # so that a large one is read before everybody else has to wait
        with self._transactions.writing() as connection:
            journal.lock(connection)
            before = self._needed(connection, number)
            if journal.find(connection, number, key) is not None:
                return Told(rollout=before, events=(), new=False)
            events = tuple(decide(before))
            if not events:
                return Told(rollout=before, events=(), new=True)
            written = _Writing(connection, number, key, self._clock.now()).amended(before, events)
            if look_at is not None:
                _wish(connection, number, look_at)
        self._memory.keep(written.rollout, written.sequence)
        return Told(rollout=written.rollout, events=written.events, new=True)

    def look_again(self, number: str, at: datetime | None, *, seen: int | None = None) -> None:
        """Set when it is looked at next."""
        if at is None and seen is None:
            return
        with self._transactions.writing() as connection:
            if seen is not None and _after_look(connection, number, at, seen):
                return
            if at is not None:
                _wish(connection, number, at)

    def history(self, number: str, *, after: int = 0) -> tuple[JournalEntry, ...]:
        """The journal entries of one rollout with a sequence above ``after``, in order."""
        with self._transactions.reading() as connection:
            return tuple(journal.of_run(connection, number, KINDS, after))

    def _needed(self, connection: Connection, number: str) -> Rollout:
        found = self._memory.read(connection, number)
        if found is None:
            raise ConfigInvalid("there is no such rollout", where=number)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """What was recorded; ``sequence`` is its last entry."""

    rollout: Rollout
    events: tuple[RolloutEvent, ...]
    sequence: int


class _Writing:
    """The events of one decision about one rollout, on their way into the ledger."""

    def __init__(self, connection: Connection, number: str, key: str, now: datetime) -> None:
        self._connection = connection
        self._number = number
        self._key = key
        self._now = now
        self._places: dict[str, int] = {}

    def opened(self, events: Sequence[RolloutEvent]) -> _Written:
        entries = self._append(events)
        written = self._folded(None, entries)
        places = {name: place for place, name in enumerate(written.rollout.hosts)}
        first, told = entries[0].sequence, _told(entries)
        own = {"opening": first, "key": self._key, "told": told[-1] if told else 0}
        look = {"look_at": stamp(self._now), "looks": 1}
        row = row_of(written.rollout, written.sequence, written.events[-1].at)
        self._connection.execute(insert(ROLLOUT).values({**row, **own, **look}))
        changed = self._changed
        rows = [
            {**host_row(self._number, changed[name][0], changed[name][1]), "place": place}
            for name, place in places.items()
        ]
        if rows:
            self._connection.execute(insert(ROLLOUT_HOST), rows)
        self._feed(written.rollout.change, told)
        return written

    def amended(self, before: Rollout, events: Sequence[RolloutEvent]) -> _Written:
        entries = self._append(events)
        written = self._folded(before, entries)
        row, told = row_of(written.rollout, written.sequence, written.events[-1].at), _told(entries)
        if told:
            row["told"] = told[-1]
        mine = update(ROLLOUT).where(ROLLOUT.c.number == self._number)
        self._connection.execute(mine.values(row))
        rows = [host_row(self._number, host, at) for host, at in self._changed.values()]
        if rows:
            self._connection.execute(_HOST_CHANGED, [_bound(row) for row in rows])
        self._feed(written.rollout.change, told)
        return written

    def _append(self, events: Sequence[RolloutEvent]) -> list[JournalEntry]:
        """All of them in one go; the key was found to be new."""
        if not events:
            raise LedgerConflict("a rollout begins with an event", where=self._number)
        for event in events:
            if event.number != self._number:
                raise LedgerConflict(f"an event of {event.number}", where=self._number)
        later = range(2, len(events) + 1)
        steps = [self._key, *(f"{self._key}#{count}" for count in later)]
        pairs = zip(events, steps, strict=True)
        notes = [note_of(event, step, self._now) for event, step in pairs]
        return journal.extend(self._connection, notes)

    def _folded(self, before: Rollout | None, entries: Sequence[JournalEntry]) -> _Written:
        """The rollout as the entries, read again, make it; and which hosts which entry changed."""
        rollout, events = before, []
        self._changed = dict[str, tuple[Any, int]]()
        for entry in entries:
            event = event_in(entry)
            after = fold(rollout, event)
            for host in changed_hosts(rollout, after):
                self._changed[host.name] = (host, entry.sequence)
            self._work(event, entry.sequence)
            rollout = after
            events.append(event)
        if rollout is None:
            raise LedgerConflict("a rollout begins with an event", where=self._number)
        return _Written(rollout=rollout, events=tuple(events), sequence=entries[-1].sequence)

    def _work(self, event: RolloutEvent, sequence: int) -> None:
        """What an event begins or ends as work for workers."""
        if isinstance(event.what, Dispatched):
            row = job_row(event, event.what, sequence)
            nobody = {"worker": "", "taken": "", "begun": ""}
            self._connection.execute(insert(ROLLOUT_JOB).values({**row, **nobody}))
        elif ended := ended_by(event):
            mine = update(ROLLOUT_JOB).where(ROLLOUT_JOB.c.dispatch == ended)
            self._connection.execute(mine.values(ended=stamp(event.at)))

    def _feed(self, change: str, told: Sequence[int]) -> None:
        """Ticket channels of the change have more to tell."""
        if told:
            cursors.advance(self._connection, change, told[0], told[-1])


_HOST_CHANGED = (
    update(ROLLOUT_HOST)
    .where(ROLLOUT_HOST.c.rollout == bindparam("of"), ROLLOUT_HOST.c.host == bindparam("name"))
    .values({each: bindparam(f"new_{each}") for each in ("sequence", "state", "body")})
)


def _bound(row: Mapping[str, Any]) -> dict[str, Any]:
    new = {f"new_{each}": row[each] for each in ("sequence", "state", "body")}
    return {"of": row["rollout"], "name": row["host"], **new}


def _told(entries: Sequence[JournalEntry]) -> list[int]:
    return [entry.sequence for entry in entries if entry.kind in TOLD_KINDS]


def _require_plain(key: str) -> None:
    if not key or _SECOND.search(key):
        raise AdapterError(
            f"the key {key!r} is empty or ends like the second event of another",
            where="journal",
            hint="nothing was written",
        )


def _require_change(connection: Connection, change: str) -> None:
    there = select(CHANGE.c.number).where(CHANGE.c.number == change)
    if connection.execute(there).one_or_none() is None:
        raise ConfigInvalid("there is no such change", where=change)


def _next_number(connection: Connection, change: str, sequence: int) -> str:
    series = series_of(change)
    mine = CHANGE_SERIES.c.series == series
    last = connection.execute(select(CHANGE_SERIES.c.last).where(mine)).scalar_one_or_none() or 0
    values = {"sequence": sequence, "last": last + 1}
    if connection.execute(update(CHANGE_SERIES).where(mine).values(**values)).rowcount == 0:
        connection.execute(insert(CHANGE_SERIES).values(series=series, **values))
    return number_in(series, last + 1)


def _after_look(connection: Connection, number: str, at: datetime | None, seen: int) -> bool:
    """The look ``seen`` was made; False when somebody has set another time meanwhile."""
    mine = update(ROLLOUT).where(ROLLOUT.c.number == number, ROLLOUT.c.looks == seen)
    text = stamp(at) if at is not None else ""
    return connection.execute(mine.values(look_at=text, looks=seen + 1)).rowcount > 0


def _wish(connection: Connection, number: str, at: datetime) -> None:
    """The earlier time stays; what is set counts as set anew."""
    text, kept = stamp(at), ROLLOUT.c.look_at
    earlier = case((kept == "", text), (kept > text, text), else_=kept)
    mine = update(ROLLOUT).where(ROLLOUT.c.number == number)
    connection.execute(mine.values(look_at=earlier, looks=ROLLOUT.c.looks + 1))
