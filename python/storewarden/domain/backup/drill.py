# SPDX-License-Identifier: GPL-3.0-or-later
"""Rehearsals of a restore: whom, from which place, and whether one has passed.

A copy that nobody ever restored from is not proven, so each place has its turn; and a hundred hosts
need not be rehearsed every quarter, so those whose turn is longest ago are (``Drill.sample``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import ceil

from storewarden.domain.backup.catalog import (
    BackupSet,
    Catalog,
    Chain,
    DrillRecord,
    Target,
    chain_of,
)
from storewarden.domain.backup.policy import Level, Policy, SetKind

_NEVER = datetime.min.replace(tzinfo=UTC)
_HUNDRED = 100
_KIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A set that can be restored, and the places that hold its whole chain, whose turn it is
    first; those in doubt come last."""

    backup: BackupSet
    chain: Chain
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """Why nothing can be restored."""

    en: str
    zh: str


def sampled(
    targets: Iterable[Target], policy: Policy, drills: Iterable[DrillRecord]
) -> tuple[Target, ...]:
    """Those of a policy's targets whose turn it is: the share that the policy names, at least one;
    the longest without a rehearsal first, and never the alphabet's first alone."""
    last = _last(drills, lambda each: each.target)
    found = sorted(set(targets), key=lambda each: (last.get(each, _NEVER), _scattered(each.name)))
    share = policy.drill.sample if policy.drill is not None else _HUNDRED
    return tuple(found[: max(1, ceil(len(found) * share / _HUNDRED))])


def source_of(
    catalog: Catalog,
    *,
    at: datetime | None = None,
    named: str = "",
    location: str = "",
) -> Source | Lack:
    """What a restore of one target would be made from: the newest set, the one that is ``named``,
    or the one that reaches the moment ``at``; from ``location`` if one is named."""
    sets = {each.id: each for each in catalog.sets if each.expired is None}
    if named and named not in sets:
        return Lack(en=f"there is no set {named}", zh=f"没有备份集 {named}")
    wanted = [sets[named]] if named else _reaching(sets, at)
    if not wanted:
        when = f" of {at:%Y-%m-%d %H:%M %Z} or before" if at else ""
        return Lack(en=f"there is no set{when}", zh="没有可用的备份集")
    lack = Lack(en="", zh="")
    for backup in wanted:
        found = _from(backup, sets, catalog.drills, location)
        if isinstance(found, Source):
            return found
        lack = lack if lack.en else found
    return lack


def verdict_of(record: DrillRecord, policy: Policy) -> DrillRecord:
    """The record as the policy judges it: it has passed only when the data are equal, and both
    times are within what the policy promises. What has failed stays so."""
    reasons = [record.reason] if record.reason else []
    reasons += [f"{len(record.differences)} differences"] if record.differences else []
    if not record.passed and not reasons:
        reasons.append("the host did not say why")
    if record.passed:
        reasons += [en for en, _zh in over(record, policy)]
    passed = record.passed and not reasons
    return replace(record, passed=passed, reason="; ".join(dict.fromkeys(reasons)))


def over(record: DrillRecord, policy: Policy) -> tuple[tuple[str, str], ...]:
    """What a rehearsal did not keep, in English and Chinese."""
    found = []
    if record.level < Level.STARTED:
        found.append(("nothing was started of it", "未启动恢复出的实例"))
    for name, seen, promised in (
        ("RTO", record.rto, policy.rto),
        ("RPO", record.rpo, policy.rpo),
    ):
        if seen is not None and seen > promised:
            found.append((f"{name} {seen} is over {promised}", f"{name} {seen} 超过 {promised}"))
    return tuple(found)


def with_age(record: DrillRecord, taken: datetime, disaster: datetime) -> DrillRecord:
    """Data without a heartbeat lose what came after the set was taken, whatever the clock of a
    row says; that is the RPO then."""
    if record.rpo is not None or not record.passed:
        return record
    return replace(record, rpo=max(timedelta(), disaster - taken))


def modelled_rto(chain: Chain, kib: int) -> timedelta | None:
    """Bytes of the chain over the line of ``kib`` KiB/s: modelled, never measured; None without
    a known line."""
    size = sum(each.size for each in chain.sets)
    return timedelta(seconds=size / (kib * _KIB)) if kib > 0 else None


def measured_rto(drills: Iterable[DrillRecord], target: Target) -> tuple[timedelta, int] | None:
    """The slowest of the last three restores of a target that worked, and how many there were;
    of its policy's other hosts when it has none."""
    good = sorted((each for each in drills if each.rto is not None), key=lambda each: each.began)
    mine = [each for each in good if each.target == target]
    alike = mine or [each for each in good if each.target.policy == target.policy]
    times = [each.rto for each in alike[-3:] if each.rto is not None]
    return (max(times), len(times)) if times else None


def _reaching(sets: Mapping[str, BackupSet], at: datetime | None) -> list[BackupSet]:
    """Sets that reach a moment, the best first: the first log after it has everything before it;
    without one it is the newest set of before."""
    if at is None:  # a client that lies about the year is not the newest for ever
        return sorted(sets.values(), key=_age)[::-1]
    found = sorted(sets.values(), key=lambda each: (each.taken, each.id), reverse=True)
    logs = [each for each in reversed(found) if each.kind is SetKind.LOG and each.taken >= at]
    reach = [each for each in logs if chain_of(each, sets).sets[0].taken <= at][:1]
    return [*reach, *(each for each in found if each.taken <= at)]


def _age(backup: BackupSet) -> tuple[datetime, datetime, str]:
    """A set that the catalog heard of late, with its copy, is not newer than those after it."""
    return min(backup.taken, backup.received), backup.taken, backup.id


def _from(
    backup: BackupSet,
    sets: Mapping[str, BackupSet],
    drills: Sequence[DrillRecord],
    location: str,
) -> Source | Lack:
    chain = chain_of(backup, sets)
    if not chain.complete:
        return Lack(
            en=f"{backup.id} needs {chain.missing}, which is not there",
            zh=f"{backup.id} 依赖的 {chain.missing} 不存在",
        )
    whole = set.intersection(*({c.location for c in s.copies if c.usable} for s in chain.sets))
    if location and location not in whole:
        return Lack(
            en=f"{location} does not hold all of {backup.id}",
            zh=f"{location} 没有完整的 {backup.id}",
        )
    if not whole:
        return Lack(
            en=f"no single place holds the whole chain of {backup.id}",
            zh=f"没有任何位置保存 {backup.id} 的完整链",
        )
    last = _last(drills, lambda each: each.location)
    doubted = {c.location for s in chain.sets for c in s.copies if c.doubts}
    turn = sorted(whole, key=lambda name: (name in doubted, last.get(name, _NEVER), name))
    return Source(backup=backup, chain=chain, places=(location,) if location else tuple(turn))


def _last[Key](
    drills: Iterable[DrillRecord], key: Callable[[DrillRecord], Key]
) -> dict[Key, datetime]:
    found: dict[Key, datetime] = {}
    for each in drills:
        name = key(each)
        found[name] = max(found.get(name, _NEVER), each.began)
    return found


def _scattered(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
