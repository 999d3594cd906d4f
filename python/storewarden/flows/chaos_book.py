# SPDX-License-Identifier: GPL-3.0-or-later
"""Experiments in the journal: begun before anything is broken, ended when it is known how.

The journal is all that is kept. An experiment's name is its number in it, so whoever takes the
next number has seen all before; two who take the same one cannot both have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from storewarden.domain.chaos.experiment import Experiment, Undone
from storewarden.domain.chaos.plain import begun_data, ended_data
from storewarden.domain.errors import LedgerConflict
from storewarden.ports.ledger import JournalEntry, Ledger

BEGUN, UNDONE, ENDED = "chaos begun", "chaos undone", "chaos ended"
_LOOKED_BACK = 50  # experiments among which open ones are looked for
_ABANDONED = "abandoned"


class ChaosBook:
    """The experiments of one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._last = 0

    def under_way(self, now: datetime) -> tuple[Experiment, ...]:
        """Those whose hosts may still be broken; who left one without an end is told so once.

        One that has ended counts as well while some host has not said that its fault is gone: until
        that host's timer has surely run.
        """
        newest = self._newest()
        found = []
        for number in range(max(newest - _LOOKED_BACK, 0) + 1, newest + 1):
            begun, ended = self._begun(number), self._ledger.entry(_name(number), "ended")
            if begun is None or (ended is not None and _surely_over(ended)):
                continue
            experiment = _read(begun)
            if experiment.under_way(now):
                found.append(experiment)
            elif ended is None:
                self.end(replace(experiment, ended_at=now, outcome=_ABANDONED))
        return tuple(found)

    def begin(self, experiment: Experiment) -> Experiment | None:
        """The experiment with its name; None when somebody else has begun one since ``under_way``
        was asked: what was decided then did not know of it."""
        named = replace(experiment, name=_name(self._last + 1))
        try:
            self._ledger.append(BEGUN, begun_data(named), run=named.name, step="begun")
        except LedgerConflict:
            if self._ledger.entry(named.name, "begun") is None:
                raise
            return None
        return named

    def undone(self, experiment: Experiment, hosts: Mapping[str, str], now: datetime) -> None:
        """Who took the fault back, by host."""
        body = {"at": now.isoformat(), "hosts": dict(hosts)}
        self._ledger.append(UNDONE, body, run=experiment.name, step="undone")

    def end(self, experiment: Experiment) -> None:
        """What came of it; the first one to tell is believed."""
        try:
            self._ledger.append(ENDED, ended_data(experiment), run=experiment.name, step="ended")
        except LedgerConflict:  # two found it abandoned, or its own process came back late
            if self._ledger.entry(experiment.name, "ended") is None:
                raise

    def _newest(self) -> int:
        """The last number that was taken; what was found before is never asked for again."""
        while self._begun(self._last + 1) is not None:
            self._last += 1
        return self._last

    def _begun(self, number: int) -> JournalEntry | None:
        return self._ledger.entry(_name(number), "begun")


def _name(number: int) -> str:
    return f"chaos-{number}"


def _surely_over(ended: JournalEntry) -> bool:
    """Whether of every host it is known that its fault is gone."""
    rows = ended.body.get("rows")
    return not isinstance(rows, list) or not any(
        isinstance(each, Mapping) and each.get("undone") == Undone.UNKNOWN.value for each in rows
    )


def _read(entry: JournalEntry) -> Experiment:
    body = entry.body
    hosts, options = body["hosts"], body["options"]
    return Experiment(
        name=entry.run,
        fault=str(body["fault"]),
        hosts=tuple(map(str, hosts)) if isinstance(hosts, list) else (),
        options={str(key): str(each) for key, each in options.items()}
        if isinstance(options, Mapping)
        else {},
        begun_at=datetime.fromisoformat(str(body["begun_at"])),
        span=timedelta(seconds=int(str(body["seconds"]))),
        by=str(body["by"]),
        change=str(body["change"]),
        expect=str(body["expect"]),
    )
