# SPDX-License-Identifier: GPL-3.0-or-later
"""Public holidays as a store sees them: its busiest days.

A country's list of holidays does not name the weekend inside a break, names days of the
weekend on which people work instead, and in China is published for one year at a time. The
rule: a break is every unbroken run of days off that holds a holiday; a day is off when it is
a holiday, or a weekend day on which nobody has to work. Work stops some days before a break
and begins again some days after it (D-2 to D+1 unless said otherwise).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from storewarden.domain.maintenance.calendar import (
    Provisional,
    Rule,
    RuleKind,
    Scope,
    default_operations,
)
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.maintenance.recurrence import Recurrence

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class HolidayRequest:
    """Which holidays are blackouts, for whom, and how many days around them."""

    country: str
    subdivision: str = ""
    before: int = 2
    after: int = 1
    scope: Scope = field(default_factory=Scope)
    operations: frozenset[OperationClass] = default_operations(RuleKind.HOLIDAY)
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaysOff:
    """What a country says about some years.

    ``holidays`` are all days off it names, ``worked`` the weekend days on which people work,
    ``weekend`` the weekdays (0 is Monday) of its weekend. ``provisional`` are those of
    ``years`` whose official list is not there yet.
    """

    years: tuple[int, ...]
    holidays: Mapping[date, str]
    worked: frozenset[date] = frozenset()
    weekend: frozenset[int] = frozenset({5, 6})
    provisional: frozenset[int] = frozenset()

    def off(self, day: date) -> bool:
        """Whether people stay at home, so go shopping."""
        return day in self.holidays or (day.weekday() in self.weekend and day not in self.worked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Days off in a row, the last one included."""

    name: str
    first: date
    last: date


def breaks(days: DaysOff) -> tuple[Break, ...]:
    """Every break that holds a holiday of ``days.years``."""
    found: dict[date, Break] = {}
    for day in sorted(days.holidays):
        if day.year not in days.years:
            continue
        first, last = day, day
        while days.off(first - _DAY):
            first -= _DAY
        while days.off(last + _DAY):
            last += _DAY
        found.setdefault(first, Break(name=_name(days, first, last), first=first, last=last))
    return tuple(found.values())


def holiday_rules(request: HolidayRequest, days: DaysOff) -> tuple[Rule, ...]:
    """One blackout for each break, in each store's own time."""
    return tuple(_rules(request, days))


def provisional_years(request: HolidayRequest, days: DaysOff) -> tuple[Provisional, ...]:
    """The years of ``days`` that may still change."""
    return tuple(
        Provisional(
            year=year,
            country=request.country,
            scope=request.scope,
            operations=request.operations,
        )
        for year in sorted(days.provisional)
    )


def _rules(request: HolidayRequest, days: DaysOff) -> Iterator[Rule]:
    for each in breaks(days):
        first = each.first - request.before * _DAY
        length = (each.last - first).days + request.after + 1
        yield Rule(
            name=f"{each.name} {each.first:%Y}".strip(),
            kind=RuleKind.HOLIDAY,
            recurrence=Recurrence(
                starts=datetime.combine(first, time.min), wall=timedelta(days=length)
            ),
            scope=request.scope,
            operations=request.operations,
            note=f"{request.country} {each.first:%Y-%m-%d} - {each.last:%Y-%m-%d}",
            source=request.source,
        )


def _name(days: DaysOff, first: date, last: date) -> str:
    """What most of the break's days are called; days swapped in are named after a date."""
    length = (last - first).days + 1
    run = (first + step * _DAY for step in range(length))
    names = [days.holidays[day] for day in run if day in days.holidays]
    plain = [name for name in names if not any(letter.isdigit() for letter in name)]
    chosen = plain or names
    return max(chosen, key=chosen.count)
