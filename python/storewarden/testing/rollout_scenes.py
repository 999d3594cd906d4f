# SPDX-License-Identifier: GPL-3.0-or-later
"""Small rollouts made of few words, for tests of whatever keeps or drives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from storewarden.domain.rollout.events import (
    Approved,
    Dispatched,
    Happening,
    HostReport,
    Opened,
    Report,
    Reported,
    RolloutEvent,
    Started,
    WaveBegan,
)
from storewarden.domain.rollout.record import Dispatch, HostRecord, Phase, Rollout, WaveRecord
from storewarden.domain.rollout.spec import PayloadClass, RolloutSpec, Soak
from storewarden.ports.changes import ChangeBook
from storewarden.ports.ledger import Ledger
from storewarden.ports.outbox import Outbox
from storewarden.ports.rollouts import DecideRollout, RolloutBook
from storewarden.testing.conformance_changes import DAY, PREFIX, opening
from storewarden.testing.conformance_ledger import START

SPEC = RolloutSpec(
    payload="config", payload_class=PayloadClass.CONFIG, soak=Soak(wall=timedelta(minutes=30))
)
STORES: Mapping[str, tuple[str, ...]] = {"000101": ("pos1", "pos2"), "000102": ("srv1",)}
"""A wave for each store."""


class RolloutLedger(Ledger, Protocol):
    """A ledger that keeps rollouts."""

    @property
    def changes(self) -> ChangeBook:
        """The change book."""
        ...

    @property
    def rollouts(self) -> RolloutBook:
        """The rollout book."""
        ...

    @property
    def outbox(self) -> Outbox:
        """The outbox."""
        ...


def event(number: str, what: Happening, at: datetime = START) -> RolloutEvent:
    """An event by the person "li"."""
    return RolloutEvent(number=number, at=at, by="li", what=what)


def planned(
    change: str, stores: Mapping[str, tuple[str, ...]] = STORES, spec: RolloutSpec = SPEC
) -> Callable[[str], tuple[RolloutEvent, ...]]:
    """Composes a rollout that takes a store after the other."""
    waves = tuple(WaveRecord(number=n, stores=(store,)) for n, store in enumerate(stores, 1))
    hosts = tuple(
        HostRecord(name=host, store=store, wave=n, role="pos")
        for n, (store, names) in enumerate(stores.items(), 1)
        for host in names
    )
    plan = Opened(change=change, spec=spec, waves=waves, hosts=hosts, membership="plan 计划")
    return lambda number: (event(number, plan),)


def happening(*whats: Happening, at: datetime = START) -> DecideRollout:
    """Decides that these things happen."""
    return lambda rollout: tuple(event(rollout.number, what, at) for what in whats)


def dispatch(number: str, phase: Phase, *hosts: str, wave: int = 1) -> DecideRollout:
    """Decides to run the ``number``-th phase on hosts."""

    def decide(rollout: Rollout) -> tuple[RolloutEvent, ...]:
        one = Dispatch(
            id=f"{rollout.number}-{number}",
            phase=phase,
            wave=wave,
            hosts=hosts,
            epoch=1_700_000_000,
            at=START,
        )
        return (event(rollout.number, Dispatched(dispatch=one)),)

    return decide


def ended(number: str, phase: Phase, report: Report, *hosts: str) -> DecideRollout:
    """Decides that a phase ended so on all its hosts."""

    def decide(rollout: Rollout) -> tuple[RolloutEvent, ...]:
        reports = tuple(
            HostReport(
                host=host,
                report=report,
                restore_point=f"{rollout.number}-1",
                seconds=1.5,
                detail={"changes": [{"what": "收银", "before": 1, "after": None}]},
            )
            for host in hosts
        )
        told = Reported(dispatch=f"{rollout.number}-{number}", phase=phase, reports=reports)
        return (event(rollout.number, told),)

    return decide


def open_change(ledger: RolloutLedger, key: str = "c1") -> str:
    """A change; its number."""
    return ledger.changes.open_change(key, PREFIX, DAY, opening("pos1")).change.number


def open_rollout(
    ledger: RolloutLedger, stores: Mapping[str, tuple[str, ...]] = STORES, key: str = "k1"
) -> str:
    """A rollout of a change of its own; its number."""
    change = open_change(ledger, f"change of {key}")
    return ledger.rollouts.open_rollout(key, change, planned(change, stores)).rollout.number


def begin(ledger: RolloutLedger, number: str) -> None:
    """Approved, started, its first wave's turn has come."""
    ledger.rollouts.amend(number, "yes", happening(Approved()))
    ledger.rollouts.amend(number, "go", happening(Started(), WaveBegan(wave=1)))
