# SPDX-License-Identifier: GPL-3.0-or-later
"""A chain whose alerts are decided and repaired by the real flows over a real ledger; only the
machines are simulated, and the clock is moved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storewarden.adapters.ledger import open_ledger
from storewarden.adapters.ledger.sql import SqlLedger
from storewarden.domain.healing.aftermath import Terms
from storewarden.domain.healing.alert import Alert, Delivery, Signal
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.record import Occurrence
from storewarden.domain.healing.world import Standing
from storewarden.domain.maintenance.almanac import Almanac
from storewarden.domain.maintenance.calendar import Calendar, House
from storewarden.flows.heal_check import SourceCheck
from storewarden.flows.heal_repair import RepairParts, RepairWork
from storewarden.flows.heal_tick import HealingDuty, TickParts
from storewarden.flows.heal_world import WorldBook, WorldParts
from storewarden.flows.rollout_parts import EstateNow, PlaySettings
from storewarden.ports.runner import (
    FrozenInventory,
    HostResult,
    HostStatus,
    PlaybookRun,
)
from storewarden.testing.alerts import MemorySource
from storewarden.testing.engine import ManualEngine
from storewarden.testing.ledger import ManualClock
from storewarden.testing.runner import FakeRunner, Scripted
from tests.unit.healing.scenes import ACTIONS, RULES, TRUSTED, chain

NIGHT = datetime(2026, 6, 1, 18, 0, tzinfo=UTC)  # 02:00 in Shanghai
SECOND = timedelta(seconds=1)


@dataclass(slots=True)
class HealPlace:
    """``ends`` says how the repair of a host comes out; "repaired" when a test says nothing.
    ``against`` is what the standing change says against a repair, by host. ``source`` is the sender
    as it can be asked, None for one that cannot."""

    folder: Path
    standing: Standing = TRUSTED
    policy: HealPolicy = field(default_factory=HealPolicy)
    ends: dict[str, str] = field(default_factory=dict)
    against: dict[str, str] = field(default_factory=dict)
    source: MemorySource | None = None
    stopped: str = ""
    clock: ManualClock = field(default_factory=lambda: ManualClock(NIGHT))
    runner: FakeRunner = field(init=False)
    engine: ManualEngine = field(init=False)
    ledger: SqlLedger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = open_ledger(self.folder / "ledger.sqlite", clock=self.clock)
        self.runner = FakeRunner(self._scripted)
        self.engine = ManualEngine(self.clock)
        self.engine.start((self._duty(),), (RepairWork(self._repairs()),))

    def send(self, *hosts: str, over: bool = False, name: str = "pos-down") -> tuple[str, ...]:
        """One request with an alert per host; the keys of those that are new."""
        alerts = tuple(self.alert(host, over=over, name=name) for host in hosts)
        delivery = Delivery(source="shop", alerts=alerts)
        return self.ledger.alerts.receive(delivery, self.clock.now()).new

    def alert(self, host: str, *, over: bool = False, name: str = "pos-down") -> Alert:
        """A host's alert, which began at the same moment however often it is sent."""
        return Alert(
            source="shop",
            fingerprint=f"{name}/{host}",
            starts_at=NIGHT - SECOND,
            signal=Signal.RESOLVED if over else Signal.FIRING,
            name=name,
            labels={"alertname": name, "host": host},
        )

    def pass_time(self, by: timedelta) -> None:
        """The controller lives for so long."""
        self.engine.wake("healing")
        self.engine.pass_time(by)

    def alerts(self) -> tuple[Occurrence, ...]:
        """What the ledger knows, oldest first."""
        return tuple(reversed(self.ledger.alerts.occurrences()))

    @property
    def repaired(self) -> list[str]:
        """Hosts for which a run was started, in order."""
        return [host for run in self.runner.started for host in run.inventory.hosts]

    def restart(self) -> None:
        """The next controller, after the last one was killed."""
        self.engine = ManualEngine(self.clock, after=self.engine)
        self.engine.start((self._duty(),), (RepairWork(self._repairs()),))

    def _scripted(self, run: PlaybookRun) -> Scripted:
        hosts = {}
        for name in run.inventory.hosts:
            end = self.ends.get(name, "repaired")
            report = {"heal": {"end": end, "reason": f"{name} {end}", "reason_zh": ""}}
            status = HostStatus.CHANGED if end == "repaired" else HostStatus.FAILED
            hosts[name] = HostResult(host=name, status=status, report=report)
        return Scripted(hosts=hosts)

    def _duty(self) -> HealingDuty:
        sources = {"shop": self.source} if self.source is not None else {}
        check = SourceCheck(sources, self.clock)
        parts = TickParts(
            book=self.ledger.alerts,
            world=WorldBook(self._world()),
            rules=RULES,
            policy=self.policy,
            check=check,
            covers=lambda _number, hosts, _now: self.against.get(hosts[0], ""),
            submit=self.engine.submit,
            clock=self.clock,
            terms=Terms(),
        )
        return HealingDuty(parts)

    def _world(self) -> WorldParts:
        return WorldParts(
            book=self.ledger.alerts,
            rollouts=self.ledger.rollouts,
            runner=self.runner,
            estate=self._estate(),
            almanac=lambda: Almanac(Calendar(house=House(zone="Asia/Shanghai"))),
            actions=ACTIONS,
            standings=lambda _now: dict.fromkeys(ACTIONS, self.standing),
            stopped=lambda: self.stopped,
            policy=self.policy,
        )

    def _repairs(self) -> RepairParts:
        return RepairParts(
            book=self.ledger.alerts,
            runner=self.runner,
            clock=self.clock,
            estate=self._estate(),
            actions=ACTIONS,
            frozen=lambda: self.stopped,
            worker="controller",
            settings=PlaySettings(),
            contact=lambda _host, _report: None,
            wake=lambda: self.engine.wake("healing"),
        )

    def _estate(self) -> Callable[[], EstateNow]:
        devices = tuple(chain(stores=12, tills=6))
        hosts = {each.name: {"ansible_host": f"192.0.2.{n}"} for n, each in enumerate(devices, 1)}
        now = EstateNow(devices=devices, inventory=FrozenInventory(hosts=hosts))
        return lambda: now
