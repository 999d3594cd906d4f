# SPDX-License-Identifier: GPL-3.0-or-later
"""What the duty knows of its targets from one look to the next.

Reading every set of a chain takes seconds, and hardly any of them change between two looks. The
journal says whose did: those are read again, the others are remembered in brief.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched

from storewarden.domain.backup.catalog import Catalog, Target
from storewarden.domain.backup.due_brief import Brief, brief_of
from storewarden.domain.backup.due_facts import Facts
from storewarden.ports.backup_catalog import BackupCatalog

MOST = 300
"""Targets that one look reads; the others wait for the next one. Chosen: about a second."""

_AT_ONCE = 100  # targets whose every set is in memory
_OLD = timedelta(days=1)  # read again anyway

type Split = Callable[[Catalog, Sequence[Target]], Mapping[Target, Catalog]]


@dataclass(frozen=True, slots=True)
class _Memory:
    brief: Brief
    home: str
    places: tuple[str, ...]
    read: datetime


class KnownTargets:
    """Briefs of targets, as the catalog is now."""

    def __init__(self, catalog: BackupCatalog, split: Split, most: int = MOST) -> None:
        """``split`` makes a catalog for each target of one for many; at ``most`` so many are read
        at once."""
        self._catalog, self._split, self._most = catalog, split, most
        self._there: dict[Target, _Memory] = {}
        self._upto: int | None = None

    def of(self, wanted: Mapping[Target, Facts], now: datetime) -> dict[Target, Brief]:
        """Briefs of the targets; those that would have to be read beyond the most are left out."""
        self._forget_changed()
        lacking = [each for each, facts in wanted.items() if not self._fits(each, facts, now)]
        for some in batched(lacking[: self._most], _AT_ONCE):
            for target, whole in self._split(self._catalog.of(some), some).items():
                facts = wanted[target]
                brief = brief_of(whole, facts.home, facts.places)
                self._there[target] = _Memory(brief, facts.home, facts.places, now)
        left = set(lacking[self._most :])
        return {each: self._there[each].brief for each in wanted if each not in left}

    def keep(self, targets: Collection[Target]) -> None:
        """Forget everybody else."""
        for target in [each for each in self._there if each not in targets]:
            del self._there[target]

    def _forget_changed(self) -> None:
        """First the newest entry, then the sets: what comes in between is read twice, not never."""
        changed: Iterable[Target]
        self._upto, changed = self._catalog.changed(self._upto)
        for each in changed:
            self._there.pop(each, None)

    def _fits(self, target: Target, facts: Facts, now: datetime) -> bool:
        there = self._there.get(target)
        if there is None or (there.home, there.places) != (facts.home, facts.places):
            return False
        return timedelta() <= now - there.read < _OLD
