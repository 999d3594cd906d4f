# SPDX-License-Identifier: GPL-3.0-or-later
"""One decision in the making: what was told so far is folded at once, so that every rule sees what
the rules before it did, and deciding again on the outcome finds nothing more to say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from storewarden.domain.gates.verdict import Verdict
from storewarden.domain.rollout.events import (
    STOREWARDEN,
    Dispatched,
    Happening,
    HostMoved,
    Reported,
    RolloutEvent,
)
from storewarden.domain.rollout.facts import Facts
from storewarden.domain.rollout.machine import fold
from storewarden.domain.rollout.record import HostRecord, HostState, Rollout, WaveRecord

BACK_OFF = (
    timedelta(minutes=1),
    timedelta(minutes=2),
    timedelta(minutes=5),
    timedelta(minutes=15),
)
"""Between two tries on a host."""

PATIENT = timedelta(hours=1)
"""The same after ``_PATIENT_FROM`` tries: it is off, and comes when it comes."""

SLOW = (timedelta(hours=6), timedelta(days=1))
"""Between two tries on an untouched host that was silent for a day, and for a week. Nothing is
owed there, so nobody need be quick; one that was touched is asked every hour for ever."""

_PATIENT_FROM = 8
_SLOW_FROM = (32, 60)  # tries: about a day of hours, then a week of quarters of a day


type _States = dict[HostState, dict[str, HostRecord]]

_NONE: Mapping[str, HostRecord] = {}


def _hosts_of(what: Happening) -> tuple[str, ...]:
    """Hosts whose record an event changes."""
    if isinstance(what, Dispatched):
        return what.dispatch.hosts
    if isinstance(what, Reported):
        return tuple(report.host for report in what.reports)
    return what.hosts if isinstance(what, HostMoved) else ()


def back_off(tries: int, *, untouched: bool = False) -> timedelta:
    """How long to wait after so many tries; ``untouched`` hosts are asked ever more seldom."""
    if tries < _PATIENT_FROM:
        return BACK_OFF[min(max(tries, 1), len(BACK_OFF)) - 1]
    slow = sum(tries >= each for each in _SLOW_FROM) if untouched else 0
    return (PATIENT, *SLOW)[slow]


@dataclass(slots=True, kw_only=True)
class Course:
    """The rollout as it is after the ``events`` told so far, and what else the step will say."""

    rollout: Rollout
    facts: Facts
    now: datetime
    events: list[RolloutEvent] = field(default_factory=list)
    ask_gates: int = 0
    wakes: list[datetime] = field(default_factory=list)
    waiting: tuple[str, str] = ("", "")
    _heard: bool = False  # the verdicts of these facts are used up
    _indexes: dict[int, _States] = field(default_factory=dict)

    def tell(self, *happenings: Happening) -> None:
        """Say what happens now."""
        for what in happenings:
            event = RolloutEvent(number=self.rollout.number, at=self.now, by=STOREWARDEN, what=what)
            self.follow((event,))

    def follow(self, events: Iterable[RolloutEvent]) -> None:
        """Take events that were made elsewhere."""
        for event in events:
            before, self.rollout = self.rollout, fold(self.rollout, event)
            self.events.append(event)
            self._reindex(before, _hosts_of(event.what))

    def afresh(self) -> None:
        """Another look at everything: what earlier looks wanted to wait for is forgotten."""
        self.ask_gates, self.waiting = 0, ("", "")
        self.wakes.clear()

    def wake(self, at: datetime) -> None:
        """Decide again at ``at`` at the latest."""
        self.wakes.append(at)

    def wait(self, reason: str, reason_zh: str) -> None:
        """Say what is waited for; the first one to say it counts."""
        if not self.waiting[0]:
            self.waiting = (reason, reason_zh)

    def hosts(self, *states: HostState, wave: int = 0) -> list[HostRecord]:
        """Hosts in any of ``states``, state by state; ``wave`` limits them to one."""
        found = self._index(wave)
        return [host for state in states for host in found.get(state, _NONE).values()]

    def idle(self, *states: HostState, wave: int = 0) -> list[HostRecord]:
        """The same, without those that are busy with a dispatch."""
        found = self._index(wave)
        return [
            host
            for state in states
            for host in found.get(state, _NONE).values()
            if not host.dispatch
        ]

    def count(self, *states: HostState, wave: int = 0) -> int:
        """How many hosts are in any of ``states``; in any state at all, if none is named."""
        found = self._index(wave)
        return sum(len(found.get(state, _NONE)) for state in states or found)

    def _index(self, wave: int) -> _States:
        """Hosts by state, made when a wave is first asked for; ``follow`` keeps it up."""
        if wave not in self._indexes:
            found: _States = {}
            for name, host in self.rollout.hosts.items():
                if not wave or host.wave == wave:
                    found.setdefault(host.state, {})[name] = host
            self._indexes[wave] = found
        return self._indexes[wave]

    def _reindex(self, before: Rollout, names: Iterable[str]) -> None:
        for name in names:
            old, new = before.hosts[name], self.rollout.hosts[name]
            for wave, found in self._indexes.items():
                if not wave or new.wave == wave:
                    found[old.state].pop(name, None)
                    found.setdefault(new.state, {})[name] = new

    def verdicts(self, wave: WaveRecord) -> tuple[Verdict, ...] | None:
        """The gates' answers about this wave, once; None when they were not asked."""
        told, about = self.facts.verdicts, self.facts.wave
        if self._heard or told is None or about not in (0, wave.number) or wave.looked == self.now:
            return None
        self._heard = True
        return told

    def due(self, host: HostRecord) -> bool:
        """Whether a host's next try may be; asks to be woken when not yet.

        A clock that was put back does not make anybody wait for longer.
        """
        since = host.since
        if since is None or since > self.now or host.tries == 0:
            return True
        untouched = host.state is HostState.OFFLINE_UNTOUCHED and not host.touched
        at = since + back_off(host.tries, untouched=untouched)
        if self.now >= at:
            return True
        self.wake(at)
        return False
