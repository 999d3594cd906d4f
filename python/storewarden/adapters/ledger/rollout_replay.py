# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays the journal's rollouts against their tables.

Folded again from their entries, by the same fold that wrote the rows; they must come out byte
for byte. When a rollout is looked at next and who works on what follows from no entry: a lost
time is found again by whoever looks, a job belongs to nobody until it is taken.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, select

from storewarden.adapters.ledger import rollout_rows
from storewarden.adapters.ledger.judging import Row, judged
from storewarden.adapters.ledger.tables import ROLLOUT, ROLLOUT_HOST, ROLLOUT_JOB
from storewarden.domain.rollout.events import Dispatched, RolloutEvent
from storewarden.domain.rollout.machine import fold
from storewarden.domain.rollout.plain import event_of
from storewarden.domain.rollout.record import Rollout
from storewarden.ports.journal import moment, stamp
from storewarden.ports.ledger import Problem

_AT_ONCE = 2000  # host rows held in memory


@dataclass(slots=True)
class _Replayed:
    """A rollout in the making; ``told`` is its last entry that goes to a ticket, 0 for none."""

    rollout: Rollout
    opening: int
    key: str
    sequence: int = 0
    told: int = 0
    updated: datetime | None = None
    hosts: dict[str, int] = field(default_factory=dict)
    """Host -> the entry that changed it last."""

    @property
    def places(self) -> dict[str, int]:
        """Host -> its place in the plan's order."""
        return {name: place for place, name in enumerate(self.rollout.hosts)}


class RolloutReplay:
    """Takes journal rows in order; collects a problem for each row they do not explain."""

    def __init__(self, connection: Connection) -> None:
        """``connection`` sees the same moment as the rows that are taken."""
        self.problems: list[Problem] = []
        self.series: dict[str, dict[str, Any]] = {}
        """The last number given out of each series of rollouts, as rows."""
        self._connection = connection
        self._rollouts: dict[str, _Replayed] = {}
        self._broken: set[str] = set()
        self._jobs: dict[str, dict[str, Any]] = {}
        self._told: dict[str, array[int]] = {}

    def take(self, row: Row) -> None:
        """One raw row."""
        kind = row["kind"]
        if not isinstance(kind, str) or not kind.startswith(rollout_rows.KINDS):
            return
        try:
            self._happened(row, json.loads(row["body"]))
        except (KeyError, TypeError, ValueError, AttributeError) as failure:
            what = f"altered: not the content of a {kind!r} entry ({failure})"
            self.problems.append(Problem(where=f"entry {row['sequence']}", what=what))

    def told(self, change: str) -> array[int]:
        """The sequences of entries that the ticket of a change is told of its rollouts."""
        return self._told.get(change, array("q"))

    def skip(self, series: str, last: int, sequence: int) -> None:
        """Numbers up to ``last`` were given out by a ledger that was given up."""
        self.series[series] = {"series": series, "sequence": sequence, "last": last}

    def close(self) -> list[Problem]:
        """Compare every table; all problems."""
        rollouts = {number: _row(each) for number, each in self._rollouts.items()}
        for row in self._connection.execute(select(ROLLOUT)).mappings():
            self._judge(ROLLOUT, rollouts.pop(row["number"], None), row)
        for missing in rollouts.values():
            self._judge(ROLLOUT, missing, None)
        self._compare_hosts()
        for row in self._connection.execute(select(ROLLOUT_JOB)).mappings():
            self._judge(ROLLOUT_JOB, self._jobs.pop(row["dispatch"], None), row)
        for missing in self._jobs.values():
            self._judge(ROLLOUT_JOB, missing, None)
        return self.problems

    def _happened(self, row: Row, body: Row) -> None:
        number, there = row["run"], self._rollouts.get(row["run"])
        if number in self._broken:  # named once; what follows cannot be folded any more
            return
        self._broken.add(number)
        event = event_of(number, row["kind"], moment(row["at"]), body)
        before = there.rollout if there else None
        after = fold(before, event)
        if there is None:
            self._numbered(number, row["sequence"])
            there = _Replayed(after, row["sequence"], row["step"])
            self._rollouts[number] = there
        for host in rollout_rows.changed_hosts(before, after):
            there.hosts[host.name] = row["sequence"]
        there.rollout, there.sequence, there.updated = after, row["sequence"], event.at
        self._work(event, row["sequence"])
        if row["kind"] in rollout_rows.TOLD_KINDS:
            there.told = row["sequence"]
            self._told.setdefault(after.change, array("q")).append(row["sequence"])
        self._broken.discard(number)

    def _numbered(self, number: str, sequence: int) -> None:
        series, count = rollout_rows.count_of(number)
        before = self.series.get(series, {"last": 0})["last"]
        if count != before + 1:
            what = f"{number} follows number {before} of its series: the series has gaps"
            self.problems.append(Problem(where=f"entry {sequence}", what=what))
        self.series[series] = {"series": series, "sequence": sequence, "last": count}

    def _work(self, event: RolloutEvent, sequence: int) -> None:
        if isinstance(event.what, Dispatched):
            row = rollout_rows.job_row(event, event.what, sequence)
            self._jobs[row["dispatch"]] = row
        elif ended := rollout_rows.ended_by(event):
            self._jobs[ended]["ended"] = stamp(event.at)

    def _compare_hosts(self) -> None:
        few = {"yield_per": _AT_ONCE}
        waiting = {
            (number, host): (each.hosts[host], place)
            for number, each in self._rollouts.items()
            for host, place in each.places.items()
        }
        for row in self._connection.execute(select(ROLLOUT_HOST), execution_options=few).mappings():
            known = waiting.pop((row["rollout"], row["host"]), None)
            self._judge(ROLLOUT_HOST, self._host_row(row, known), row)
        for number, host in waiting:
            self._judge(ROLLOUT_HOST, {"rollout": number, "host": host}, None)

    def _host_row(self, row: Row, known: tuple[int, int] | None) -> Row | None:
        if known is None:
            return None
        sequence, place = known
        host = self._rollouts[row["rollout"]].rollout.hosts[row["host"]]
        return {**rollout_rows.host_row(row["rollout"], host, sequence), "place": place}

    def _judge(self, table: Table, expected: Mapping[Any, Any] | None, actual: Row | None) -> None:
        problem = judged(table.name, expected, actual)
        if problem is not None:
            self.problems.append(problem)


def _row(replayed: _Replayed) -> dict[str, Any]:
    updated = replayed.updated or replayed.rollout.opened
    own = {"opening": replayed.opening, "key": replayed.key, "told": replayed.told}
    return {**rollout_rows.row_of(replayed.rollout, replayed.sequence, updated), **own}
