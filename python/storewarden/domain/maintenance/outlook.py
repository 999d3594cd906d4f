# SPDX-License-Identifier: GPL-3.0-or-later
"""The next days at a glance: half hours of wall-clock time, for one device or many.

The rule for many: a half hour is open when it is for all of them, partly open when it is for
some; else the strongest reason against is shown. Every device has its own wall clock, so a
column is the same time of day in every store, not the same moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum
from zoneinfo import ZoneInfo

from storewarden.domain.maintenance.almanac import Almanac, Base, Profile
from storewarden.domain.maintenance.calendar import RuleKind
from storewarden.domain.maintenance.grounds import Ground
from storewarden.domain.maintenance.interval import Interval, Intervals, intersection
from storewarden.domain.maintenance.wallclock import instant

HALF_HOUR = timedelta(minutes=30)
CELLS = 48
"""Half hours of a day on the clock on the wall."""


class Cell(IntEnum):
    """What a half hour is; of several devices the highest, unless one of them is open."""

    SKIPPED = 0  # the clock on the wall never shows it: summer time begins
    NO_WINDOW = 1  # nobody said that work is allowed
    HOURS = 2  # opening hours, or the forbidden hours of the day
    BLACKOUT = 3  # a blackout of the site's own, or month-end closing
    HOLIDAY = 4  # a public holiday or the days around it
    CAMPAIGN = 5  # a marketing campaign
    PARTLY = 6  # allowed for some of the time, or for some of the devices
    OPEN = 7  # allowed all the time, for all devices


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day: 48 cells, and the names of what is against work on it, in order."""

    day: date
    cells: tuple[Cell, ...]
    names: tuple[str, ...] = ()


_BY_KIND = {
    RuleKind.CAMPAIGN: Cell.CAMPAIGN,
    RuleKind.HOLIDAY: Cell.HOLIDAY,
    RuleKind.BLACKOUT: Cell.BLACKOUT,
    RuleKind.MONTH_END: Cell.BLACKOUT,
}


def outlook(profile: Profile, almanac: Almanac, first: date, days: int) -> tuple[Day, ...]:
    """``days`` days from ``first`` for the devices of one profile."""
    return _Sheet.of(profile, almanac, first, days).days(first, days)


def together(several: Iterable[tuple[Day, ...]]) -> tuple[Day, ...]:
    """One outlook for all of them (at least one; all over the same days)."""
    return tuple(_one(days) for days in zip(*several, strict=True))


def _one(days: tuple[Day, ...]) -> Day:
    cells = tuple(_cell(column) for column in zip(*(each.cells for each in days), strict=True))
    names = dict.fromkeys(name for each in days for name in each.names)
    return Day(day=days[0].day, cells=cells, names=tuple(names))


def _cell(column: tuple[Cell, ...]) -> Cell:
    found = {each for each in column if each is not Cell.SKIPPED}
    if len(found) > 1 and found & {Cell.OPEN, Cell.PARTLY}:
        return Cell.PARTLY
    return max(found, default=Cell.SKIPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    """What holds for one profile in the days asked about, worked out before it is cut up."""

    zone: ZoneInfo
    allowed: Intervals
    against: tuple[tuple[Cell, str, Intervals], ...]

    @classmethod
    def of(cls, profile: Profile, almanac: Almanac, first: date, days: int) -> _Sheet:
        begin = datetime.combine(first, time.min, tzinfo=UTC) - timedelta(days=1)
        span = Interval(starts=begin, ends=begin + timedelta(days=days + 2))
        against = [
            (_BY_KIND[rule.kind], rule.name, almanac.stretches(index, profile, span))
            for index in profile.blackouts
            for rule in (almanac.rules[index],)
        ]
        against += [
            (Cell.HOURS, "", almanac.trading(ground, profile, span))
            for ground in (Ground.OPENING_HOURS, Ground.FORBIDDEN_HOURS)
            if ground in profile.closed or profile.base is Base.QUIET
        ]
        return cls(
            zone=ZoneInfo(profile.zone),
            allowed=almanac.allowed(profile, span),
            against=tuple(against),
        )

    def days(self, first: date, days: int) -> tuple[Day, ...]:
        return tuple(self._day(first + timedelta(days=step)) for step in range(days))

    def _day(self, day: date) -> Day:
        midnight = datetime.combine(day, time.min)
        cells = tuple(self._half_hour(midnight + step * HALF_HOUR) for step in range(CELLS))
        whole = self._interval(midnight, timedelta(days=1))
        names = dict.fromkeys(
            name
            for cell, name, stretches in self.against
            if name and whole is not None and intersection(stretches, (whole,))
        )
        return Day(day=day, cells=cells, names=tuple(names))

    def _interval(self, wall: datetime, length: timedelta) -> Interval | None:
        starts, ends = instant(wall, self.zone), instant(wall + length, self.zone)
        return Interval(starts=starts, ends=ends) if starts < ends else None

    def _half_hour(self, wall: datetime) -> Cell:
        asked = self._interval(wall, HALF_HOUR)
        if asked is None or self._skipped(wall):
            return Cell.SKIPPED
        free = intersection(self.allowed, (asked,))
        if free:
            return Cell.OPEN if free == (asked,) else Cell.PARTLY
        hits = (cell for cell, _name, held in self.against if intersection(held, (asked,)))
        return max(hits, default=Cell.NO_WINDOW)

    def _skipped(self, wall: datetime) -> bool:
        """Whether the clock never shows it: in UTC and back it is another time."""
        return instant(wall, self.zone).astimezone(self.zone).replace(tzinfo=None) != wall
