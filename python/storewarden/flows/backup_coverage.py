# SPDX-License-Identifier: GPL-3.0-or-later
"""How every target of an estate stands: what policies want, joined with what the catalog knows.

It begins with the estate: a host that was never backed up is in no catalog. A host that no policy
binds is named, because nobody has said that it needs no backup.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import batched
from math import ceil

from storewarden.domain.backup.catalog import Catalog, Location, Target
from storewarden.domain.backup.freshness import Coverage, Standing, standing_of
from storewarden.domain.backup.policy import Policy
from storewarden.domain.estate.device import Device
from storewarden.ports.backup_reports import CoverageReport, CoverageRow, DrillSample

_HUNDRED = 100
_AT_ONCE = 500
_GRACE = timedelta(days=1)  # a rehearsal that ends in the night after its day is not late


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageParts:
    """What is asked. ``groups`` are the inventory groups of a host; ``catalogs`` is read for some
    hundreds of targets at a time: all that a chain has does not fit into memory."""

    devices: Sequence[Device]
    policies: Sequence[Policy]
    groups: Callable[[str], Collection[str]]
    catalogs: Callable[[Sequence[Target]], Mapping[Target, Catalog]]
    locations: Mapping[str, Location] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which part is asked for; "" asks for all."""

    host: str = ""
    store: str = ""
    policy: str = ""

    def fits(self, device: Device, policy: Policy) -> bool:
        """Whether a target is meant."""
        asked = ((self.host, device.name), (self.store, device.store), (self.policy, policy.id))
        return all(wanted in ("", there) for wanted, there in asked)


def horizon(policies: Sequence[Policy]) -> timedelta:
    """How far back the catalog matters: sets of before cannot make up for anything any more."""
    periods = [each.period for policy in policies for each in policy.schedule]
    periods += [each.every for policy in policies for each in policy.verify]
    periods += [policy.drill.every for policy in policies if policy.drill is not None]
    return 2 * max(periods, default=timedelta()) + timedelta(days=31)


def coverage_of(parts: CoverageParts, now: datetime, wish: Wish | None = None) -> CoverageReport:
    """How the targets stand that are asked for. Raises LedgerConflict and AdapterError."""
    asked = wish or Wish()
    bound, unbound = _bound(parts)
    meant = [(device, policy) for device, policy in bound if asked.fits(device, policy)]
    binding = {policy.id for _device, policy in bound}
    whole = asked == Wish()
    rows: list[CoverageRow] = []
    known: dict[Target, Catalog] = {}
    for some in batched(meant, _AT_ONCE):
        there = parts.catalogs([_target(device, policy) for device, policy in some])
        there = {name: replace(each, locations=parts.locations) for name, each in there.items()}
        rows += [_row(device, policy, there, now) for device, policy in some]
        known |= {name: _first(each) for name, each in there.items()}
    return CoverageReport(
        at=now,
        rows=tuple(rows),
        samples=() if asked.host or asked.store else tuple(_samples(meant, known, now)),
        unbound=tuple(each.name for each in unbound if _named(each, asked)),
        idle=tuple(each.id for each in parts.policies if each.id not in binding) if whole else (),
    )


def _first(catalog: Catalog) -> Catalog:
    """What is kept of a target when it was judged: its rehearsals, and when it began."""
    oldest = min(catalog.sets, key=lambda each: each.received, default=None)
    return replace(catalog, runs=(), sets=(oldest,) if oldest is not None else ())


def standings_of(report: CoverageReport) -> tuple[Standing, ...]:
    """The same as gaps are told from: a policy's overdue rehearsals are a gap of no host."""
    drills = (
        Standing(
            target=Target(host="", policy=each.policy),
            coverage=Coverage.DRILL_OVERDUE,
            en=f"{each.done} of {each.wanted} restores passed within {each.every.days} days",
            zh=f"{each.every.days} 天内成功恢复演练 {each.done}/{each.wanted} 次",
        )
        for each in report.overdue
    )
    return (*(each.standing for each in report.rows), *drills)


def _bound(parts: CoverageParts) -> tuple[list[tuple[Device, Policy]], list[Device]]:
    found: list[tuple[Device, Policy]] = []
    unbound: list[Device] = []
    for device in parts.devices:
        groups = tuple(parts.groups(device.name))
        mine = [each for each in parts.policies if each.binds(device, groups)]
        found += [(device, each) for each in mine]
        if not mine:
            unbound.append(device)
    return found, unbound


def _target(device: Device, policy: Policy) -> Target:
    return Target(host=device.name, policy=policy.id)


def _named(device: Device, wish: Wish) -> bool:
    if wish.policy:
        return False
    return wish.host in ("", device.name) and wish.store in ("", device.store)


def _row(
    device: Device, policy: Policy, known: Mapping[Target, Catalog], now: datetime
) -> CoverageRow:
    target = _target(device, policy)
    return CoverageRow(
        standing=standing_of(target, policy, known.get(target, Catalog()), now),
        tier=policy.tier.value,
        region=device.region,
        store=device.store,
    )


def _samples(
    kept: Sequence[tuple[Device, Policy]], known: Mapping[Target, Catalog], now: datetime
) -> Iterable[DrillSample]:
    policies: dict[str, tuple[Policy, list[Catalog]]] = {}
    for device, policy in kept:
        there = policies.setdefault(policy.id, (policy, []))
        there[1].append(known.get(_target(device, policy), Catalog()))
    for policy, catalogs in policies.values():
        if policy.drill is not None and policy.drill.sample < _HUNDRED:
            yield _sample(policy, policy.drill.every, policy.drill.sample, catalogs, now)


def _sample(
    policy: Policy, every: timedelta, share: int, catalogs: Sequence[Catalog], now: datetime
) -> DrillSample:
    since = now - every - _GRACE
    recent = [[drill for drill in each.drills if drill.began >= since] for each in catalogs]
    firsts = [backup.received for each in catalogs for backup in each.sets]
    return DrillSample(
        policy=policy.id,
        targets=len(catalogs),
        wanted=max(1, ceil(len(catalogs) * share / _HUNDRED)),
        done=sum(any(drill.passed for drill in each) for each in recent),
        failed=sum(bool(each) and not any(drill.passed for drill in each) for each in recent),
        every=every,
        begun=min(firsts, default=now) < since,
    )
