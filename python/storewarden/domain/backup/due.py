# SPDX-License-Identifier: GPL-3.0-or-later
"""What is due for a target now: its set, its logs, copies that are missing, looks, rehearsals.

Everything follows from the catalog, the policy and the night's plan. A run that is open, or that
ended a moment ago, holds back the same order; one whose credentials were refused holds it back
until a person has tried it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from storewarden.domain.backup.catalog import BackupSet, Catalog, RunEnd, Verb, chain_of
from storewarden.domain.backup.due_facts import Due, Facts, held
from storewarden.domain.backup.due_looks import looks, rehearsals
from storewarden.domain.backup.policy import Method, SetKind
from storewarden.domain.backup.schedule import through_the_day

_STRENGTH = (SetKind.FULL, SetKind.DIFFERENTIAL, SetKind.INCREMENTAL, SetKind.LOG)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

KINDS: Mapping[Method, tuple[SetKind, ...]] = {
    Method.FILES: (SetKind.FULL, SetKind.DIFFERENTIAL, SetKind.INCREMENTAL),
    Method.PGBACKREST: _STRENGTH,
    Method.PG_BASEBACKUP: (SetKind.FULL, SetKind.INCREMENTAL),
    Method.MARIADB: (SetKind.FULL, SetKind.DIFFERENTIAL, SetKind.INCREMENTAL),
    Method.REDIS: (SetKind.FULL,),
    Method.SQLITE: (SetKind.FULL,),
    Method.LEDGER: (SetKind.FULL,),
}
"""Kinds of sets that a method makes; for any other the next stronger one is taken."""


def due_of(facts: Facts, now: datetime) -> tuple[Due, ...]:
    """What is due for one target, the most pressing first; for network devices, which the
    controller reads itself (``due_devices``), copies of what it has read, and looks at those."""
    if facts.policy.method is Method.NETWORK:
        return (*_copies(facts, now), *looks(facts, now))
    found = [*night_sets(facts, now), *_logs(facts, now)][:1]
    found += _copies(facts, now)
    free = facts.window is None or now in facts.window
    seen = [*looks(facts, now), *rehearsals(facts, now)]
    found += [each for each in seen if free or each.on != facts.target.host]
    return tuple(found)


def kind_for(method: Method, wanted: SetKind) -> SetKind:
    """The kind that a method makes where ``wanted`` is asked for."""
    can = KINDS.get(method, (SetKind.FULL,))
    stronger = _STRENGTH[: _STRENGTH.index(wanted) + 1]
    return next(each for each in reversed(stronger) if each in can)


def parent_of(catalog: Catalog, kind: SetKind) -> str:
    """The set that one of ``kind`` builds upon: the newest of a complete chain, the newest full one
    for a differential. "" for a full set, and where there is none."""
    if kind is SetKind.FULL:
        return ""
    sets = {each.id: each for each in catalog.sets if each.expired is None}
    good = [each for each in sets.values() if chain_of(each, sets).complete]
    if kind is SetKind.DIFFERENTIAL:
        good = [each for each in good if each.kind is SetKind.FULL]
    elif kind is SetKind.INCREMENTAL:
        good = [each for each in good if each.kind is not SetKind.LOG]
    return max(good, key=_received).id if good else ""


def has_chain(catalog: Catalog) -> bool:
    """Whether the newest set can be restored, so that another one may build upon it."""
    sets = {each.id: each for each in catalog.sets if each.expired is None}
    newest = max(sets.values(), key=_received, default=None)
    return newest is not None and chain_of(newest, sets).complete


def night_sets(facts: Facts, now: datetime) -> Iterable[Due]:
    """The night's set: one that is as good has not come since its slot began."""
    chain = has_chain(facts.catalog)
    for night, slot in facts.slots.items():
        wanted = slot.wanted
        if now < slot.time.starts or now + slot.time.length > wanted.window.ends:
            continue
        kind = kind_for(facts.policy.method, wanted.kind if chain else SetKind.FULL)
        since = slot.time.starts
        if _taken(facts.catalog, kind, since, night) or held(facts, Verb.TAKE, now, kind=kind):
            continue
        broken = kind is SetKind.FULL and wanted.kind is not SetKind.FULL and not chain
        en = "there is no complete chain to build upon" if broken else wanted.en
        zh = "没有可用的完整备份链" if broken else wanted.zh
        yield _take(facts, kind, since, night=night, en=en, zh=zh)


def _taken(catalog: Catalog, kind: SetKind, since: datetime, night: str) -> bool:
    good = _STRENGTH[: _STRENGTH.index(kind) + 1]
    if any(each.kind in good and each.received >= since for each in catalog.sets):
        return True
    runs = (each for each in catalog.runs if each.verb is Verb.TAKE and each.night == night)
    return any(each.end is RunEnd.DONE and each.kind in good for each in runs)


def _logs(facts: Facts, now: datetime) -> Iterable[Due]:
    """What does not wait for the night."""
    there = [each.received for each in facts.catalog.sets if each.expired is None]
    for step in through_the_day(facts.policy):
        kind = kind_for(facts.policy.method, step.kind)
        since = max(there, default=_EPOCH) + step.period
        if now < since or not there or (kind is not SetKind.FULL and not has_chain(facts.catalog)):
            continue
        if held(facts, Verb.TAKE, now, kind=kind, again=step.period / 4):
            continue
        en, zh = f"{step.kind.value} every {step.hours} h", f"每 {step.hours} 小时一次"
        yield _take(facts, kind, since, en=en, zh=zh)


def _take(
    facts: Facts, kind: SetKind, since: datetime, *, night: str = "", en: str, zh: str
) -> Due:
    return Due(
        target=facts.target,
        verb=Verb.TAKE,
        since=since,
        on=facts.target.host,
        location=facts.home,
        kind=kind,
        parent=parent_of(facts.catalog, kind),
        night=night,
        wan=kind is not SetKind.LOG,
        hub=facts.hub,
        line=facts.line,
        en=en,
        zh=zh,
    )


def missing_at(
    catalog: Catalog, home: str, place: str, *, damaged: bool = False
) -> tuple[BackupSet, ...]:
    """Sets that lie at home and were never seen at a place, the oldest first. What was deleted
    there is not copied again; what is ``damaged`` there only when a person asks, who has taken the
    bad files away: nothing is ever written over."""
    found = []
    for each in sorted(catalog.sets, key=_received):
        copies = {one.location: one for one in each.copies}
        at_home = copies.get(home)
        there = copies.get(place)
        lacking = there is None or (damaged and there.damaged != "" and there.deleted is None)
        if each.expired is None and at_home is not None and at_home.usable and lacking:
            found.append(each)
    return tuple(found)


def _copies(facts: Facts, now: datetime) -> Iterable[Due]:
    for place in facts.places:
        lacking = missing_at(facts.catalog, facts.home, place)
        if not lacking or held(facts, Verb.COPY, now, location=place):
            continue
        yield Due(
            target=facts.target,
            verb=Verb.COPY,
            since=lacking[0].received,
            on=facts.by or facts.target.host,
            location=place,
            kind=lacking[-1].kind,
            sets=tuple(each.id for each in lacking),
            wan=place not in facts.local,
            hub=facts.hub,
            line=facts.line,
            en=f"{len(lacking)} sets are not in {place}",
            zh=f"{place} 缺少 {len(lacking)} 个备份集",
        )


def _received(backup: BackupSet) -> tuple[datetime, str]:
    return backup.received, backup.id
