# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays the journal's alerts and repairs against their tables.

Folded again from their entries, by the same fold that wrote the rows; they must come out byte for
byte. How often an alert was sent again follows from no entry.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, select

from storewarden.adapters.ledger import alert_rows
from storewarden.adapters.ledger.judging import Row, judged
from storewarden.adapters.ledger.tables import OCCURRENCE, REPAIR
from storewarden.domain.healing.machine import fold
from storewarden.domain.healing.plain import ALERT, alert_event, repair_event
from storewarden.domain.healing.plain import REPAIR as REPAIRS
from storewarden.domain.healing.record import Occurrence, Repair
from storewarden.domain.healing.repairing import fold_repair
from storewarden.ports.journal import moment
from storewarden.ports.ledger import Problem

_AT_ONCE = 2000  # rows held in memory


class AlertReplay:
    """Takes journal rows in order; collects a problem for each row they do not explain."""

    def __init__(self, connection: Connection) -> None:
        """``connection`` sees the same moment as the rows that are taken."""
        self.problems: list[Problem] = []
        self._connection = connection
        self._alerts: dict[str, tuple[Occurrence, int]] = {}
        self._repairs: dict[str, tuple[Repair, int]] = {}
        self._broken: set[str] = set()

    def take(self, row: Row) -> None:
        """One raw row."""
        kind = row["kind"]
        if not isinstance(kind, str) or not kind.startswith(alert_rows.KINDS):
            return
        if row["run"] in self._broken:  # named once; what follows cannot be folded any more
            return
        try:
            self._happened(row, kind, json.loads(row["body"]))
        except (KeyError, TypeError, ValueError, AttributeError) as failure:
            self._broken.add(row["run"])
            what = f"altered: not the content of a {kind!r} entry ({failure})"
            self.problems.append(Problem(where=f"entry {row['sequence']}", what=what))

    def close(self) -> list[Problem]:
        """Compare both tables; all problems."""
        alerts = {
            key: alert_rows.occurrence_row(each, sequence)
            for key, (each, sequence) in self._alerts.items()
        }
        repairs = {
            ident: alert_rows.repair_row(each, sequence)
            for ident, (each, sequence) in self._repairs.items()
        }
        self._compare(OCCURRENCE, alerts, "key")
        self._compare(REPAIR, repairs, "id")
        return self.problems

    def _happened(self, row: Row, kind: str, body: Mapping[str, object]) -> None:
        run, sequence = row["run"], row["sequence"]
        if kind.startswith(ALERT):
            before = self._alerts.get(run)
            event = alert_event(run, kind, moment(row["at"]), body)
            self._alerts[run] = (fold(before[0] if before else None, event), sequence)
        elif kind.startswith(REPAIRS):
            there = self._repairs.get(run)
            happened = repair_event(run, kind, moment(row["at"]), body)
            self._repairs[run] = (fold_repair(there[0] if there else None, happened), sequence)

    def _compare(self, table: Table, expected: dict[str, dict[str, Any]], key: str) -> None:
        few = {"yield_per": _AT_ONCE}
        for row in self._connection.execute(select(table), execution_options=few).mappings():
            self._judge(table, expected.pop(row[key], None), row)
        for missing in expected.values():
            self._judge(table, missing, None)

    def _judge(self, table: Table, expected: Row | None, actual: Row | None) -> None:
        problem = judged(table.name, expected, actual)
        if problem is not None:
            self.problems.append(problem)
