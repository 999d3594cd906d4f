# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of a target's catalog as the question of what is due needs, to be kept in memory.

Of years of sets a few decide: the newest with what they build upon, those that a place lacks, those
that are damaged or in doubt, and of each place the one that was seen last. ``due_of`` says the same
of a brief as of the whole (a property test).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from storewarden.domain.backup.catalog import BackupSet, Catalog, Copy, chain_of, in_places
from storewarden.domain.backup.drill import Source, source_of
from storewarden.domain.backup.due import missing_at
from storewarden.domain.backup.policy import Level, SetKind

_PARENTS = (
    frozenset({SetKind.FULL}),  # of a differential set
    frozenset(SetKind) - {SetKind.LOG},  # of an increment
    frozenset(SetKind),  # of a log
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """Some of the sets, all of the rest; ``sizes`` are the bytes of all sets at each place."""

    catalog: Catalog
    sizes: Mapping[str, int] = field(default_factory=dict)


def brief_of(catalog: Catalog, home: str, places: Collection[str]) -> Brief:
    """The brief of one target's catalog; ``places`` as in ``due_facts.Facts``."""
    sets = {each.id: each for each in catalog.sets}
    wanted = {
        *_newest(catalog),
        *_source(catalog, {home, *places}),
        *(each.id for place in places for each in missing_at(catalog, home, place)),
        *_seen(catalog.sets),
        *(each.id for each in catalog.sets if any(map(_bad, each.copies))),
    }
    kept = _with_parents(wanted, sets)
    few = tuple(replace(each, manifest="") for each in catalog.sets if each.id in kept)
    return Brief(catalog=replace(catalog, sets=few), sizes=_sizes(catalog.sets))


def _newest(catalog: Catalog) -> set[str]:
    """Of all, of each kind, and those that the next set of each kind would build upon
    (``due.parent_of``, without looking at the chains of years)."""
    there = sorted((each for each in catalog.sets if each.expired is None), key=_received)
    sets = {each.id: each for each in there}
    found = {each.id for each in there[-1:]} | {each.id for each in _last_of_kinds(there)}
    for kinds in _PARENTS:
        mine = (each for each in reversed(there) if each.kind in kinds)
        found |= {each.id for each in islice((e for e in mine if chain_of(e, sets).complete), 1)}
    return found


def _last_of_kinds(there: Iterable[BackupSet]) -> Iterable[BackupSet]:
    return {each.kind: each for each in there}.values()


def _source(catalog: Catalog, places: Collection[str]) -> set[str]:
    found = source_of(in_places(catalog, places))
    return {each.id for each in found.chain.sets} if isinstance(found, Source) else set()


def _seen(sets: Iterable[BackupSet]) -> set[str]:
    """The first set that was received; of each place the first copy, and the last look of each
    level."""
    first: dict[str, tuple[datetime, str]] = {}
    last: dict[tuple[str, Level], tuple[datetime, str]] = {}
    oldest = min(sets, key=_received, default=None)
    for each in sets:
        for copy in each.copies:
            if copy.deleted is None and each.expired is None:
                made = (copy.made, each.id)
                first[copy.location] = min(first.get(copy.location, made), made)
            for level in Level:
                at = copy.seen(level) if copy.usable else None
                if at is not None:
                    key = (copy.location, level)
                    last[key] = max(last.get(key, (at, each.id)), (at, each.id))
    ends = (*first.values(), *last.values())
    return {name for _at, name in ends} | ({oldest.id} if oldest else set())


def _bad(copy: Copy) -> bool:
    return copy.deleted is None and bool(copy.damaged or copy.doubts)


def _with_parents(wanted: Iterable[str], sets: Mapping[str, BackupSet]) -> set[str]:
    kept: set[str] = set()
    for name in wanted:
        while name in sets and name not in kept:
            kept.add(name)
            name = sets[name].parent  # noqa: PLW2901 - up the chain
    return kept


def _sizes(sets: Iterable[BackupSet]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in sets:
        for copy in each.copies:
            if copy.deleted is None and each.expired is None:
                found[copy.location] = found.get(copy.location, 0) + each.size
    return found


def _received(backup: BackupSet) -> tuple[datetime, str]:
    return backup.received, backup.id
