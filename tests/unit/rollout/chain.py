# SPDX-License-Identifier: GPL-3.0-or-later
"""A small chain of stores whose hosts behave as real ones do, and a driver that ticks a rollout.

Each store has two tills and an HA pair of gateways. The driver does what the real one does: decide,
record, start, report; and asserts on the way what must hold at every step (reference: rollouts,
I1-I7).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction

from storewarden.domain.capacity.groups import WORK, cap, groups_of, kind_of, members_of
from storewarden.domain.estate.device import Device
from storewarden.domain.gates.verdict import Outcome, Verdict
from storewarden.domain.rollout.decide import decide
from storewarden.domain.rollout.dispatching import SLOTS
from storewarden.domain.rollout.events import (
    Dispatched,
    Opened,
    RolloutEvent,
)
from storewarden.domain.rollout.facts import Busy, Facts, Step, StoreWindow
from storewarden.domain.rollout.machine import fold
from storewarden.domain.rollout.orders import order
from storewarden.domain.rollout.plain import (
    body_of,
    entry_kind,
    event_of,
    plain_head,
    plain_host,
    typed_host,
    typed_rollout,
)
from storewarden.domain.rollout.record import (
    Dispatch,
    HostRecord,
    HostState,
    Phase,
    Rollout,
    RolloutState,
    WaveRecord,
)
from storewarden.domain.rollout.reporting import reported
from storewarden.domain.rollout.spec import Budgets, GateSpec, PayloadClass, RolloutSpec, Soak
from storewarden.domain.rollout.tables import ENDED, LINGERING
from tests.unit.rollout.sim_hosts import NIGHT, SimHost, World

NUMBER = "GMBG-20260601-001-R1"
CHANGE = "GMBG-20260601-001"
KINDS = ("pos-1", "pos-2", "gw-a", "gw-b")
OVER = ENDED - LINGERING

H, R, P = HostState, RolloutState, Phase


def spec(**other: object) -> RolloutSpec:
    """A quick rollout of packages with one gate."""
    given: dict[str, object] = {
        "payload": "packages",
        "payload_class": PayloadClass.PACKAGES,
        "soak": Soak(wall=timedelta(minutes=30)),
        "gates": (GateSpec(kind="probe", name="probe"),),
        "budgets": Budgets(store=2, region=Fraction(1)),
        **other,
    }
    return RolloutSpec(**given)  # type: ignore[arg-type]


def devices(stores: int, kinds: tuple[str, ...] = KINDS) -> dict[str, Device]:
    """The devices of some stores."""
    found = {}
    for number in range(1, stores + 1):
        for kind in kinds:
            name, store = f"s{number}-{kind}", f"{number:06}"
            pair = (f"ha-{number}",) if kind.startswith("gw") else ()
            role = kind.partition("-")[0]
            found[name] = Device(
                name=name, store=store, region="east", role=role, failure_groups=pair
            )
    return found


def opened(
    what: RolloutSpec, waves: tuple[int, ...], kinds: tuple[str, ...] = KINDS
) -> RolloutEvent:
    """The beginning: ``waves`` are numbers of stores."""
    hosts, records, first = [], [], 1
    for number, stores in enumerate(waves, 1):
        names = [f"{each:06}" for each in range(first, first + stores)]
        records.append(WaveRecord(number=number, stores=tuple(names)))
        for each in range(first, first + stores):
            hosts += [
                HostRecord(name=f"s{each}-{kind}", store=f"{each:06}", wave=number)
                for kind in kinds
            ]
        first += stores
    what_happens = Opened(
        change=CHANGE, spec=what, waves=tuple(records), hosts=tuple(hosts), membership="d1"
    )
    return RolloutEvent(number=NUMBER, at=NIGHT, by="li", what=what_happens)


class Driver:
    """Ticks one rollout over a world; every event goes through the codec and is kept."""

    def __init__(
        self,
        what: RolloutSpec | None = None,
        waves: tuple[int, ...] = (1, 2),
        kinds: tuple[str, ...] = KINDS,
    ) -> None:
        known = devices(sum(waves), kinds)
        self.world = World(hosts={name: SimHost(name=name) for name in known})
        self.groups = {name: groups_of(device) for name, device in known.items()}
        self.members = members_of(self.groups)
        self.events: list[RolloutEvent] = []
        self.rollout: Rollout = fold(None, self._keep(opened(what or spec(), waves, kinds)))
        self.windows: dict[str, StoreWindow] = {
            device.store: StoreWindow(allowed=True) for device in known.values()
        }
        self.facts = Facts(groups=self.groups, members=self.members, day="2026-06-01")
        self.outcome = Outcome.PASS
        self.hard = False
        self.skew = timedelta(0)  # of the controller's clock
        self.step = Step()

    @property
    def now(self) -> datetime:
        return self.world.now + self.skew

    def host(self, name: str) -> HostRecord:
        return self.rollout.hosts[name]

    def states(self, *states: HostState) -> set[str]:
        return {host.name for host in self.rollout.hosts.values() if host.state in states}

    def _keep(self, event: RolloutEvent) -> RolloutEvent:
        body = json.loads(json.dumps(body_of(event)))
        read = event_of(event.number, entry_kind(event), event.at, body)
        assert read == event
        self.events.append(read)
        return read

    def take(self, events: tuple[RolloutEvent, ...]) -> None:
        """Record events: each is checked against what was true before it."""
        for event in events:
            before = self.rollout
            self.rollout = fold(before, self._keep(event))
            if isinstance(event.what, Dispatched):
                self._check_dispatch(before, event.what.dispatch)

    def known(self) -> Facts:
        """The facts as a driver would gather them."""
        wave = self.rollout.wave
        since = wave.soaking if wave is not None else None
        traded = self.now - since if since is not None and since < self.now else timedelta(0)
        return replace(self.facts, windows=self.windows, traded=traded)

    def verdict(self) -> Verdict:
        return Verdict(gate="probe", outcome=self.outcome, reason="it says so", hard=self.hard)

    def tick(self, **facts: object) -> Step:
        """Decide, record, ask the gates when told to, and decide that again."""
        told = replace(self.known(), **facts)  # type: ignore[arg-type]
        self.step = self._decide(told)
        if self.step.ask_gates:
            asked = replace(
                told, gone=frozenset(), verdicts=(self.verdict(),), wave=self.step.ask_gates
            )
            self.step = self._decide(asked)
        return self.step

    def _decide(self, facts: Facts) -> Step:
        step = decide(self.rollout, facts, self.now)
        self.take(step.events)
        again = decide(self.rollout, facts, self.now)
        assert again.events == (), f"not idempotent: {[each.what for each in again.events]}"
        return step

    def finish(self, *ids: str) -> None:
        """The runs of dispatches (all of them, if none is named) come to their end."""
        for name in ids or tuple(self.rollout.dispatches):
            one = self.rollout.dispatches[name]
            reports = self.world.does(one, self.rollout)
            self.take(reported(self.rollout, name, reports, self.now))
            assert reported(self.rollout, name, reports, self.now) == ()  # told twice

    def lose(self, name: str, how: str) -> None:
        """A run is killed, or its controller is, and nobody hears of it again."""
        self.world.breaks_off(self.rollout.dispatches[name], self.rollout, how)
        self.tick(gone=frozenset({name}))

    def orders(self, word: str, why: str = "because", host: str = "") -> bool:
        """An order by a person; whether it was taken. No run is ended by one (I7)."""
        before = self.rollout.dispatches
        events = order(self.rollout, word, "wang", why, self.now, host=host)
        self.take(events)
        assert self.rollout.dispatches == before
        return len(events) > 1

    def passes(self, minutes: float) -> None:
        self.world.passes(timedelta(minutes=minutes))

    def go(self, until: Callable[[], bool], ticks: int = 400) -> None:
        """Tick, end all runs, and let time pass as long as the step says, until it is so."""
        for _ in range(ticks):
            if until():
                return
            step = self.tick()
            if self.rollout.dispatches:
                self.finish()
                self.passes(1)
            elif step.look_at is not None and step.look_at > self.now:
                self.world.passes(step.look_at - self.now)
            else:
                self.passes(5)
        raise AssertionError(
            f"never came to it: {self.rollout.state}, waits for {self.step.waiting!r}, "
            f"{[(h.name, h.state.value) for h in self.rollout.hosts.values()]}"
        )

    def over(self) -> bool:
        return self.rollout.state in ENDED

    def check(self) -> None:
        """What must be true at any time."""
        for host in self.rollout.hosts.values():
            self._check_host(host)
        if self.rollout.state in OVER | {R.ROLLED_BACK_WITH_DEBT}:
            self._check_end()

    def _check_host(self, host: HostRecord) -> None:
        real = self.world.hosts[host.name]
        if host.dispatch:
            assert host.dispatch in self.rollout.dispatches
            return
        if host.state in (H.SOAKING, H.AT_TARGET, H.FINAL):  # I2
            assert real.version in ("new", "newer"), f"{host.name} is not changed"
            assert real.pack_is == "confirmed", f"{host.name} is not confirmed"
            assert real.busy_until is None
        if host.state is H.RESTORED:
            assert (real.version, real.half) == ("old", False), f"{host.name} is not restored"
        if not host.touched and host.state is not H.SKIPPED:
            assert real.version == "old", f"{host.name} is changed, and nobody knows"

    def _check_end(self) -> None:
        good = (H.AT_TARGET, H.FINAL, H.RESTORED)
        for host in self.rollout.hosts.values():  # I4
            if host.touched and not host.debt:
                assert host.state in good, f"{host.name} is {host.state} at the end"
        if self.rollout.state is R.ROLLED_BACK:
            assert not any(host.touched for host in self.rollout.hosts.values())

    def _check_dispatch(self, before: Rollout, one: Dispatch) -> None:
        for name in one.hosts:
            assert not before.hosts[name].dispatch, f"{name} is dispatched twice"
            if one.phase is P.APPLY:
                assert before.hosts[name].restore_point  # I3
                real = self.world.hosts[name]
                assert real.pack in ("", before.hosts[name].restore_point)
        assert one.epoch >= before.epoch
        if one.phase in (P.PREFLIGHT, P.APPLY):
            self._check_caps(before, one.hosts)
        if one.phase is P.UNDO:
            whole = (H.SOAKING, H.AT_TARGET, H.FINAL)
            standing = [n for n in one.hosts if before.hosts[n].state in whole]
            standing = [n for n in standing if not before.hosts[n].setback]
            self._check_caps(before, tuple(standing))

    def _check_caps(self, before: Rollout, new: tuple[str, ...]) -> None:
        """I1, reckoned from the definition: all that is away in each group, these included."""
        away = {host.name for host in before.hosts.values() if host.state in SLOTS}
        silent = self.states_of(before, H.OFFLINE_UNTOUCHED)
        silent |= {name for name, busy in self.facts.unavailable.items() if busy.silent}
        away |= {name for name, busy in self.facts.unavailable.items() if not busy.silent}
        for group in {group for name in new for group in self.groups[name]}:
            members = set(self.members[group])
            counted = away if kind_of(group) in WORK else away | silent
            taken = members & (counted | set(new))
            most = cap(group, len(members), before.spec.budgets)
            assert len(taken) <= most, f"{group}: {sorted(taken)} of at most {most}"

    def states_of(self, rollout: Rollout, state: HostState) -> set[str]:
        return {host.name for host in rollout.hosts.values() if host.state is state}

    def check_replay(self) -> None:
        """The events alone make the same rollout, and so do its rows."""
        again: Rollout | None = None
        for event in self.events:
            again = fold(again, event)
        assert again == self.rollout
        head = json.loads(json.dumps(plain_head(self.rollout)))
        rows = [json.loads(json.dumps(plain_host(h))) for h in self.rollout.hosts.values()]
        assert typed_rollout(head, map(typed_host, rows)) == self.rollout


def away(name: str) -> dict[str, Busy]:
    """A host that somebody else works on."""
    return {name: Busy(host=name, reason="leased")}


__all__ = ["NIGHT", "NUMBER", "Driver", "H", "P", "R", "away", "devices", "opened", "spec"]
