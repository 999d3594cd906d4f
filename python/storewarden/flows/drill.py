# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores are rehearsed: of the hosts whose turn it is, from each place in turn.

Where a copy turns out to be damaged, that rehearsal is recorded as failed, and the same set is
tried from the next place that holds it: both results stand in the catalog.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from storewarden.domain.backup.catalog import Catalog, DrillRecord, Target, Verb, in_places
from storewarden.domain.backup.drill import Lack, Source, sampled, source_of
from storewarden.domain.backup.policy import Level, Method, Policy
from storewarden.domain.errors import ConfigInvalid
from storewarden.flows.backup_work import Outcome, run_name
from storewarden.flows.drill_record import Rehearsal, rehearsal_of
from storewarden.ports.backup_catalog import BackupCatalog
from storewarden.ports.backup_hosts import BackupOrder
from storewarden.ports.clock import Clock


class Carry(Protocol):
    """Runs orders to their end: written down before they are given, recorded afterwards."""

    def __call__(self, orders: Sequence[BackupOrder], *, change: str = "") -> Mapping[str, Outcome]:
        """Run id -> what came of it; ``change`` is the one on whose account it is done."""
        ...


type On = Callable[[Target, str], str]
"""Which host works on what lies in a place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillParts:
    """What rehearsing takes. ``targets`` are the hosts that a policy binds, ``policies`` by id;
    ``places`` are those of the settings, () for all; ``told`` hears of each rehearsal as it
    ends."""

    catalog: BackupCatalog
    policies: Mapping[str, Policy]
    targets: Callable[[Policy], Sequence[Target]]
    carry: Carry
    clock: Clock
    on: On = lambda target, _location: target.host
    places: Collection[str] = ()
    told: Callable[[Rehearsal], None] = lambda _rehearsal: None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillWish:
    """What to rehearse: ``hosts``, or those of the policy whose turn it is. ``set`` is one set of
    one host; ``at`` the moment to come back to; ``disaster`` the one from which loss counts."""

    hosts: tuple[str, ...] = ()
    policy: str = ""
    set: str = ""
    location: str = ""
    at: datetime | None = None
    disaster: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetDrill:
    """What came of one target: ``rehearsals`` in order, one per place that was tried."""

    target: Target
    rehearsals: tuple[Rehearsal, ...] = ()
    lack: Lack | None = None

    @property
    def passed(self) -> bool:
        """Whether every copy that was tried did; another one that did is no excuse."""
        return bool(self.rehearsals) and all(each.passed for each in self.rehearsals)

    @property
    def restorable(self) -> bool:
        """Whether some copy came back as it should."""
        return any(each.passed for each in self.rehearsals)

    @property
    def done(self) -> bool:
        """Whether there is a result at all."""
        return self.lack is not None or any(each.record is not None for each in self.rehearsals)


@dataclass(slots=True)
class _Open:
    """One target at work."""

    target: Target
    policy: Policy
    source: Source
    places: list[str]
    rehearsals: list[Rehearsal] = field(default_factory=list)


def run_drills(parts: DrillParts, wish: DrillWish) -> tuple[TargetDrill, ...]:
    """Rehearse what is wished. Raises ConfigInvalid for a host or policy that is not bound."""
    wish = _of_set(parts, wish)
    targets = wished_targets(parts, wish)
    catalogs = {each: parts.catalog.of([each]) for each in targets}
    if parts.places:
        catalogs = {each: in_places(one, parts.places) for each, one in catalogs.items()}
    opened, lacking = list[_Open](), list[TargetDrill]()
    for target in targets:
        found = _source(catalogs[target], wish)
        if isinstance(found, Lack):
            lacking.append(TargetDrill(target=target, lack=found))
            continue
        policy = parts.policies[target.policy]
        opened.append(_Open(target=target, policy=policy, source=found, places=list(found.places)))
    _rounds(parts, wish, opened)
    done = [TargetDrill(target=each.target, rehearsals=tuple(each.rehearsals)) for each in opened]
    order = {target: number for number, target in enumerate(targets)}
    return tuple(sorted([*done, *lacking], key=lambda each: order[each.target]))


def wished_targets(parts: DrillParts, wish: DrillWish) -> tuple[Target, ...]:
    """The targets that are meant. Raises ConfigInvalid."""
    policies = _policies(parts, wish)
    found: list[Target] = []
    for policy in policies:
        bound = tuple(parts.targets(policy))
        if wish.hosts:
            found += [each for each in bound if each.host in wish.hosts]
            continue
        drills = [d for each in bound for d in parts.catalog.of([each]).drills]
        found += sampled(bound, policy, drills)
    missing = sorted(set(wish.hosts) - {each.host for each in found})
    if missing:
        raise ConfigInvalid(
            "no such policy binds it",
            where=missing[0],
            hint="storewarden backup plan shows what binds which host",
        )
    return tuple(found)


def _of_set(parts: DrillParts, wish: DrillWish) -> DrillWish:
    """A set names its host and its policy. Raises ConfigInvalid for one that is of others."""
    if not wish.set:
        return wish
    named = parts.catalog.set(wish.set)
    if named is None:
        raise ConfigInvalid("there is no such set", where=wish.set)
    target = named.target
    if wish.policy not in ("", target.policy) or wish.hosts not in ((), (target.host,)):
        raise ConfigInvalid(f"is a set of {target.name}", where=wish.set)
    return replace(wish, hosts=(target.host,), policy=target.policy)


def _policies(parts: DrillParts, wish: DrillWish) -> tuple[Policy, ...]:
    if wish.policy and wish.policy not in parts.policies:
        known = ", ".join(sorted(parts.policies)) or "none"
        raise ConfigInvalid(
            "there is no such policy", where=wish.policy, hint=f"there are: {known}"
        )
    if wish.policy:
        return (parts.policies[wish.policy],)
    able = [each for each in parts.policies.values() if each.method is not Method.NETWORK]
    return tuple(each for each in able if wish.hosts or each.drill is not None)


def _source(catalog: Catalog, wish: DrillWish) -> Source | Lack:
    return source_of(catalog, at=wish.at, named=wish.set, location=wish.location)


def _rounds(parts: DrillParts, wish: DrillWish, opened: Sequence[_Open]) -> None:
    """Every target from its first place, then those whose copy failed from their next one."""
    left = [each for each in opened if each.places]
    while left:
        began = parts.clock.now()
        orders = [_order(parts, wish, each, began) for each in left]
        seen = parts.carry(orders)
        again = []
        for each, order in zip(left, orders, strict=True):
            found = rehearsal_of(order, seen.get(order.run), _recorded(parts, order))
            each.rehearsals.append(found)
            parts.told(found)
            if found.elsewhere and each.places and not wish.location:
                again.append(each)
        left = again


def _recorded(parts: DrillParts, order: BackupOrder) -> DrillRecord | None:
    target = order.target
    found = parts.catalog.drills(host=target.host, policy=target.policy)
    return next((each for each in found if each.id == order.run), None)


def _order(parts: DrillParts, wish: DrillWish, mine: _Open, began: datetime) -> BackupOrder:
    location = mine.places.pop(0)
    return BackupOrder(
        run=run_id(Verb.DRILL, mine.target, began, location),
        target=mine.target,
        on=parts.on(mine.target, location),
        verb=Verb.DRILL,
        policy=mine.policy,
        kind=mine.source.backup.kind,
        sets=tuple(each.id for each in mine.source.chain.sets),
        location=location,
        level=Level.PROVEN,
        point=wish.at,
        disaster=wish.disaster or began,
        kib=mine.policy.bandwidth,
    )


def run_id(verb: Verb, target: Target, at: datetime, location: str = "") -> str:
    """The id of a run that a person asked for: the same one at the same moment is the same run."""
    return run_name(target, verb, location, at, (1, 1))
