# SPDX-License-Identifier: GPL-3.0-or-later
"""Which set is due in which night.

Of several steps that fall on one night the one that has most of the data by itself is taken: a
full set makes an increment of the same night needless. A chain that is broken, or that never began,
is begun anew with a full set whatever the calendar says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from storewarden.domain.backup.policy import Every, Policy, SetKind, Step

_STRENGTH = (SetKind.FULL, SetKind.DIFFERENTIAL, SetKind.INCREMENTAL, SetKind.LOG)
_FIRST_MONDAY = date(1970, 1, 5).toordinal()


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSet:
    """What is due, and why, in both languages."""

    kind: SetKind
    en: str
    zh: str


def falls_on(step: Step, night: date) -> bool:
    """Whether a step is due in the night that begins on that day; never for HOURS."""
    if step.every is Every.DAY:
        return True
    if step.every is Every.WEEK:
        return night.weekday() == step.weekday
    if step.every is Every.FORTNIGHT:
        weeks = (night.toordinal() - _FIRST_MONDAY) // 7
        return night.weekday() == step.weekday and weeks % 2 == 0
    return step.every is Every.MONTH and night.day == step.day


def due_set(policy: Policy, night: date, *, chain: bool = True) -> DueSet | None:
    """The set to be taken in a night; None when there is none. ``chain`` says whether there is a
    usable full set to build upon."""
    steps = [step for step in policy.schedule if falls_on(step, night)]
    if not steps:
        return None
    strongest = min(steps, key=lambda each: _STRENGTH.index(each.kind))
    if not chain and strongest.kind is not SetKind.FULL:
        return DueSet(
            kind=SetKind.FULL,
            en="there is no complete chain to build upon",
            zh="没有可用的完整备份链",
        )
    every = _EVERY[strongest.every]
    return DueSet(
        kind=strongest.kind, en=f"{strongest.kind.value} every {every[0]}", zh=f"每{every[1]}一次"
    )


def through_the_day(policy: Policy) -> tuple[Step, ...]:
    """Steps that do not wait for the night: logs that are shipped every few hours."""
    return tuple(step for step in policy.schedule if step.every is Every.HOURS)


def longest_gap(steps: Iterable[Step]) -> Step | None:
    """The step that comes most often: what its period is late by is what would be lost."""
    return min(steps, key=lambda each: each.period, default=None)


_EVERY = {
    Every.DAY: ("day", "天"),
    Every.WEEK: ("week", "周"),
    Every.FORTNIGHT: ("second week", "两周"),
    Every.MONTH: ("month", "月"),
}
