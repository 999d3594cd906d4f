# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of incidents and problems on their way into the journal, the rows and the outbox.

They are folded from the journal's own words, as they will be read again, in the transaction of
whoever writes: an alert's decision and its incident are one step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, update

from storewarden.adapters.ledger import cursors, journal
from storewarden.adapters.ledger.incident_rows import (
    incident_of,
    incident_row,
    note_of,
    problem_of,
    problem_row,
)
from storewarden.adapters.ledger.tables import INCIDENT, JOURNAL, PROBLEM
from storewarden.domain.errors import LedgerConflict
from storewarden.domain.healing.incident import Incident, IncidentEvent, fold
from storewarden.domain.healing.incident_plain import incident_event, problem_event
from storewarden.domain.healing.problem_ticket import ProblemEvent, ProblemTicket, fold_problem
from storewarden.ports.journal import stamp
from storewarden.ports.ledger import JournalEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ways[T]:
    """How records of one table are read from entries and rows, and written."""

    table: Table
    read: Callable[[str, str], T]
    after: Callable[[T | None, JournalEntry], T]
    row: Callable[[T, int, int], dict[str, Any]]


def _incident_after(before: Incident | None, entry: JournalEntry) -> Incident:
    return fold(before, incident_event(entry.run, entry.kind, entry.at, entry.body))


def _problem_after(before: ProblemTicket | None, entry: JournalEntry) -> ProblemTicket:
    return fold_problem(before, problem_event(entry.run, entry.kind, entry.at, entry.body))


_INCIDENTS = _Ways(table=INCIDENT, read=incident_of, after=_incident_after, row=incident_row)
_PROBLEMS = _Ways(table=PROBLEM, read=problem_of, after=_problem_after, row=problem_row)


def write_incidents(
    connection: Connection, events: Sequence[IncidentEvent], now: datetime
) -> dict[str, Incident]:
    """Record the events; the incidents that they changed, by number, as they are now.

    Raises LedgerConflict for what cannot happen to one: nothing is written.
    """
    return _write(connection, _INCIDENTS, events, now)


def write_problems(
    connection: Connection, events: Sequence[ProblemEvent], now: datetime
) -> dict[str, ProblemTicket]:
    """The same for problem tickets."""
    return _write(connection, _PROBLEMS, events, now)


def _write[T](
    connection: Connection,
    ways: _Ways[T],
    events: Sequence[IncidentEvent | ProblemEvent],
    now: datetime,
) -> dict[str, T]:
    if not events:
        return {}
    numbers = list(dict.fromkeys(each.number for each in events))
    before = _before(connection, ways, numbers)
    steps = _steps(connection, numbers)
    notes = []
    for event in events:
        steps[event.number] = steps.get(event.number, 0) + 1
        notes.append(note_of(event, str(steps[event.number]), stamp(now)))
    entries = journal.extend(connection, notes)
    found = {number: record for number, (record, _opening) in before.items()}
    for entry in entries:
        found[entry.run] = _folded(ways, found.get(entry.run), entry)
    _store(connection, ways, found, before, entries)
    return found


def _store[T](
    connection: Connection,
    ways: _Ways[T],
    after: Mapping[str, T],
    before: Mapping[str, tuple[T, int]],
    entries: Iterable[JournalEntry],
) -> None:
    """Rows, and what the ticket channels have to tell."""
    sequences: dict[str, list[int]] = {}
    for entry in entries:
        sequences.setdefault(entry.run, []).append(entry.sequence)
    table = ways.table
    for number, its in sequences.items():
        opening = before[number][1] if number in before else its[0]
        row = ways.row(after[number], opening, its[-1])
        if number in before:
            connection.execute(update(table).where(table.c.number == number).values(row))
            cursors.advance(connection, number, its[0], its[-1])
        else:
            connection.execute(insert(table).values(row))
            cursors.begin_subject(connection, number, opening, its[-1])


def _before[T](
    connection: Connection, ways: _Ways[T], numbers: Sequence[str]
) -> dict[str, tuple[T, int]]:
    """Number -> the record as it stands and the sequence of its first entry."""
    table = ways.table
    chosen = select(table.c.number, table.c.opening, table.c.body)
    rows = connection.execute(chosen.where(table.c.number.in_(numbers)))
    return {row.number: (ways.read(row.number, row.body), int(row.opening)) for row in rows}


def _steps(connection: Connection, numbers: Sequence[str]) -> dict[str, int]:
    counted = select(JOURNAL.c.run, func.count().label("times"))
    counted = counted.where(JOURNAL.c.run.in_(numbers)).group_by(JOURNAL.c.run)
    return {row.run: int(row.times) for row in connection.execute(counted)}


def _folded[T](ways: _Ways[T], before: T | None, entry: JournalEntry) -> T:
    try:
        return ways.after(before, entry)
    except ValueError as error:
        raise LedgerConflict(str(error), where="journal", hint="nothing was written") from None
