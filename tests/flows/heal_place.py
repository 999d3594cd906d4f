# SPDX-License-Identifier: GPL-3.0-or-later
"""A chain whose alerts are decided and repaired by the real flows over a real ledger; only the
machines are simulated, and the clock is moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storewarden.adapters.ledger import open_ledger
from storewarden.adapters.ledger.sql import SqlLedger
from storewarden.domain.healing.action import VerifyBy
from storewarden.domain.healing.aftermath import Terms
from storewarden.domain.healing.alert import Alert, Delivery, Signal
from storewarden.domain.healing.pause import Pause
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.record import Occurrence, Repair
from storewarden.domain.healing.world import Maintenance, Standing
from storewarden.domain.maintenance.almanac import Almanac
from storewarden.domain.maintenance.calendar import Calendar, House
from storewarden.flows.heal_again import AskedAgain
from storewarden.flows.heal_check import SourceCheck
from storewarden.flows.heal_closed import ClosedWork
from storewarden.flows.heal_record import run_of
from storewarden.flows.heal_repair import OWNER, RepairParts, RepairWork
from storewarden.flows.heal_tick import HealingDuty, TickParts
from storewarden.flows.heal_world import WorldBook, WorldParts
from storewarden.flows.rollout_parts import EstateNow, PlaySettings
from storewarden.ports.alerts import AlertCheck
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
    as it can be asked, None for one that cannot. ``works`` are hosts in maintenance, ``pauses``
    what people paused, ``told`` the repairs that their standing change was told of, ``verify`` is
    what every host is verified by. ``expressions`` answers for alerts' own expressions. Deciding
    about the host ``poison`` fails. ``sessions`` is who was at work on a host at the last look."""

    folder: Path
    standing: Standing = TRUSTED
    policy: HealPolicy = field(default_factory=HealPolicy)
    ends: dict[str, str] = field(default_factory=dict)
    against: dict[str, str] = field(default_factory=dict)
    source: MemorySource | None = None
    stopped: str = ""
    works: dict[str, Maintenance] = field(default_factory=dict)
    pauses: list[Pause] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    verify: VerifyBy = VerifyBy.ALERT
    expressions: AlertCheck | None = None
    poison: str = ""
    asks_standings: Callable[[datetime], None] = lambda _now: None
    held_repairs: bool = False
    sessions: dict[str, str] = field(default_factory=dict)
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

    def hold_repairs(self) -> None:
        """Repairs are decided and do not begin."""
        self.held_repairs = True

    def let_repairs_go(self) -> None:
        """They begin with the next tick."""
        self.held_repairs = False

    def inventory(self, *hosts: str) -> FrozenInventory:
        """The chain's, with these hosts."""
        return self._estate()().inventory.only(list(hosts))

    def restart(self) -> None:
        """The next controller, after the last one was killed."""
        self.engine = ManualEngine(self.clock, after=self.engine)
        self.engine.start((self._duty(),), (RepairWork(self._repairs()),))

    def _scripted(self, run: PlaybookRun) -> Scripted:
        if run.owner != OWNER:  # somebody else's, which a test ends
            return Scripted(held=True)
        hosts = {}
        for name in run.inventory.hosts:
            end = self.ends.get(name, "repaired")
            report = {"heal": {"end": end, "reason": f"{name} {end}", "reason_zh": ""}}
            status = HostStatus.CHANGED if end == "repaired" else HostStatus.FAILED
            hosts[name] = HostResult(host=name, status=status, report=report)
        return Scripted(hosts=hosts)

    def _duty(self) -> HealingDuty:
        return HealingDuty(self._tick_parts())

    def _tick_parts(self) -> TickParts:
        return TickParts(
            book=self.ledger.alerts,
            world=WorldBook(self._world()),
            rules=RULES,
            policy=self.policy,
            check=self._check(),
            covers=self._covers,
            submit=self._submit,
            clock=self.clock,
            terms=Terms(),
            verify=lambda _rule, _action: self.verify,
        )

    def _check(self) -> SourceCheck:
        sources = {"shop": self.source} if self.source is not None else {}
        asked = {"shop": self.expressions} if self.expressions is not None else {}
        return SourceCheck(sources, self.clock, asked)

    def _covers(self, _number: str, hosts: Sequence[str], _now: datetime) -> str:
        if hosts[0] == self.poison:
            raise RuntimeError("spoilt")
        return self.against.get(hosts[0], "")

    def _submit(self, kind: str, key: str, body: Mapping[str, object]) -> None:
        if not self.held_repairs:
            self.engine.submit(kind, key, body)

    def _standings(self, now: datetime) -> dict[str, Standing]:
        self.asks_standings(now)
        return dict.fromkeys(ACTIONS, self.standing)

    def _world(self) -> WorldParts:
        return WorldParts(
            book=self.ledger.alerts,
            rollouts=self.ledger.rollouts,
            runner=self.runner,
            estate=self._estate(),
            almanac=lambda: Almanac(Calendar(house=House(zone="Asia/Shanghai"))),
            actions=ACTIONS,
            standings=self._standings,
            stopped=lambda: self.stopped,
            policy=self.policy,
            works=self._works,
            pauses=lambda: self.pauses,
        )

    def _works(self, sessions: Mapping[str, str], _now: datetime) -> dict[str, Maintenance]:
        self.sessions = dict(sessions)
        return self.works

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
            again=AskedAgain(
                book=self.ledger.alerts,
                world=WorldBook(self._world()),
                check=self._check(),
                covers=self._covers,
                clock=self.clock,
            ),
            closed=ClosedWork(
                world=WorldBook(self._world()),
                actions=ACTIONS,
                policy=self.policy,
                clock=self.clock,
            ),
            verify=lambda _rule, _action: self.verify,
            ran=self._ran,
        )

    def _ran(self, repair: Repair) -> None:
        if run_of(repair) is not None:
            self.told.append(repair.id)

    def _estate(self) -> Callable[[], EstateNow]:
        devices = tuple(chain(stores=12, tills=6))
        hosts = {each.name: {"ansible_host": f"192.0.2.{n}"} for n, each in enumerate(devices, 1)}
        now = EstateNow(devices=devices, inventory=FrozenInventory(hosts=hosts))
        return lambda: now
