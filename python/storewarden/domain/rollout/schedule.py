# SPDX-License-Identifier: GPL-3.0-or-later
"""When each wave begins, is done, and may go on: a plan laid over the windows of its stores.

What is foretold here is what the driver would do if nothing went wrong: a store's hosts are worked
on while its window holds the work and its undo, as many at once as lanes, forks and budgets let
through, in the plan's order (of failure groups that span stores nothing is foretold); then the
wave is watched, by the clock and by trading hours; then the next one begins. Stores that windows
treat alike are asked about once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import Protocol

from storewarden.domain.capacity.budgets import Budgets
from storewarden.domain.capacity.groups import GroupKind, cap, members_of
from storewarden.domain.capacity.undo import UndoCapacity, longest_chain
from storewarden.domain.rollout.exposure import undo_of
from storewarden.domain.rollout.plan import Plan
from storewarden.domain.rollout.record import HostRecord, WaveRecord
from storewarden.domain.rollout.schedule_work import Queue, StoreWork, Worked, Working
from storewarden.domain.rollout.spec import RolloutSpec

_REGION = f"{GroupKind.REGION.value}:"


class StoreClock(Protocol):
    """What windows and opening hours say; made by a flow out of the calendars."""

    def alike(self, store: str) -> Hashable:
        """Stores with equal answers have equal windows and equal opening hours."""
        ...

    def fits(
        self, store: str, needs: timedelta, after: datetime
    ) -> tuple[datetime, datetime] | None:
        """The first stretch of allowed time that holds ``needs``, from ``after`` on: when it
        begins (not before ``after``) and when it closes; None when there is none to be seen."""
        ...

    def traded(self, store: str, since: datetime, long: timedelta) -> datetime | None:
        """When the store will have been open for ``long`` since ``since``; None for a store that
        never opens."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """Who belongs to which failure group: ``groups`` by host of the plan, ``members`` by group
    over the whole estate (``capacity.groups``)."""

    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    members: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreTimes:
    """When work in one store begins and ends."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveTimes:
    """One wave. Times are None from where on nothing could be foretold (``stuck`` says which
    stores have no window that is long enough).

    ``ready`` is when its turn comes; ``ends`` when its last host is verified; ``wall`` and
    ``traded`` are the two ends of its soak, ``promoted`` the later one. ``exposed`` are all hosts
    changed so far, ``undo`` how long it takes to take them back. ``never_open`` is true when a
    trading soak was asked for and no store of it ever opens: then the clock alone counts.
    """

    number: int
    stores: int
    hosts: int
    exposed: int
    undo: UndoCapacity
    ready: datetime | None = None
    begins: datetime | None = None
    ends: datetime | None = None
    wall: datetime | None = None
    traded: datetime | None = None
    promoted: datetime | None = None
    never_open: bool = False
    stuck: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """All waves; ``stores`` says when each store is worked on."""

    waves: tuple[WaveTimes, ...]
    stores: Mapping[str, StoreTimes] = field(default_factory=dict)

    @property
    def begins(self) -> datetime | None:
        """When the first host is worked on."""
        return self.waves[0].begins if self.waves else None

    @property
    def done(self) -> datetime | None:
        """When every host has been changed and verified."""
        return self.waves[-1].ends if self.waves else None

    @property
    def over(self) -> datetime | None:
        """When the last wave has been watched."""
        return self.waves[-1].promoted if self.waves else None

    @property
    def stuck(self) -> tuple[str, ...]:
        """Stores without a window that is long enough."""
        return tuple(store for wave in self.waves for store in wave.stuck)


def needs(spec: RolloutSpec) -> timedelta:
    """What must fit into a window from a host's first phase on: look, change, verify, undo."""
    return spec.timing.preflight + spec.timing.whole


def schedule(
    plan: Plan, clock: StoreClock, now: datetime, estate: Estate | None = None
) -> Schedule:
    """The times of ``plan`` when it is started at ``now``."""
    estate, spec = _whole(plan, estate), plan.spec
    by_wave = _by_wave(plan)
    ready: datetime | None = now
    waves, times = list[WaveTimes](), dict[str, StoreTimes]()
    for record, undo in zip(plan.waves, undo_by_wave(plan, estate), strict=True):
        wave = _Wave(record=record, hosts=by_wave[record.number], undo=undo, ready=ready)
        worked = _worked(wave, spec, clock, estate)
        times.update(_store_times(worked))
        waves.append(_watched(wave, worked, spec, clock))
        ready = waves[-1].promoted
    return Schedule(waves=tuple(waves), stores=times)


def undo_by_wave(plan: Plan, estate: Estate | None = None) -> tuple[UndoCapacity, ...]:
    """Per wave, what it takes to take back everything that is exposed when it is done."""
    estate, exposed = _whole(plan, estate), 0
    counts: dict[str, int] = {}
    found = []
    for hosts in _by_wave(plan).values():
        exposed += len(hosts)
        _count(counts, (group for host in hosts for group in _own(host, estate)))
        found.append(_undo(exposed, counts, plan.spec, estate))
    return tuple(found)


def _whole(plan: Plan, estate: Estate | None) -> Estate:
    """``estate``; without one, what the plan itself knows."""
    if estate is not None and estate.members:
        return estate
    groups = {each.name: _own(each, estate or Estate()) for each in plan.hosts}
    return Estate(groups=groups, members=members_of(groups))


def _undo(
    exposed: int, counts: Mapping[str, int], spec: RolloutSpec, estate: Estate
) -> UndoCapacity:
    """What it takes to take back everything that is exposed after a wave."""
    return undo_of(exposed, counts, estate.members, spec, spec.timing.undo)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wave:
    """A wave with what is known of it before its work is laid out."""

    record: WaveRecord
    hosts: Sequence[HostRecord]
    undo: UndoCapacity
    ready: datetime | None


def _by_wave(plan: Plan) -> dict[int, list[HostRecord]]:
    found: dict[int, list[HostRecord]] = {wave.number: [] for wave in plan.waves}
    for host in plan.hosts:
        found[host.wave].append(host)
    return found


def _own(host: HostRecord, estate: Estate) -> Sequence[str]:
    """The host's groups; without any, what the plan itself knows."""
    return estate.groups.get(host.name) or (f"host:{host.name}", f"store:{host.store}", "site")


def _count(counts: dict[str, int], groups: Iterable[str]) -> None:
    for group in groups:
        counts[group] = counts.get(group, 0) + 1


def _redundant(counts: Mapping[str, int]) -> Mapping[str, int]:
    """Groups in which work queues up; that of the whole site is a matter of lanes."""
    site = GroupKind.SITE.value
    return {group: count for group, count in counts.items() if count > 1 and group != site}


def _worked(wave: _Wave, spec: RolloutSpec, clock: StoreClock, estate: Estate) -> Worked:
    if wave.ready is None:
        return Worked()
    needed = needs(spec)
    queues = _queues(wave, spec.budgets, clock, estate)
    regions = {queue.region for queue in queues if queue.region}
    working = Working(
        fits=lambda store, after: clock.fits(store, needed, after),
        needs=needed,
        length=spec.timing.preflight + spec.timing.change,
        lanes=spec.lanes,
        shard=spec.shard,
        at_once=max(spec.budgets.site, 1),
        regions={
            name: cap(name, len(estate.members.get(name, ())), spec.budgets) for name in regions
        },
    )
    return working.run(queues, wave.ready)


def _queues(wave: _Wave, budgets: Budgets, clock: StoreClock, estate: Estate) -> tuple[Queue, ...]:
    """The stores of the wave, in the plan's order, by what windows and regions say to them."""
    work = store_work(wave.hosts, budgets, estate)
    regions = {host.store: _region(_own(host, estate)) for host in wave.hosts}
    queues: dict[Hashable, Queue] = {}
    for store in wave.record.stores:
        key = (clock.alike(store), regions[store])
        if key not in queues:
            queues[key] = Queue(store, regions[store])
        queues[key].add(work[store])
    return tuple(queues.values())


def _region(groups: Iterable[str]) -> str:
    return next((each for each in groups if each.startswith(_REGION)), "")


def store_work(
    hosts: Sequence[HostRecord], budgets: Budgets, estate: Estate
) -> dict[str, StoreWork]:
    """Store -> its hosts, and how many of them caps let go together."""
    by_store: dict[str, list[HostRecord]] = {}
    for host in hosts:
        by_store.setdefault(host.store, []).append(host)
    found = {}
    for place, (store, own) in enumerate(by_store.items()):
        turns = 1
        if len(own) > 1:
            counts: dict[str, int] = {}
            _count(counts, (group for host in own for group in _own(host, estate)))
            turns, _ = longest_chain(_redundant(counts), estate.members, budgets)
        together = ceil(len(own) / max(turns, 1))
        found[store] = StoreWork(store=store, place=place, hosts=len(own), together=together)
    return found


def _store_times(worked: Worked) -> dict[str, StoreTimes]:
    return {
        store: StoreTimes(begins=begins, ends=ends)
        for store, (begins, ends) in worked.stores.items()
    }


def _watched(wave: _Wave, worked: Worked, spec: RolloutSpec, clock: StoreClock) -> WaveTimes:
    """The wave with its soak, where its work comes to an end."""
    soak, ends = spec.watched, worked.ends
    wall = traded = None
    never_open = False
    if ends is not None:
        wall = ends + soak.wall
        if soak.trading:
            traded, never_open = _trading(wave.record, ends, soak.trading, clock)
    return WaveTimes(
        number=wave.record.number,
        stores=len(wave.record.stores),
        hosts=len(wave.hosts),
        exposed=wave.undo.exposed,
        undo=wave.undo,
        ready=wave.ready,
        begins=worked.begins,
        ends=ends,
        wall=wall,
        traded=traded,
        promoted=max(each for each in (wall, traded) if each) if wall else None,
        never_open=never_open,
        stuck=worked.stuck,
    )


def _trading(
    wave: WaveRecord, since: datetime, long: timedelta, clock: StoreClock
) -> tuple[datetime | None, bool]:
    """When the store that trades least has traded enough; stores that never open do not count,
    and where none ever opens only time passes."""
    different = {clock.alike(store): store for store in reversed(wave.stores)}
    found = [clock.traded(store, since, long) for store in different.values()]
    ends = [each for each in found if each is not None]
    return (max(ends), False) if ends else (since + long, True)
