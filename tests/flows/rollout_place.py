# SPDX-License-Identifier: GPL-3.0-or-later
"""A chain of simulated stores, a ledger in memory (or a real one), a clock that is moved, and the
driver over them.

Stores are open 10:00-22:00 in Shanghai and nobody has defined a window, so work is allowed at
night. ``crash`` makes the driver die at a write of the ledger, before it or after it; ``restart``
is the next controller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from storewarden.adapters.ledger import open_ledger
from storewarden.domain.change.commands import Approve
from storewarden.domain.change.people import CLOCK, Person
from storewarden.domain.change.record import Change, Kind, Risk, RollbackPlan
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.estate.device import read_estate
from storewarden.domain.gates.scope import WaveScope
from storewarden.domain.gates.verdict import Outcome, Verdict
from storewarden.domain.maintenance.almanac import Almanac
from storewarden.domain.maintenance.calendar import Calendar, House
from storewarden.domain.rollout.events import RolloutEvent
from storewarden.domain.rollout.plain import event_of
from storewarden.domain.rollout.record import HostState, Phase, Rollout, RolloutState
from storewarden.domain.rollout.spec import (
    GateSpec,
    PayloadClass,
    RolloutSpec,
    SizeKind,
    Soak,
    WaveSize,
)
from storewarden.flows import rollout_parts as shared
from storewarden.flows.change_desk import ChangeDesk, ChangeRequest, DeskParts
from storewarden.flows.change_index import ChangeIndex
from storewarden.flows.change_items import EstateItems
from storewarden.flows.change_windows import ChangeWindows
from storewarden.flows.rollout_news import ChangeNews
from storewarden.flows.rollout_orders import Order, OrderParts, give
from storewarden.flows.rollout_parts import ROLLOUTS, DriveParts, EstateNow, ShardParts
from storewarden.flows.rollout_plan import planned, undo_refusal
from storewarden.flows.rollout_report import document
from storewarden.flows.rollout_shard import ShardWork
from storewarden.flows.rollout_start import Begun, StartParts, StartRequest, start
from storewarden.flows.rollout_stop import KillSwitch
from storewarden.flows.rollout_tick import Driver, Looking, RolloutsDuty, TickWork
from storewarden.ports.rollouts import RolloutBook
from storewarden.ports.runner import FrozenInventory
from storewarden.testing.engine import ManualEngine
from storewarden.testing.inventory import FixedInventory
from storewarden.testing.ledger import ManualClock, MemoryLedger
from storewarden.testing.rollout_fleet import SimFleet
from storewarden.testing.rollout_hosts import SimHost
from tests.flows.desk_place import ASKER, HEAD, MemoryEvidence

SHANGHAI = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 6, 1, 15, 30, tzinfo=UTC)  # 23:30 in Shanghai, a Monday
DAY = timedelta(days=1)


class KilledHere(BaseException):
    """The controller dies at this point; no handler may stop it."""


@dataclass(slots=True)
class Deaths:
    """At which write of the ledger the process dies: ``at`` counts from 1, 0 for never."""

    at: int = 0
    after: bool = False
    writes: int = 0

    def write(self, act: Callable[[], Any]) -> Any:
        """One write."""
        self.writes += 1
        if self.writes == self.at and not self.after:
            raise KilledHere
        result = act()
        if self.writes == self.at:
            raise KilledHere
        return result


class DyingBook:
    """A rollout book whose user dies at a chosen write."""

    _WRITES = ("open_rollout", "amend", "look_again", "take_job", "job_begun")

    def __init__(self, book: RolloutBook, deaths: Deaths) -> None:
        self._book = book
        self._deaths = deaths

    def __getattr__(self, name: str) -> Any:
        """The book's own; writes are counted."""
        found = getattr(self._book, name)
        if name not in self._WRITES:
            return found
        return lambda *given, **named: self._deaths.write(lambda: found(*given, **named))


@dataclass(slots=True)
class SaidGates:
    """Gates that say what a test wants; everything passes unless it says otherwise."""

    says: Callable[[WaveScope], tuple[Verdict, ...]] = lambda _scope: (passing(),)
    asked: list[WaveScope] = field(default_factory=list)

    def check(self, gates: Sequence[GateSpec]) -> None:
        """Any gate will do."""

    def ask(
        self,
        gates: Sequence[GateSpec],
        scope: WaveScope,
        *,
        within: timedelta = DAY,
        coverage: Fraction = Fraction(1),
    ) -> tuple[Verdict, ...]:
        """What the test says of this wave."""
        self.asked.append(scope)
        return self.says(scope)


def passing(gate: str = "probe") -> Verdict:
    """A gate that passes."""
    return Verdict(gate=gate, outcome=Outcome.PASS, reason="all answered")


def failing(reason: str = "sales fell by half") -> Verdict:
    """A gate that fails."""
    return Verdict(gate="sales", outcome=Outcome.FAIL, reason=reason)


def holding(reason: str = "no data") -> Verdict:
    """A gate that cannot tell."""
    return Verdict(gate="sales", outcome=Outcome.HOLD, reason=reason)


def chain(stores: int, tills: int = 1, **variables: object) -> dict[str, dict[str, object]]:
    """An inventory: so many stores with so many tills each."""
    return {
        f"pos{till:02d}.{store:06d}": {
            "ansible_host": f"10.0.{store}.{till}",
            "sw_store": f"{store:06d}",
            "sw_region": "east",
            "sw_role": "pos",
            "sw_ci": f"POS-{store}-{till}",
            "sw_tier": "ordinary",
            "sw_failure_groups": [],
            "sw_tz": "Asia/Shanghai",
            "sw_hours": "10:00-22:00",
            **variables,
        }
        for store in range(1, stores + 1)
        for till in range(1, tills + 1)
    }


def waves(*sizes: int) -> tuple[WaveSize, ...]:
    """Waves by numbers of stores."""
    return tuple(WaveSize(kind=SizeKind.STORES, stores=size) for size in sizes)


def wanted(version: str = "2", **more: object) -> RolloutSpec:
    """A rollout file: version ``version``, one store, three, then the rest."""
    fields: dict[str, object] = {
        "payload": "packages",
        "payload_class": PayloadClass.PACKAGES,
        "options": {"version": version},
        "locks": True,
        "waves": (*waves(1, 3), WaveSize(kind=SizeKind.SHARE, share=Fraction(1))),
        "soak": Soak(wall=timedelta(hours=24)),
        "gates": (GateSpec(kind="probe", name="probe"),),
    }
    return RolloutSpec(**(fields | more))  # type: ignore[arg-type]


class RolloutPlace:
    """Everything. Use ``begin`` to open a rollout and ``pass_time`` to let the night go by."""

    def __init__(
        self, folder: Path, *, stores: int = 6, tills: int = 2, durable: bool = False
    ) -> None:
        self.folder = folder
        self.clock = ManualClock(START)
        self.ledger: Any = MemoryLedger(self.clock)
        if durable:
            self.ledger = open_ledger(folder / "ledger.db", clock=self.clock)
        self.hosts = chain(stores, tills)
        self.fleet = SimFleet(self.clock, {name: SimHost(name=name) for name in self.hosts})
        self.gates = SaidGates()
        self.evidence = MemoryEvidence()
        self.calendar = Calendar(house=House(zone="Asia/Shanghai"))
        self.deaths = Deaths()
        self.switch = KillSwitch(self.ledger, folder)
        self.language = "en"
        self.engine = ManualEngine(self.clock)
        self.news = ChangeNews(self.ledger)
        self.restart()

    def restart(self) -> None:
        """Another controller over the same ledger, the same runs and the same hosts."""
        self.deaths = Deaths()
        book: Any = DyingBook(self.ledger.rollouts, self.deaths)
        self.engine = ManualEngine(self.clock, after=self.engine)
        parts = self.parts(book)
        looking = Looking()
        shards = (ShardWork(parts.shard, kind) for kind in (shared.SHARD, shared.ENDING))
        works = (TickWork(Driver(parts), looking), *shards)
        duty = RolloutsDuty(parts, looking)
        duty.every = timedelta(hours=6)  # here it is always woken, or has a time of its own
        self.engine.start((duty,), works)

    def pass_time(self, span: timedelta) -> None:
        """Let time go by, for the controller and for the hosts."""
        end = self.clock.now() + span
        while self.clock.now() < end:
            self.fleet.settle()
            step = min(end - self.clock.now(), timedelta(minutes=10))
            self.engine.pass_time(step)
        self.fleet.settle()

    def until(
        self, *states: RolloutState, number: str = "", longest: timedelta = 14 * DAY
    ) -> Rollout:
        """Let time go by until the rollout is in one of ``states``."""
        end = self.clock.now() + longest
        while self.rollout(number).state not in states:
            assert self.clock.now() < end, f"still {self.rollout(number).state} {self.told(number)}"
            self.pass_time(timedelta(minutes=20))
        return self.rollout(number)

    def parts(self, book: RolloutBook) -> DriveParts:
        """The driver's parts over ``book``."""
        shard = ShardParts(
            book=book,
            runner=self.fleet,
            clock=self.clock,
            estate=self.estate,
            frozen=self.switch,
            worker="controller",
            wake=self.wake,
        )
        return DriveParts(
            shard=shard,
            changes=self.ledger.changes,
            desk=self.clock_desk,
            almanac=lambda: Almanac(self.calendar),
            gates=self.gates,
            submit=self.engine.submit,
            report=lambda rollout, _history: document(rollout, self.language, SHANGHAI),
            changed=self.news,
            zone=SHANGHAI,
            language=self.language,
        )

    def wake(self) -> None:
        """The duty ticks now."""
        self.engine.wake(ROLLOUTS)

    def estate(self) -> EstateNow:
        """The same object as long as it is the same."""
        found = FrozenInventory(hosts=self.hosts, groups={}, source="inventory")
        if getattr(self, "_estate", None) is None or self._estate.inventory != found:
            devices = read_estate(self.hosts, lambda _zone: True).devices
            self._estate = EstateNow(devices=devices, inventory=found)
        return self._estate

    def desk(self, person: Person) -> ChangeDesk:
        """The desk with somebody in front of it."""
        return ChangeDesk(self.desk_parts(), person)

    def clock_desk(self, hosts: Sequence[str]) -> ChangeDesk:
        """The desk of "storewarden" itself, asking windows for these hosts alone."""
        windows = self._windows()
        chosen = set(hosts)

        def judge(change: Change, now: datetime) -> Any:
            items = tuple(item for item in change.draft.items if item.host in chosen)
            narrow = replace(change, draft=replace(change.draft, items=items))
            return windows.judge_start(narrow, now)

        return ChangeDesk(replace(self.desk_parts(), judge_start=judge), CLOCK)

    def desk_parts(self) -> DeskParts:
        """The desk's parts."""
        items = EstateItems(
            FixedInventory(self.estate().inventory),
            ["inventory"],
            clock=self.clock,
            zone_known=lambda _name: True,
        )
        return DeskParts(
            book=self.ledger.changes,
            index=ChangeIndex(self.ledger.changes, self.ledger),
            evidence=self.evidence,
            clock=self.clock,
            rules=ApprovalRules(),
            items=items,
            zone=SHANGHAI,
            judge_start=self._windows().judge_start,
        )

    def _windows(self) -> ChangeWindows:
        return ChangeWindows(lambda: self.estate().devices, lambda: Almanac(self.calendar))

    def change(self, *, approved: bool = True, hosts: Sequence[str] = (), **more: object) -> Change:
        """A change over all hosts, or these."""
        fields: dict[str, object] = {
            "summary": "Price service 2",
            "kind": Kind.STANDARD,
            "risk": Risk.LOW,
            "reason": "wrong prices",
            "hosts": tuple(hosts) or ("all",),
            "plan": "roll it out",
            "rollback": RollbackPlan(trigger="no sale", steps="rollback", owner="op.one"),
            "operation": "patch",
        }
        request = ChangeRequest(**(fields | more))  # type: ignore[arg-type]
        key = f"k{self.ledger.head().sequence}"
        found = self.desk(ASKER).open(key, request)
        return self.approve(found.number) if approved else found

    def approve(self, number: str) -> Change:
        """The one who has to say yes does."""
        return self.desk(HEAD).act(number, f"yes-{self.ledger.head().sequence}", Approve())

    def begin(
        self, change: str, spec: RolloutSpec | None = None, by: Person = ASKER, **more: bool
    ) -> Begun:
        """`rollout start`."""
        found = self.desk(by).change(change)
        whole = read_estate(self.hosts, lambda _zone: True)
        plan = planned(self.estate().inventory, spec or wanted(), found.hosts, whole)
        parts = StartParts(
            book=self.ledger.rollouts,
            desk=self.desk(by),
            clock=self.clock,
            gates=self.gates,
            zone=SHANGHAI,
            undo=lambda made: undo_refusal(made, whole),
            wake=self.wake,
        )
        return start(parts, StartRequest(change=change, plan=plan, **more))

    def opened(self, spec: RolloutSpec | None = None, **more: object) -> Rollout:
        """A rollout on an approved change of its own."""
        return self.begin(self.change(**more).number, spec).rollout  # type: ignore[arg-type]

    def order(
        self,
        word: str,
        number: str = "",
        host: str = "",
        why: str = "seen",
        by: Person = ASKER,
    ) -> Rollout:
        """An order, of ASKER unless somebody else gives it."""
        parts = OrderParts(
            book=self.ledger.rollouts,
            changes=self.ledger.changes,
            clock=self.clock,
            wake=self.wake,
        )
        wish = Order(rollout=number or self.newest, order=word, why=why, host=host)
        return give(parts, by, wish)

    @property
    def newest(self) -> str:
        """The number of the rollout that was opened last."""
        return self.ledger.rollouts.lines(limit=1)[0].number

    def rollout(self, number: str = "") -> Rollout:
        """A rollout as it stands."""
        found = self.ledger.rollouts.rollout(number or self.newest)
        assert found is not None
        return found

    def host_states(self, number: str = "") -> dict[str, HostState]:
        """Host -> state."""
        return {name: host.state for name, host in self.rollout(number).hosts.items()}

    def events(self, number: str = "") -> list[RolloutEvent]:
        """What happened, in order."""
        entries = self.ledger.rollouts.history(number or self.newest)
        return [event_of(each.run, each.kind, each.at, each.body) for each in entries]

    def told(self, number: str = "") -> list[str]:
        """The last happenings, for a message."""
        hosts = [f"{h.name}={h.state}" for h in self.rollout(number).hosts.values()]
        return hosts + [f"{e.at:%H:%M} {str(e.what)[:150]}" for e in self.events(number)[-6:]]

    def notes(self, number: str) -> list[str]:
        """What was noted on a change."""
        history = self.desk(ASKER).history(number)
        return [str(each.body["text"]) for each in history if each.kind == "change noted"]

    def applied(self) -> Mapping[str, list[str]]:
        """Host -> labels of the runs that changed it, in order."""
        found: dict[str, list[str]] = {name: [] for name in self.hosts}
        for touch in self.fleet.touched:
            if touch.phase == Phase.APPLY.value:
                found[touch.host].append(touch.label)
        return found
