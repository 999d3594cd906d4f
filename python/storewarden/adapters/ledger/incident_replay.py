# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays the journal's incidents, problem tickets and pauses against their tables.

Folded again from their entries, by the same folds that wrote the rows; they must come out byte for
byte.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, select

from storewarden.adapters.ledger import incident_rows
from storewarden.adapters.ledger.judging import Row, judged
from storewarden.adapters.ledger.tables import HEAL_PAUSE, INCIDENT, PROBLEM
from storewarden.domain.healing.incident import Incident, fold
from storewarden.domain.healing.incident_plain import INCIDENT as INCIDENTS
from storewarden.domain.healing.incident_plain import incident_event, problem_event
from storewarden.domain.healing.problem_ticket import ProblemTicket, fold_problem
from storewarden.ports.journal import moment
from storewarden.ports.ledger import Problem


@dataclass(slots=True)
class _Replayed:
    """An incident or a problem ticket in the making; ``entries`` are its entries' sequences."""

    incident: Incident | None = None
    ticket: ProblemTicket | None = None
    entries: array[int] = field(default_factory=lambda: array("q"))


class IncidentReplay:
    """Takes journal rows in order; collects a problem for each row they do not explain."""

    def __init__(self, connection: Connection) -> None:
        """``connection`` sees the same moment as the rows that are taken."""
        self.problems: list[Problem] = []
        self._connection = connection
        self._there: dict[str, _Replayed] = {}
        self._broken: set[str] = set()
        self._pauses: dict[str, dict[str, Any]] = {}

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
        """The sequences of an incident's or a problem's entries so far; None when there is none."""
        found = self._there.get(number)
        return found.entries if found else None

    def open_numbers(self) -> set[str]:
        """Those that are open after the rows so far."""
        return {number for number, each in self._there.items() if _open(each)}

    def close(self) -> list[Problem]:
        """Compare the tables; all problems."""
        incidents = {
            number: incident_rows.incident_row(each.incident, each.entries[0], each.entries[-1])
            for number, each in self._there.items()
            if each.incident is not None
        }
        tickets = {
            number: incident_rows.problem_row(each.ticket, each.entries[0], each.entries[-1])
            for number, each in self._there.items()
            if each.ticket is not None
        }
        self._compare(INCIDENT, incidents, "number")
        self._compare(PROBLEM, tickets, "number")
        self._compare(HEAL_PAUSE, self._pauses, "what")
        return self.problems

    def _reader(self, kind: str) -> Callable[[Row, Mapping[str, Any]], None] | None:
        if kind.startswith(incident_rows.KINDS):
            return self._happened
        if kind == incident_rows.PAUSED:
            return self._paused
        return self._resumed if kind == incident_rows.RESUMED else None

    def _happened(self, row: Row, body: Mapping[str, Any]) -> None:
        number = row["run"]
        there = self._there.get(number)
        if there is not None:
            there.entries.append(row["sequence"])
        if number in self._broken:  # named once; what follows cannot be folded any more
            return
        self._broken.add(number)
        after = _folded(there or _Replayed(), row, body)
        if there is None:
            after.entries.append(row["sequence"])
        self._there[number] = after
        self._broken.discard(number)

    def _paused(self, row: Row, body: Mapping[str, Any]) -> None:
        pause = incident_rows.pause_row(body, row["sequence"])
        self._pauses[pause["what"]] = pause

    def _resumed(self, _row: Row, body: Mapping[str, Any]) -> None:
        del self._pauses[body["what"]]

    def _compare(self, table: Table, expected: dict[str, dict[str, Any]], key: str) -> None:
        for row in self._connection.execute(select(table)).mappings():
            self._judge(table, expected.pop(row[key], None), row)
        for missing in expected.values():
            self._judge(table, missing, None)

    def _judge(self, table: Table, expected: Row | None, actual: Row | None) -> None:
        problem = judged(table.name, expected, actual)
        if problem is not None:
            self.problems.append(problem)


def _folded(there: _Replayed, row: Row, body: Mapping[str, Any]) -> _Replayed:
    number, kind, at = row["run"], row["kind"], moment(row["at"])
    if kind.startswith(INCIDENTS):
        event = incident_event(number, kind, at, body)
        return _Replayed(incident=fold(there.incident, event), entries=there.entries)
    told = problem_event(number, kind, at, body)
    return _Replayed(ticket=fold_problem(there.ticket, told), entries=there.entries)


def _open(each: _Replayed) -> bool:
    record = each.incident or each.ticket
    return record is not None and not record.over
