# SPDX-License-Identifier: GPL-3.0-or-later
"""One night's backups of an estate: which policy binds which host, what is due, and when.

A host may be bound by several policies (its files, its database). One that no policy binds is
named: nobody has said that it needs no backup.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta, tzinfo

from storewarden.domain.backup.night import Hub, Night, Wanted, plan_night
from storewarden.domain.backup.policy import BackupTier, Policy, SetKind, Step
from storewarden.domain.backup.schedule import due_set, through_the_day
from storewarden.domain.estate.device import Device
from storewarden.domain.estate.hours import OpeningHours
from storewarden.domain.maintenance.interval import Interval, difference
from storewarden.domain.maintenance.opening import open_intervals
from storewarden.domain.maintenance.wallclock import earliest, latest

_NOON = time(12)
_AFTER_CLOSING = frozenset({BackupTier.POS_DATABASE})  # guide 1.6.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """What the network carries: ``hub_of`` region -> hub, ``line`` KiB/s of a store's line for
    policies that say nothing, 0 for no limit."""

    hubs: Mapping[str, Hub] = field(default_factory=dict)
    hub_of: Mapping[str, str] = field(default_factory=dict)
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanParts:
    """What planning needs. ``groups`` are inventory groups of a host, ``zone`` that of a device;
    ``chain`` says whether host and policy have a usable full set."""

    devices: Sequence[Device]
    policies: Sequence[Policy]
    groups: Callable[[str], Collection[str]]
    zone: Callable[[Device], tzinfo]
    lines: Lines = field(default_factory=Lines)
    chain: Callable[[str, str], bool] = lambda _host, _policy: True


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipping:
    """What does not wait for the night: a log, every so many hours."""

    host: str
    policy: str
    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupPlan:
    """A night. ``unbound`` are hosts without any policy, ``idle`` policies that bind no host,
    ``closed`` (host, policy) pairs whose store is open for the whole of the window, ``unsized``
    pairs whose size nobody knows yet, ``windows`` when each pair may be kept busy."""

    night: date
    plan: Night
    shipping: tuple[Shipping, ...] = ()
    unbound: tuple[str, ...] = ()
    closed: tuple[tuple[str, str], ...] = ()
    unsized: tuple[tuple[str, str], ...] = ()
    idle: tuple[str, ...] = ()
    windows: Mapping[tuple[str, str], Interval] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether everything fits and everybody is bound."""
        return not (self.plan.late or self.unbound or self.closed or self.idle)

    def only(self, host: str) -> BackupPlan:
        """The same night, of one host."""
        mine = tuple(each for each in self.plan.slots if each.wanted.host == host)
        late = tuple(each for each in self.plan.late if each.wanted.host == host)
        return replace(
            self,
            plan=replace(self.plan, slots=mine, late=late, busiest={}),
            shipping=tuple(each for each in self.shipping if each.host == host),
            unbound=tuple(each for each in self.unbound if each == host),
            closed=tuple(each for each in self.closed if each[0] == host),
            unsized=tuple(each for each in self.unsized if each[0] == host),
            idle=(),
        )


def plan_backups(parts: PlanParts, night: date) -> BackupPlan:
    """What is taken in the night that begins on that day, each store's own day."""
    wanted, windows = list[Wanted](), _Windows(parts.zone, night)
    shipping = list[Shipping]()
    unbound, closed, unsized = list[str](), list[tuple[str, str]](), list[tuple[str, str]]()
    binding: set[str] = set()
    times: dict[tuple[str, str], Interval] = {}
    for device in parts.devices:
        bound = list(bound_policies(parts, device))
        if not bound:
            unbound.append(device.name)
        binding |= {each.id for each in bound}
        for policy in bound:
            steps = through_the_day(policy)
            shipping += [Shipping(host=device.name, policy=policy.id, step=each) for each in steps]
            window = windows.of(policy, device)
            if window is not None:
                times[device.name, policy.id] = window
            due = due_set(policy, night, chain=parts.chain(device.name, policy.id))
            if due is None:
                continue
            if window is None:
                closed.append((device.name, policy.id))
                continue
            if due.kind not in policy.size:
                unsized.append((device.name, policy.id))
            wanted.append(_wanted(parts.lines, device, policy, window, (due.kind, due.en, due.zh)))
    return BackupPlan(
        night=night,
        plan=plan_night(wanted, parts.lines.hubs),
        shipping=tuple(shipping),
        unbound=tuple(unbound),
        closed=tuple(closed),
        unsized=tuple(unsized),
        idle=tuple(each.id for each in parts.policies if each.id not in binding),
        windows=times,
    )


def bound_policies(parts: PlanParts, device: Device) -> Iterator[Policy]:
    """The policies that bind a device."""
    groups = tuple(parts.groups(device.name))
    return (each for each in parts.policies if each.binds(device, groups))


def _wanted(
    lines: Lines, device: Device, policy: Policy, window: Interval, due: tuple[SetKind, str, str]
) -> Wanted:
    kind, en, zh = due
    return Wanted(
        host=device.name,
        policy=policy.id,
        kind=kind,
        line=device.store or device.name,
        hub=lines.hub_of.get(device.region, ""),
        window=window,
        size=policy.size.get(kind, 0),
        rate=policy.bandwidth or lines.line,
        splay=policy.splay,
        en=en,
        zh=zh,
    )


class _Windows:
    """The windows of one night; most stores of a chain share a few."""

    def __init__(self, zone: Callable[[Device], tzinfo], night: date) -> None:
        self._zone, self._night = zone, night
        self._known: dict[tuple[str, tzinfo, OpeningHours | None], Interval | None] = {}

    def of(self, policy: Policy, device: Device) -> Interval | None:
        """The policy's window in a store's own time; for the tills' databases what is left of it
        when the store has closed; None when nothing is."""
        hours = device.hours if policy.tier in _AFTER_CLOSING else None
        key = (policy.id, self._zone(device), hours)
        if key not in self._known:
            self._known[key] = _window(policy, self._night, key[1], hours)
        return self._known[key]


def _window(
    policy: Policy, night: date, zone: tzinfo, hours: OpeningHours | None
) -> Interval | None:
    first, last = policy.window
    after_midnight = first < last <= _NOON  # "00:30-05:00" is the night that began the day before
    begins_on = night + timedelta(days=1) if after_midnight else night
    ends_on = begins_on if last > first else begins_on + timedelta(days=1)
    whole = Interval(
        starts=earliest(datetime.combine(begins_on, first), zone),
        ends=latest(datetime.combine(ends_on, last), zone),
    )
    if hours is None:
        return whole
    left = difference((whole,), open_intervals(hours, zone, whole))
    return max(left, key=lambda each: each.length, default=None)
