# SPDX-License-Identifier: GPL-3.0-or-later
"""How changes turned out, and which of them an auditor looks at.

A change counts when it has an outcome; a standing change counts by its runs,
since those are what touched machines. What was rejected or cancelled never began
and counts nowhere.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, tzinfo
from fractions import Fraction

from storewarden.domain.change.record import Change, Outcome

TARGET = 0.95
"""Share of successful changes that core systems need (guide 2.7.1)."""

SAMPLE = 0.10
"""Share of a month's changes that are audited (guide 2.5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """One class of changes: ``successful`` of ``total`` (changes, or runs of standing ones)."""

    name: str
    total: int
    successful: int

    @property
    def rate(self) -> float | None:
        """Between 0 and 1; None when there was none, for no change is no success."""
        return self.successful / self.total if self.total else None

    def reaches(self, target: float = TARGET) -> bool | None:
        """Whether the rate is ``target`` or better; None when there was none."""
        return None if self.rate is None else self.rate >= target


def by_kind(change: Change) -> str:
    """standard, emergency, major, minor."""
    return change.draft.kind.value


def by_class(change: Change) -> str:
    """What the change does: its standing action, else its operation class, else its kind."""
    action = change.standing.action if change.standing is not None else ""
    return action or change.draft.operation or by_kind(change)


def success_rate(
    changes: Iterable[Change], key: Callable[[Change], str] = by_kind
) -> tuple[Tally, ...]:
    """One tally per class that ``key`` gives, by name; classes without an outcome are left out."""
    sums: dict[str, tuple[int, int]] = {}
    for change in changes:
        total, successful = sums.get(key(change), (0, 0))
        more, good = _counted(change)
        sums[key(change)] = (total + more, successful + good)
    return tuple(
        Tally(name=name, total=total, successful=successful)
        for name, (total, successful) in sorted(sums.items())
        if total
    )


def overall(changes: Iterable[Change]) -> Tally:
    """All of them in one tally."""
    counted = [_counted(change) for change in changes]
    total, successful = (sum(pair[place] for pair in counted) for place in (0, 1))
    return Tally(name="all", total=total, successful=successful)


def failing(
    changes: Iterable[Change], *, limit: float = 0.05, key: Callable[[Change], str] = by_class
) -> tuple[Tally, ...]:
    """Classes that fail more often than ``limit``: each wants an analysis (guide 2.5)."""
    return tuple(
        tally
        for tally in success_rate(changes, key)
        if tally.total - tally.successful > limit * tally.total
    )


def audit_sample(
    changes: Iterable[Change], month: date, zone: tzinfo, salt: str, share: float = SAMPLE
) -> tuple[Change, ...]:
    """The changes of ``month`` (any day of it, in ``zone``) that are audited, by number.

    At least ``share`` of those that ended in it, and one when there is any. Everybody who has
    the same changes and the same ``salt`` finds the same ones; take a salt that nobody could
    know while the changes were made, such as the hash of the month's last journal entry.
    """
    ended = [change for change in changes if _in_month(change, month, zone)]
    drawn = sorted(ended, key=lambda change: _lot(change.number, salt))
    count = math.ceil(Fraction(str(share)) * len(ended))  # 7 % of 100 are 7, not 7.000...01
    return tuple(sorted(drawn[:count], key=lambda change: change.number))


def _counted(change: Change) -> tuple[int, int]:
    if change.standing is not None:
        return change.standing.runs, change.standing.runs - change.standing.failures
    if change.outcome is None:
        return 0, 0
    return 1, int(change.outcome is Outcome.SUCCESSFUL)


def _in_month(change: Change, month: date, zone: tzinfo) -> bool:
    if change.closed_at is None:
        return False
    day = change.closed_at.astimezone(zone).date()
    return (day.year, day.month) == (month.year, month.month)


def _lot(number: str, salt: str) -> bytes:
    return hashlib.sha256(f"{len(salt)}:{salt}:{number}".encode()).digest()
