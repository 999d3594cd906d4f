# SPDX-License-Identifier: GPL-3.0-or-later
"""How the backups of an estate stand, ready to be read: what a coverage report shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from storewarden.domain.backup.freshness import Coverage, Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageRow:
    """One target."""

    standing: Standing
    tier: str
    region: str
    store: str

    @property
    def good(self) -> bool:
        """Whether nothing is missing."""
        return self.standing.coverage is Coverage.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageShare:
    """Targets of a tier, a region or a store: how many, and how many of each word."""

    name: str
    targets: int
    words: Mapping[Coverage, int]

    @property
    def gaps(self) -> int:
        """Targets of which something is missing."""
        return self.targets - self.words.get(Coverage.OK, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillSample:
    """Rehearsals of a policy of which some targets have their turn: ``wanted`` targets within
    ``every``, ``done`` that passed. Nothing is overdue before the first period is over."""

    policy: str
    targets: int
    wanted: int
    done: int
    failed: int
    every: timedelta
    begun: bool

    @property
    def overdue(self) -> bool:
        """Whether too few have passed."""
        return self.begun and self.done < self.wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageReport:
    """All of it. ``unbound`` are hosts without any policy, ``idle`` policies that bind no host."""

    at: datetime
    rows: tuple[CoverageRow, ...]
    samples: tuple[DrillSample, ...] = ()
    unbound: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()

    @property
    def gaps(self) -> tuple[CoverageRow, ...]:
        """Targets of which something is missing, the worst first."""
        found = (each for each in self.rows if not each.good)
        return tuple(sorted(found, key=_worst_first))

    @property
    def overdue(self) -> tuple[DrillSample, ...]:
        """Policies of which too few restores were rehearsed."""
        return tuple(each for each in self.samples if each.overdue)

    @property
    def whole(self) -> bool:
        """Whether nothing is missing anywhere."""
        return not (self.gaps or self.overdue or self.unbound or self.idle)

    @property
    def words(self) -> Mapping[Coverage, int]:
        """How many targets stand how, the worst first."""
        return _counted(self.rows)

    def shares(self, part: str) -> tuple[CoverageShare, ...]:
        """The rows by ``tier``, ``region`` or ``store``, those with most gaps first."""
        groups: dict[str, list[CoverageRow]] = {}
        for each in self.rows:
            groups.setdefault(str(getattr(each, part)), []).append(each)
        found = (
            CoverageShare(name=name, targets=len(rows), words=_counted(rows))
            for name, rows in groups.items()
        )
        return tuple(sorted(found, key=lambda each: (-each.gaps, each.name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveragePlace:
    """Where a report is read: the site's name and its zone."""

    site: str
    zone: tzinfo


def _counted(rows: tuple[CoverageRow, ...] | list[CoverageRow]) -> Mapping[Coverage, int]:
    there = [each.standing.coverage for each in rows]
    return {each: there.count(each) for each in Coverage if each in there}


def _worst_first(row: CoverageRow) -> tuple[int, str, str]:
    target = row.standing.target
    return _RANK[row.standing.coverage], target.host, target.policy


_RANK = {each: place for place, each in enumerate(Coverage)}
