# SPDX-License-Identifier: GPL-3.0-or-later
"""The world at the moment of a decision about alerts, as the controller can see it from here.

What does not change between two ticks (the groups of an estate) is worked out once, and the world
is gathered once for many hundred alerts: what a round of decisions adds to it is known (``after``).
Facts are gathered before the book is locked: a decision may wait for the next tick, a sender may
not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from storewarden.domain.capacity.budgets import Budgets
from storewarden.domain.capacity.groups import POS_ROLES, groups_of, members_of
from storewarden.domain.errors import StorewardenError
from storewarden.domain.estate.device import Device
from storewarden.domain.healing.action import HealAction
from storewarden.domain.healing.events import Decided
from storewarden.domain.healing.history import KEPT, PastRepair, history_of
from storewarden.domain.healing.pause import Pause
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.record import (
    End,
    HostEnd,
    Occurrence,
    Repair,
    RepairState,
    Stage,
)
from storewarden.domain.healing.world import (
    Busy,
    Maintenance,
    Said,
    Sighting,
    Standing,
    WindowAnswer,
    Windows,
    World,
    window_answer,
)
from storewarden.domain.maintenance.almanac import Almanac
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.maintenance.judge import Question, judge
from storewarden.flows.audit_collect import LABEL_OWNER
from storewarden.flows.chaos_play import OWNER as CHAOS_OWNER
from storewarden.flows.gate_look import OWNER as GATE_OWNER
from storewarden.flows.harden_collect import PLAN_OWNER
from storewarden.flows.heal_repair import OWNER
from storewarden.flows.rollout_parts import EstateNow
from storewarden.flows.rollout_stop import in_chinese
from storewarden.ports.healing import HealingBook, Recent, Settled
from storewarden.ports.rollouts import RolloutBook
from storewarden.ports.runner import Runner, RunPhase

_READERS = frozenset({LABEL_OWNER, PLAN_OWNER, GATE_OWNER})
"""Owners of runs that only read: a host that is being audited is not away, but a repair has to
wait for it, as it wants the host for itself."""

_AT_WORK = frozenset({"preflight", "captured", "applying", "verifying", "undoing"})
"""States in which a rollout works on a host right now; in others it merely holds its place."""

_STORE = "store:"

_FREE = frozenset({"planned", "soaking", "at_target", "final", "restored", "skipped"})
"""States in which a rollout leaves a host alone at this moment."""

_SILENT = frozenset({"offline_untouched"})
"""States of hosts that a rollout could not reach and has not touched; one that it has touched is
busy: its dead man may be taking the change back."""

_LOOKING = frozenset({Stage.ACTING, Stage.VERIFYING})
_GOOD = frozenset({End.REPAIRED})
_NOTHING = frozenset({End.HEALTHY, End.ESCALATE, End.LOOKED, End.UNREACHABLE, End.NOT_BEGUN})


type Works = Callable[[Mapping[str, str], datetime], Mapping[str, Maintenance]]
"""Who has a host at this moment, now -> hosts in maintenance."""


def no_works(_sessions: Mapping[str, str], _now: datetime) -> Mapping[str, Maintenance]:
    """No maintenance is known."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldParts:
    """What the world is gathered from. ``standings`` says per action what it may do here.

    ``works`` says which hosts are in maintenance, given who has a host at this moment; ``pauses``
    are those that people set.
    """

    book: HealingBook
    rollouts: RolloutBook
    runner: Runner
    estate: Callable[[], EstateNow]
    almanac: Callable[[], Almanac]
    actions: Mapping[str, HealAction]
    standings: Callable[[datetime], Mapping[str, Standing]]
    stopped: Callable[[], str]
    policy: HealPolicy
    works: Works = no_works
    pauses: Callable[[], Sequence[Pause]] = tuple
    budgets: Budgets = field(default_factory=Budgets)
    protected: Callable[[Device], tuple[str, ...]] = lambda _device: ()
    pos_roles: frozenset[str] = POS_ROLES
    zone: tzinfo = UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """Who has a host. ``silent``: a rollout could not reach it; ``reads``: it is only looked at;
    ``works``: something is done to it right now, and not by a repair."""

    who: str
    silent: bool = False
    reads: bool = False
    works: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fleet:
    """An estate with what is looked up in it."""

    estate: EstateNow
    devices: Mapping[str, Device]
    addresses: Mapping[str, tuple[str, ...]]
    places: Mapping[tuple[str, str], tuple[str, ...]]
    groups: Mapping[str, tuple[str, ...]]
    members: Mapping[str, tuple[str, ...]]
    protected: Mapping[str, tuple[str, ...]]


class WorldBook:
    """Gathers worlds; remembers what does not change between two ticks."""

    def __init__(self, parts: WorldParts) -> None:
        self._parts = parts
        self._fleet: _Fleet | None = None

    def gathered(self, now: datetime) -> World:
        """Everything for the decisions of one moment."""
        parts, fleet = self._parts, self._estate()
        past = parts.book.repairs(since=now - KEPT)
        running = parts.book.repairs(open_only=True)
        busy = self._busy(fleet, running)
        recent = parts.book.recent(now - parts.policy.asking - parts.policy.storm_span)
        works = {host: each.who for host, each in busy.items() if each.works}
        return World(
            devices=fleet.devices,
            addresses=fleet.addresses,
            places=fleet.places,
            groups=fleet.groups,
            members=fleet.members,
            budgets=parts.budgets,
            unavailable=frozenset(host for host, each in busy.items() if not each.reads),
            unreachable=frozenset(host for host, each in busy.items() if each.silent),
            busy={host: Busy(who=each.who) for host, each in busy.items() if not each.silent},
            running=running,
            history=history_of(self._past(past)),
            recent=_sightings(recent),
            storms=_holding(recent, "storm:", parts.policy.asking),
            faults=_at_fault(parts.book.held(), fleet, parts.policy, now),
            actions=parts.actions,
            standings=parts.standings(now),
            windows=self._windows(fleet, now),
            stopped=self._stopped(),
            paused={each.what: _paused(each) for each in parts.pauses() if each.holds(now)},
            maintenance=parts.works(works, now),
            protected=fleet.protected,
            zone=parts.zone,
        )

    def windows(self, now: datetime) -> Windows:
        """What windows say at one moment, without all the rest of a world."""
        return self._windows(self._estate(), now)

    def zone_of(self, host: str) -> tzinfo:
        """The time of a host's store; the site's where nobody says."""
        device = self._estate().devices.get(host)
        return ZoneInfo(device.tz) if device is not None and device.tz else self._parts.zone

    def after(self, world: World, settled: Settled, there: Iterable[Occurrence]) -> World:
        """The same world after one round of decisions about ``there``; the kill switch is asked
        anew."""
        received = {each.key: each.received_at for each in there}
        decisions = ((each.key, each.what) for each in settled.events)
        seen = [
            Sighting(rule=what.decision.rule, host=what.decision.hosts[0], at=received[key])
            for key, what in decisions
            if isinstance(what, Decided) and what.decision.hosts and key in received
        ]
        new = [past for each in settled.repairs for past in past_of(each, {})]
        known = [past for some in world.history.by_action.values() for past in some]
        return replace(
            world,
            running=(*world.running, *settled.repairs),
            history=history_of((*known, *new)) if new else world.history,
            recent=_newest((*world.recent, *seen)) if seen else world.recent,
            stopped=self._stopped(),
        )

    def _stopped(self) -> Said | None:
        stopped = self._parts.stopped()
        return Said(en=stopped, zh=in_chinese(stopped)) if stopped else None

    def _estate(self) -> _Fleet:
        estate = self._parts.estate()
        if self._fleet is None or self._fleet.estate is not estate:
            self._fleet = _laid_out(estate, self._parts)
        return self._fleet

    def _busy(self, fleet: _Fleet, running: Sequence[Repair]) -> dict[str, _Held]:
        """Host -> who has it."""
        parts, found = self._parts, dict[str, _Held]()
        for repair in running:  # what came after its decision is told instead of it
            found |= dict.fromkeys(repair.hosts, _Held(who=f"repair {repair.id}"))
        runs = [each for each in parts.runner.recover() if each.phase is not RunPhase.FINISHED]
        for run in sorted(runs, key=lambda each: each.owner not in _READERS):
            reads = run.owner in _READERS
            if run.owner != OWNER:
                # An experiment is there to be healed; its host is busy while it is made, no longer.
                works = not reads and run.owner != CHAOS_OWNER
                who = _Held(who=run.owner, reads=reads, works=works)
                found |= {host: who for host in run.hosts if host in fleet.devices}
        held = {**parts.rollouts.owing(), **parts.rollouts.host_states(tuple(fleet.devices))}
        for host, (number, state) in held.items():
            if state not in _FREE and host in fleet.devices:
                found[host] = _Held(
                    who=f"rollout {number}", silent=state in _SILENT, works=state in _AT_WORK
                )
        return found

    def _past(self, repairs: Iterable[Repair]) -> list[PastRepair]:
        """One entry per host of each repair that was begun, or is about to be."""
        known = list(repairs)
        stages = self._parts.book.standing([key for each in known for key in each.occurrences])
        return [past for each in known for past in past_of(each, stages)]

    def _windows(
        self, fleet: _Fleet, now: datetime
    ) -> Callable[[str, OperationClass], WindowAnswer]:
        almanac: list[Almanac] = []
        known: dict[tuple[str, OperationClass], WindowAnswer] = {}

        def judged(host: str, operation: OperationClass) -> WindowAnswer:
            if not almanac:  # calendars are read only when somebody is about to be repaired
                almanac.append(self._parts.almanac())
            device, needs = fleet.devices[host], _needs(self._parts.actions, operation)
            question = Question(device=device, operation=operation, needs=needs)
            return window_answer(judge(question, almanac[0], now), self._parts.zone)

        def asked(host: str, operation: OperationClass) -> WindowAnswer:
            key = (host, operation)
            if key not in known:
                try:
                    known[key] = judged(host, operation)
                except (StorewardenError, ValueError, KeyError) as error:
                    known[key] = _unjudged(str(error))
            return known[key]

        return asked


def _laid_out(estate: EstateNow, parts: WorldParts) -> _Fleet:
    groups = {each.name: groups_of(each, Budgets(), parts.pos_roles) for each in estate.devices}
    addresses: dict[str, list[str]] = defaultdict(list)
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, given in estate.inventory.hosts.items():
        address, terminal = given.get("ansible_host"), given.get("sw_terminal")
        if isinstance(address, str) and address:
            addresses[address].append(name)
        if isinstance(terminal, str) and terminal:
            places[str(given.get("sw_store", "")), terminal].append(name)
    protected = {each.name: parts.protected(each) for each in estate.devices}
    return _Fleet(
        estate=estate,
        devices={each.name: each for each in estate.devices},
        addresses={address: tuple(names) for address, names in addresses.items()},
        places={place: tuple(names) for place, names in places.items()},
        groups=groups,
        members=members_of(groups),
        protected={name: tags for name, tags in protected.items() if tags},
    )


def _needs(actions: Mapping[str, HealAction], operation: OperationClass) -> timedelta:
    """The longest that an action of a class takes: windows are asked per class."""
    spans = [each.needs for each in actions.values() if each.operation is operation]
    return max(spans, default=timedelta(minutes=5))


def _unjudged(why: str) -> WindowAnswer:
    """Nobody can say whether a window is open: a broken calendar, a zone that there is not."""
    said = Said(en=f"windows cannot be judged: {why}", zh=f"无法判断维护窗口：{why}")
    return WindowAnswer(allowed=False, reason=said)


def _paused(pause: Pause) -> Said:
    return Said(en=f"by {pause.by}: {pause.reason}", zh=f"{pause.by}：{pause.reason}")


def _sightings(recent: Iterable[Recent]) -> tuple[Sighting, ...]:
    return _newest(
        Sighting(rule=each.rule, host=each.hosts[0], at=each.received_at)
        for each in recent
        if each.rule and each.hosts
    )


def _newest(sightings: Iterable[Sighting]) -> tuple[Sighting, ...]:
    """The newest of each rule and host: others count no more."""
    found: dict[tuple[str, str], Sighting] = {}
    for each in sightings:
        there = found.get((each.rule, each.host))
        if there is None or there.at < each.at:
            found[each.rule, each.host] = each
    return tuple(found.values())


def _at_fault(
    held: Iterable[Recent], fleet: _Fleet, policy: HealPolicy, now: datetime
) -> dict[str, datetime]:
    """Stores of which half is held back still, for the store's sake -> until they are looked at
    again: as long as their alerts are on, the store is at fault."""
    broken: dict[str, set[str]] = defaultdict(set)
    for each in held:
        if each.incident.startswith(_STORE):
            broken[each.incident.removeprefix(_STORE)].update(each.hosts)
    sizes = {store: len(fleet.members.get(f"{_STORE}{store}", ())) for store in broken}
    return {
        store: now + policy.fault_span
        for store, hosts in broken.items()
        if len(hosts) >= policy.fault_hosts
        and len(hosts) >= policy.fault_share * max(sizes[store], 1)
    }


def _holding(recent: Iterable[Recent], begins: str, span: timedelta) -> dict[str, datetime]:
    """What a breaker that has opened is about -> until when it stays so: a span after the last
    alert that it took."""
    found: dict[str, datetime] = {}
    for each in recent:
        if each.incident.startswith(begins):
            found[each.incident.removeprefix(begins)] = each.received_at + span
    return found


def past_of(
    repair: Repair, standing: Mapping[str, tuple[Stage, tuple[str, ...]]]
) -> list[PastRepair]:
    """One entry per host of a repair, given where its occurrences stand. Hosts on which it never
    began are left out."""
    ends = {each.host: each for each in repair.ends}
    seen: dict[str, set[Stage]] = defaultdict(set)
    for stage, hosts in (standing[key] for key in repair.occurrences if key in standing):
        for host in hosts:
            seen[host].add(stage)
    ended = repair.state is RepairState.ENDED
    return [
        PastRepair(
            host=host,
            action=repair.action,
            rule=repair.rule,
            at=repair.begun_at or repair.opened_at,
            ended_at=repair.ended_at,
            verified=_verified(ends.get(host), seen[host]),
            canary=repair.canary,
            verifying=bool(seen[host] & _LOOKING),
        )
        for host in repair.hosts
        if not (ended and _never_began(ends[host]))
    ]


def _never_began(end: HostEnd) -> bool:
    return end.end is End.NOT_BEGUN


def _verified(end: HostEnd | None, stages: set[Stage]) -> bool | None:
    """Whether the host was seen well afterwards; None while, or where, nobody can tell."""
    if end is None or end.end in _NOTHING:
        return None
    if end.end not in _GOOD:
        return False
    if stages <= {Stage.HEALED}:
        return True
    return False if Stage.ESCALATED in stages else None
