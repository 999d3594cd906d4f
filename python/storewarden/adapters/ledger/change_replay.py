# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays the journal's changes and channels against their tables.

A change is folded again from its entries, by the same fold that wrote its row,
and must come out byte for byte. A release that stores a change in another form
rewrites the rows in its migration, from the journal.
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Connection, Table, select

from storewarden.adapters.ledger import (
    change_rows,
    drift_rows,
    incident_rows,
    outbox,
    rollout_rows,
    tombstones,
)
from storewarden.adapters.ledger.cursors import ALL
from storewarden.adapters.ledger.judging import Row, judged, where
from storewarden.adapters.ledger.rollout_replay import RolloutReplay
from storewarden.adapters.ledger.tables import (
    CHANGE,
    CHANGE_HOST,
    CHANGE_SERIES,
    CHANNEL,
    DELIVERY,
)
from storewarden.domain.baseline.drift_ticket import TicketEvent
from storewarden.domain.change.machine import fold
from storewarden.domain.change.numbers import parse_number
from storewarden.domain.change.plain import event_of
from storewarden.domain.change.record import Change
from storewarden.ports.journal import moment
from storewarden.ports.ledger import Problem
from storewarden.ports.outbox import TICKET

_OPENED = (
    drift_rows.KINDS + TicketEvent.OPENED.value,
    *(kind + "opened" for kind in incident_rows.KINDS),
)
"""Kinds with which other subjects of ticket channels begin."""


class Subjects(Protocol):
    """A replay of other subjects of ticket channels; it has taken each row before."""

    def entries(self, number: str) -> array[int] | None:
        """The sequences of a subject's entries so far; None when it is none of these."""
        ...

    def open_numbers(self) -> set[str]:
        """Those that are open after the rows so far."""
        ...


@dataclass(slots=True)
class _Replayed:
    """A change in the making; ``entries`` are the sequences of its entries."""

    change: Change
    key: str
    entries: array[int] = field(default_factory=lambda: array("q"))


class ChangeReplay:
    """Takes journal rows in order; collects a problem for each row they do not explain."""

    def __init__(
        self, connection: Connection, others: Sequence[Subjects], rollouts: RolloutReplay
    ) -> None:
        """``connection`` sees the same moment as the rows that are taken; ``others`` and
        ``rollouts`` have taken each of them before: the ones know the other subjects of ticket
        channels, the other what else a change's ticket is told, and numbers of its own."""
        self.problems: list[Problem] = []
        self._connection = connection
        self._others = others
        self._rollouts = rollouts
        self._changes: dict[str, _Replayed] = {}
        self._broken: set[str] = set()
        self._series: dict[str, dict[str, Any]] = {}
        self._channels: dict[str, int] = {}
        self._subjects: dict[str, set[str]] = {}
        self._last = 0
        self._readers: Mapping[str, Callable[[Row, Row], None]] = {
            outbox.SUBSCRIBED: self._subscribed,
            outbox.UNSUBSCRIBED: self._unsubscribed,
            tombstones.RESTORED: self._restored,
            **dict.fromkeys(_OPENED, self._other_opened),
        }

    def take(self, row: Row) -> None:
        """One raw row."""
        self._last = row["sequence"]
        kind = row["kind"]
        if not isinstance(kind, str):
            return
        about_change = kind.startswith(change_rows.KINDS)
        reader = self._happened if about_change else self._readers.get(kind)
        if reader is None:
            return
        try:
            reader(row, json.loads(row["body"]))
        except (KeyError, TypeError, ValueError, AttributeError) as failure:
            what = f"altered: not the content of a {kind!r} entry ({failure})"
            self.problems.append(Problem(where=f"entry {row['sequence']}", what=what))

    def change(self, number: str) -> Change | None:
        """A change as it stands after the rows so far."""
        replayed = self._changes.get(number)
        return replayed.change if replayed else None

    def close(self) -> list[Problem]:
        """Compare every table; all problems."""
        hosts = {
            (host, number): {"host": host, "number": number}
            for number, replayed in self._changes.items()
            for host in change_rows.hosts_of(replayed.change)
        }
        channels = {name: {"name": name, "sequence": at} for name, at in self._channels.items()}
        changes = {number: self._row(number) for number in self._changes}
        self._compare(CHANGE, changes, "number")
        self._compare(CHANGE_HOST, hosts, "host", "number")
        self._compare(CHANGE_SERIES, self._series | self._rollouts.series, "series")
        self._compare(CHANNEL, channels, "name")
        self._compare_deliveries()
        return self.problems

    def _happened(self, row: Row, body: Row) -> None:
        number = row["run"]
        there = self._changes.get(number)
        if there is not None:
            there.entries.append(row["sequence"])
        if number in self._broken:  # named once; what follows cannot be folded any more
            return
        self._broken.add(number)
        event = event_of(number, row["kind"], moment(row["at"]), body)
        change = fold(there.change if there else None, event)
        if there is None:
            self._opened(row, change)
        else:
            there.change = change
        self._broken.discard(number)

    def _opened(self, row: Row, change: Change) -> None:
        number = row["run"]
        self._numbered(row)
        replayed = self._changes[number] = _Replayed(change, row["step"])
        replayed.entries.append(row["sequence"])
        self._mirror(number)

    def _other_opened(self, row: Row, _body: Row) -> None:
        # Of one that is not known it was no beginning, and is named there.
        if any(each.entries(row["run"]) is not None for each in self._others):
            self._mirror(row["run"])

    def _mirror(self, number: str) -> None:
        """A new subject of every ticket channel."""
        for name, subjects in self._subjects.items():
            if name.startswith(TICKET):
                subjects.add(number)

    def _numbered(self, row: Row) -> None:
        number, sequence = row["run"], row["sequence"]
        series = change_rows.series_of(number)
        before = self._series.get(series, {"last": 0})["last"]
        count = parse_number(number).sequence
        if count != before + 1:
            what = f"{number} follows number {before} of its series: the series has gaps"
            self.problems.append(Problem(where=f"entry {sequence}", what=what))
        self._series[series] = {"series": series, "sequence": sequence, "last": count}

    def _subscribed(self, row: Row, body: Row) -> None:
        name = body["channel"]
        self._channels[name] = row["sequence"]
        open_ones = {
            number
            for number, replayed in self._changes.items()
            if replayed.change.state not in change_rows.ENDED
        }
        for each in self._others:
            open_ones |= each.open_numbers()
        self._subjects[name] = open_ones if name.startswith(TICKET) else {ALL}

    def _unsubscribed(self, _row: Row, body: Row) -> None:
        del self._channels[body["channel"]]
        del self._subjects[body["channel"]]

    def _restored(self, row: Row, body: Row) -> None:
        """Numbers that a ledger which was given up has given out are left out."""
        for series, last in body.get("series", {}).items():
            if rollout_rows.is_series(series):
                self._rollouts.skip(series, last, row["sequence"])
                continue
            self._series[series] = {"series": series, "sequence": row["sequence"], "last": last}

    def _row(self, number: str) -> dict[str, Any]:
        replayed = self._changes[number]
        own = {"opening": replayed.entries[0], "key": replayed.key}
        return {**change_rows.row_of(replayed.change, replayed.entries[-1]), **own}

    def _compare(self, table: Table, expected: Mapping[Any, Row], *keys: str) -> None:
        open_rows = dict(expected)
        for row in self._connection.execute(select(table)).mappings():
            key = tuple(row[name] for name in keys) if len(keys) > 1 else row[keys[0]]
            self._judge(table.name, open_rows.pop(key, None), row)
        for missing in open_rows.values():
            self._judge(table.name, missing, None)

    def _compare_deliveries(self) -> None:
        expected = {(name, subject) for name, them in self._subjects.items() for subject in them}
        for row in self._connection.execute(select(DELIVERY)).mappings():
            pair = (row["channel"], row["subject"])
            if pair not in expected:
                self._judge(DELIVERY.name, None, row)
                continue
            expected.discard(pair)
            self._judge_cursor(row)
        for channel, subject in sorted(expected):
            self._judge(DELIVERY.name, {"channel": channel, "subject": subject}, None)

    def _judge_cursor(self, row: Row) -> None:
        if row["subject"] == ALL:
            last, waiting, latest = self._last, 0, 0
        else:
            entries = self._entries(row["subject"])
            behind = bisect_right(entries, row["through"])
            last = latest = entries[-1]
            waiting = entries[behind] if behind < len(entries) else 0
        if row["through"] > last or row["through"] < 0:
            what = f"altered: entry {row['through']} cannot have arrived, the last one is {last}"
            self.problems.append(Problem(where=where(DELIVERY.name, row), what=what))
            return
        self._judge(DELIVERY.name, {"latest": latest, "waiting": waiting}, row)

    def _entries(self, subject: str) -> array[int]:
        """The sequences of a subject's entries in order, at least one."""
        for each in self._others:
            other = each.entries(subject)
            if other is not None:
                return other
        own, told = self._changes[subject].entries, self._rollouts.told(subject)
        return array("q", sorted([*own, *told])) if told else own

    def _judge(self, table: str, expected: Row | None, actual: Row | None) -> None:
        problem = judged(table, expected, actual)
        if problem is not None:
            self.problems.append(problem)
