# SPDX-License-Identifier: GPL-3.0-or-later
"""Experiments in the journal: begun before anything is broken, ended when it is known how.

The journal is all that is kept. An experiment's name is its number in it, so whoever takes the
next number has seen all before; two who take the same one cannot both have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from storewarden.domain.chaos.experiment import Experiment
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
        """Those whose hosts may still be broken; who left one without an end is told so once."""
        newest = self._newest()
        found = []
        for number in range(max(newest - _LOOKED_BACK, 0) + 1, newest + 1):
            experiment = self._open(number)
            if experiment is None:
                continue
            if experiment.under_way(now):
                found.append(experiment)
            else:
                self.end(replace(experiment, ended_at=now, outcome=_ABANDONED))
        return tuple(found)

    def begin(self, experiment: Experiment) -> Experiment | None:
        """The experiment with its name; None when somebody else took that at the same time."""
        named = replace(experiment, name=_name(self._newest() + 1))
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
        """What came of it."""
        self._ledger.append(ENDED, ended_data(experiment), run=experiment.name, step="ended")

    def _newest(self) -> int:
        """The last number that was taken; what was found before is never asked for again."""
        while self._begun(self._last + 1) is not None:
            self._last += 1
        return self._last

    def _begun(self, number: int) -> JournalEntry | None:
        return self._ledger.entry(_name(number), "begun")

    def _open(self, number: int) -> Experiment | None:
        entry = self._begun(number)
        if entry is None or self._ledger.entry(entry.run, "ended") is not None:
            return None
        return _read(entry)


def _name(number: int) -> str:
    return f"chaos-{number}"


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
