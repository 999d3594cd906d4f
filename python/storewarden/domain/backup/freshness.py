# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether each target is backed up: the estate and its policies against the catalog.

The question begins with what should be there, never with what is: a host that was never backed up
has no row in any catalog. A run that begins clears nothing; only a good set does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from storewarden.domain.backup.catalog import (
    OWN_HOME,
    BackupSet,
    Catalog,
    Chain,
    Copy,
    Doubt,
    Run,
    RunEnd,
    Target,
    Verb,
    chain_of,
    in_places,
)
from storewarden.domain.backup.policy import Every, Level, Method, Policy, SetKind, Step
from storewarden.domain.backup.proof import proof_of
from storewarden.domain.backup.schedule import longest_gap

_GRACE = timedelta(hours=6)
"""How much later than its period a set may be: the window of a night, and its splay. Chosen."""

_HOUR = timedelta(hours=1)
_KINDS_ZH = {
    SetKind.FULL: "全量",
    SetKind.DIFFERENTIAL: "差异",
    SetKind.INCREMENTAL: "增量",
    SetKind.LOG: "日志",
}
_STRENGTH = (SetKind.FULL, SetKind.DIFFERENTIAL, SetKind.INCREMENTAL, SetKind.LOG)


class Coverage(StrEnum):
    """How one target stands, the worst first."""

    NEVER = "never"  # there is no set at all
    CHAIN_BROKEN = "chain-broken"  # the newest set builds upon one that is gone or damaged
    FAILED = "failed"  # the last run that ended did not leave a set
    LATE = "late"  # the newest set is older than its schedule allows
    UNVERIFIED = "unverified"  # nothing was read again within its time
    COPY_SHORT = "copy-short"  # fewer copies, or in fewer places, than wanted
    DRILL_OVERDUE = "drill-overdue"  # no restore was rehearsed within its time
    OK = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one target stands. ``also`` are the lesser faults; ``since`` is when the first of them
    began, as far as the catalog tells."""

    target: Target
    coverage: Coverage
    en: str
    zh: str
    also: tuple[Coverage, ...] = ()
    newest: datetime | None = None
    level: Level = Level.CLAIMED


type _Found = tuple[Coverage, str, str]


def standing_of(target: Target, policy: Policy, catalog: Catalog, now: datetime) -> Standing:
    """How a target stands; ``catalog`` holds what is known of this target."""
    if catalog.locations:
        catalog = in_places(catalog, {*catalog.locations, OWN_HOME})
    sets = {each.id: each for each in catalog.sets if each.expired is None}
    newest = max(sets.values(), key=lambda each: (each.received, each.id), default=None)
    if newest is None:
        en, zh = _never(catalog)
        return Standing(target=target, coverage=Coverage.NEVER, en=en, zh=zh)
    found = sorted(_faults(newest, sets, policy, catalog, now), key=lambda each: _RANK[each[0]])
    chain = chain_of(newest, sets)
    first = (
        found[0] if found else (Coverage.OK, "fresh, verified, copied", "最新、已验证、副本齐全")
    )
    return Standing(
        target=target,
        coverage=first[0],
        en=first[1],
        zh=first[2],
        also=tuple(dict.fromkeys(each[0] for each in found[1:])),
        newest=fresh_at(newest, policy),
        level=chain.level,
    )


_FINE = (Coverage.OK, "fresh, verified, copied", "最新、已验证、副本齐全")
_RANK = {each: place for place, each in enumerate(Coverage)}


def _never(catalog: Catalog) -> tuple[str, str]:
    ended = [each for each in _takes(catalog) if each.ended is not None]
    if not ended:
        return "it was never backed up", "从未备份"
    last = max(ended, key=_ended)
    return (
        f"no run left a set; the last one: {last.reason}",
        f"没有成功的备份；最近一次：{last.reason_zh or last.reason}",
    )


def _faults(
    newest: BackupSet,
    sets: Mapping[str, BackupSet],
    policy: Policy,
    catalog: Catalog,
    now: datetime,
) -> list[_Found]:
    chain = chain_of(newest, sets)
    found: list[_Found] = []
    if not chain.complete:
        found.append(
            (
                Coverage.CHAIN_BROKEN,
                f"set {newest.id} needs {chain.missing}, which is not there",
                f"备份集 {newest.id} 依赖的 {chain.missing} 不存在",
            )
        )
    found += _failed(catalog, sets.values())
    found += _late(sets.values(), policy, now)
    found += _doubted(sets.values(), _looked_at(newest, policy))
    found += _unverified(sets, policy, _looked_at(newest, policy), now)
    found += _damaged(chain, policy) or _short(newest, policy, catalog, now)
    found += _overdue(policy, catalog, now)
    return found


def _failed(catalog: Catalog, sets: Iterable[BackupSet]) -> list[_Found]:
    """The last run of each kind that ended: busy is no failure, one that is under way says nothing,
    and only a later set of that kind, or a stronger one, clears it. Who looks at sets, copies or
    rehearses takes none: that says nothing of the next one."""
    last: dict[SetKind, Run] = {}
    for run in sorted(_takes(catalog), key=_ended):
        if run.ended is not None and run.end is not RunEnd.BUSY:
            last[run.kind] = run
    there = list(sets)
    for run in sorted(last.values(), key=_ended, reverse=True):
        since = _ended(run)[0]
        good = (each for each in there if _as_good(each.kind, run.kind))
        if run.end is RunEnd.DONE or any(each.fresh >= since for each in good):
            continue
        en = f"the {run.kind.value} run of {_day(run.began)} failed: {run.reason}"
        why_zh = run.reason_zh or run.reason
        zh = f"{_day(run.began)} 的{_KINDS_ZH[run.kind]}备份失败：{why_zh}"
        return [(Coverage.FAILED, en, zh)]
    return []


def _late(sets: Iterable[BackupSet], policy: Policy, now: datetime) -> list[_Found]:
    """Each step on its own: logs every four hours do not make up for full sets that stopped."""
    there = list(sets)
    oldest = min((each.received for each in there), default=now)
    for step in policy.schedule:
        good = (fresh_at(each, policy) for each in there if _as_good(each.kind, step.kind))
        age = now - max(good, default=oldest)
        if age > step.period + _grace(step):
            hours, every = int(age / _HOUR), int(step.period / _HOUR)
            en = f"the newest {step.kind.value} set is {hours} h old, one is due every {every} h"
            zh = f"最新的{_KINDS_ZH[step.kind]}备份已有 {hours} 小时，应每 {every} 小时一次"
            return [(Coverage.LATE, en, zh)]
    return []


def fresh_at(backup: BackupSet, policy: Policy) -> datetime:
    """As of when a set holds what is there: when it was received. A device's configuration that
    was read again and had not changed is as good as a new one."""
    if policy.method is not Method.NETWORK:
        return backup.fresh
    seen = (each.seen(Level.READ) for each in backup.copies if each.usable)
    return max((backup.received, *(each for each in seen if each is not None)))


def _grace(step: Step) -> timedelta:
    """What is taken in a night may come at its end; what comes every few hours may not."""
    return step.period / 4 if step.every is Every.HOURS else _GRACE


def _as_good(kind: SetKind, wanted: SetKind) -> bool:
    """Whether a set of ``kind`` has all that one of the kind ``wanted`` would have."""
    return _STRENGTH.index(kind) <= _STRENGTH.index(wanted)


def _looked_at(newest: BackupSet, policy: Policy) -> set[str]:
    """Places that somebody looks at: those of the policy, and the host's own when it has no other
    name there. In places that a policy had once nobody does."""
    own = {each.location for each in newest.copies if each.location == OWN_HOME}
    return {each.location for each in policy.copies} | own


def _doubted(sets: Iterable[BackupSet], places: set[str]) -> list[_Found]:
    """Places at which the last look failed: what lies there may be whole, nobody knows. Neither a
    look that begins nor one that is less deep clears it."""
    there: dict[str, Doubt] = {}
    for copy in (copy for each in sets for copy in each.copies):
        if copy.doubt is not None and copy.usable and copy.location in places:
            first = there.setdefault(copy.location, copy.doubt)
            there[copy.location] = min(first, copy.doubt, key=lambda each: each.since)
    return [
        (
            Coverage.UNVERIFIED,
            f"copies in {place} are in doubt since {_day(doubt.since)}: {doubt.why}",
            f"{place} 的副本自 {_day(doubt.since)} 起存疑：{doubt.why}",
        )
        for place, doubt in sorted(there.items())
    ]


def _unverified(
    sets: Mapping[str, BackupSet], policy: Policy, places: set[str], now: datetime
) -> list[_Found]:
    """Each level on its own time: somebody has to have looked at some set within it. Up to
    Level.READ each place is looked at by itself, and copies that nobody looks at say so."""
    found: list[_Found] = []
    copies = [copy for each in sets.values() for copy in each.copies if copy.usable]
    oldest = min((each.received for each in sets.values()), default=now)
    for wanted in policy.verify:
        since, place = _last_seen(copies, wanted.level, oldest), ""
        if now - since <= wanted.every + _GRACE and wanted.level <= Level.READ:
            since, place = _longest_unseen(copies, wanted.level, places, now)
        if now - since > wanted.every + _GRACE:
            days, level = (now - since).days, wanted.level.value
            where, where_zh = (f" in {place}", f"{place} 的 ") if place else ("", "")
            found.append(
                (
                    Coverage.UNVERIFIED,
                    f"level {level} was last seen{where} {days} days ago",
                    f"{where_zh}{level} 级验证距今 {days} 天",
                )
            )
    return found


def _last_seen(copies: Iterable[Copy], level: Level, never: datetime) -> datetime:
    seen = (each.seen(level) for each in copies)
    return max((at for at in seen if at is not None), default=never)


def _longest_unseen(
    copies: Iterable[Copy], level: Level, places: set[str], now: datetime
) -> tuple[datetime, str]:
    there: dict[str, list[Copy]] = {}
    for each in copies:
        if each.location in places:
            there.setdefault(each.location, []).append(each)
    seen = [
        (_last_seen(mine, level, min(each.made for each in mine)), place)
        for place, mine in there.items()
    ]
    return min(seen, default=(now, ""))


def _damaged(chain: Chain, policy: Policy) -> list[_Found]:
    """A copy that is damaged does not get there by waiting, so it is missing at once."""
    wanted = {each.location for each in policy.copies}
    for backup in reversed(chain.sets):
        for copy in backup.copies:
            if copy.damaged and copy.deleted is None and copy.location in wanted:
                return [
                    (
                        Coverage.COPY_SHORT,
                        f"the copy of {backup.id} in {copy.location} is damaged: {copy.damaged}",
                        f"{backup.id} 在 {copy.location} 的副本已损坏：{copy.damaged}",
                    )
                ]
    return []


def _short(newest: BackupSet, policy: Policy, catalog: Catalog, now: datetime) -> list[_Found]:
    there = {each.location for each in newest.copies if each.usable}
    missing = [each.location for each in policy.copies if each.location not in there]
    # The copies of the last set may still be under way; they have until the next one is due.
    step = longest_gap(policy.schedule)
    if missing and step is not None and now - newest.received > step.period:
        return [
            (
                Coverage.COPY_SHORT,
                f"no copy of {newest.id} in {', '.join(missing)}",
                f"{newest.id} 在 {'、'.join(missing)} 没有副本",
            )
        ]
    proof = proof_of(newest, catalog.locations, now, within=_longest(policy))
    if len(policy.copies) >= proof.wanted and not proof.holds and not missing:
        failing = proof.failing[0]
        return [(Coverage.COPY_SHORT, failing.en, failing.zh)]
    return []


def _overdue(policy: Policy, catalog: Catalog, now: datetime) -> list[_Found]:
    if policy.drill is None or policy.drill.sample < _WHOLE:
        return []  # a sampled drill is due for the policy, not for each host
    passed = [each.began for each in catalog.drills if each.passed]
    first = min((each.received for each in catalog.sets), default=now)
    since = max(passed, default=first)
    if now - since <= policy.drill.every:
        return []
    days = (now - since).days
    return [
        (
            Coverage.DRILL_OVERDUE,
            f"no restore has passed for {days} days",
            f"已有 {days} 天没有成功的恢复演练",
        )
    ]


_WHOLE = 100


def _longest(policy: Policy) -> timedelta:
    return max((each.every for each in policy.verify), default=timedelta(days=31)) + _GRACE


def _takes(catalog: Catalog) -> list[Run]:
    return [each for each in catalog.runs if each.verb is Verb.TAKE]


def _ended(run: Run) -> tuple[datetime, str]:
    return run.ended or run.began, run.id


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")
