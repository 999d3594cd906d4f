# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays the journal's drift tickets and closed months against their tables.

Folded again from their entries, by the same fold that wrote the rows; they must come out
byte for byte.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, select

from storewarden.adapters.ledger import drift_rows
from storewarden.adapters.ledger.judging import Row, judged
from storewarden.adapters.ledger.tables import DEVICE_MONTH, DRIFT_TICKET
from storewarden.domain.baseline.drift_ticket import DriftTicket, TicketKey, fold_ticket
from storewarden.ports.journal import moment
from storewarden.ports.ledger import Problem


@dataclass(slots=True)
class _Replayed:
    """A ticket in the making; ``entries`` are the sequences of its entries."""

    ticket: DriftTicket
    entries: array[int] = field(default_factory=lambda: array("q"))


class DriftReplay:
    """Takes journal rows in order; collects a problem for each row they do not explain."""

    def __init__(self, connection: Connection) -> None:
        """``connection`` sees the same moment as the rows that are taken."""
        self.problems: list[Problem] = []
        self._connection = connection
        self._tickets: dict[str, _Replayed] = {}
        self._broken: set[str] = set()
        self._open: dict[TicketKey, str] = {}
        self._months: dict[tuple[str, str], Mapping[str, Any]] = {}

    def take(self, row: Row) -> None:
        """One raw row."""
        kind = row["kind"]
        reader = self._reader(kind) if isinstance(kind, str) else None
        if reader is None:
            return
        try:
            reader(row, json.loads(row["body"]))
        except (KeyError, TypeError, ValueError, AttributeError) as failure:
            what = f"altered: not the content of a {kind!r} entry ({failure})"
            self.problems.append(Problem(where=f"entry {row['sequence']}", what=what))

    def entries(self, number: str) -> array[int] | None:
        """The sequences of a ticket's entries so far; None when there is no such ticket."""
        replayed = self._tickets.get(number)
        return replayed.entries if replayed else None

    def open_numbers(self) -> set[str]:
        """The tickets that are open after the rows so far."""
        return set(self._open.values())

    def close(self) -> list[Problem]:
        """Compare both tables; all problems."""
        tickets = {number: _row(each) for number, each in self._tickets.items()}
        self._compare(DRIFT_TICKET, tickets, "number")
        self._compare(DEVICE_MONTH, self._months, "month", "host")
        return self.problems

    def _reader(self, kind: str) -> Callable[[Row, Row], None] | None:
        if kind.startswith(drift_rows.KINDS):
            return self._happened
        return self._month_closed if kind == drift_rows.MONTH_CLOSED else None

    def _happened(self, row: Row, body: Row) -> None:
        number, there = row["run"], self._tickets.get(row["run"])
        if there is not None:
            there.entries.append(row["sequence"])
        if number in self._broken:  # named once; what follows cannot be folded any more
            return
        self._broken.add(number)
        before = there.ticket if there else None
        ticket = fold_ticket(before, number, row["kind"], moment(row["at"]), body)
        if there is None:
            there = self._tickets[number] = _Replayed(ticket)
            there.entries.append(row["sequence"])
        there.ticket = ticket
        self._broken.discard(number)
        self._count(ticket, row)

    def _count(self, ticket: DriftTicket, row: Row) -> None:
        """Whether there is at most one open ticket about the same thing."""
        if not ticket.open:
            self._open.pop(ticket.key, None)
            return
        other = self._open.setdefault(ticket.key, ticket.number)
        if other != ticket.number:
            what = f"{ticket.number} is about the same as {other}, which is open"
            self.problems.append(Problem(where=f"entry {row['sequence']}", what=what))

    def _month_closed(self, row: Row, body: Row) -> None:
        rows = drift_rows.month_rows(body, row["sequence"])
        self._months |= {(each["month"], each["host"]): each for each in rows}

    def _compare(self, table: Table, expected: Mapping[Any, Row], *keys: str) -> None:
        open_rows = dict(expected)
        for row in self._connection.execute(select(table)).mappings():
            key = tuple(row[name] for name in keys) if len(keys) > 1 else row[keys[0]]
            self._judge(table.name, open_rows.pop(key, None), row)
        for missing in open_rows.values():
            self._judge(table.name, missing, None)

    def _judge(self, table: str, expected: Row | None, actual: Row | None) -> None:
        problem = judged(table, expected, actual)
        if problem is not None:
            self.problems.append(problem)


def _row(replayed: _Replayed) -> dict[str, Any]:
    opening = {"opening": replayed.entries[0]}
    return {**drift_rows.row_of(replayed.ticket, replayed.entries[-1]), **opening}
