# SPDX-License-Identifier: GPL-3.0-or-later
"""Breaks as a store sees them: weekends inside, worked weekends outside, days around."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.maintenance.calendar import RuleKind
from storewarden.domain.maintenance.holiday import (
    DaysOff,
    HolidayRequest,
    breaks,
    holiday_rules,
    provisional_years,
)

DAY = timedelta(days=1)


def june(*numbers: int) -> dict[date, str]:
    return {date(2026, 6, n): "端午节" for n in numbers}


def test_a_weekend_beside_a_holiday_belongs_to_the_break() -> None:
    days = DaysOff(years=(2026,), holidays=june(19))  # a Friday
    (found,) = breaks(days)
    assert (found.first, found.last, found.name) == (date(2026, 6, 19), date(2026, 6, 21), "端午节")


def test_a_weekend_that_is_worked_does_not() -> None:
    days = DaysOff(years=(2026,), holidays=june(19), worked=frozenset({date(2026, 6, 20)}))
    (found,) = breaks(days)
    assert (found.first, found.last) == (date(2026, 6, 19), date(2026, 6, 19))


def test_a_weekend_alone_is_no_break_and_other_weekends_are_others() -> None:
    assert breaks(DaysOff(years=(2026,), holidays={})) == ()
    thursday = DaysOff(years=(2026,), holidays=june(18), weekend=frozenset({3, 4}))
    (found,) = breaks(thursday)
    assert (found.first, found.last) == (date(2026, 6, 18), date(2026, 6, 19))


def test_a_break_over_new_year_is_whole_and_belongs_to_the_years_asked_for() -> None:
    holidays = {date(2026, 12, 31): "New Year's Eve", date(2027, 1, 1): "New Year's Day"}
    (found,) = breaks(DaysOff(years=(2026,), holidays=holidays))
    assert (found.first, found.last) == (date(2026, 12, 31), date(2027, 1, 3))
    assert breaks(DaysOff(years=(2025,), holidays=holidays)) == ()


def test_a_day_moved_in_does_not_name_the_break() -> None:
    holidays = {date(2026, 6, 18): "休息日（由 2026-06-27 调休）", **june(19)}
    (found,) = breaks(DaysOff(years=(2026,), holidays=holidays))
    assert found.name == "端午节"
    assert found.first == date(2026, 6, 18)


def test_the_blackout_is_from_two_days_before_to_one_day_after() -> None:
    request = HolidayRequest(country="CN", source="windows/a.yml:3")
    (rule,) = holiday_rules(request, DaysOff(years=(2026,), holidays=june(19)))
    assert (rule.kind, rule.name) == (RuleKind.HOLIDAY, "端午节 2026")
    assert rule.recurrence.starts.date() == date(2026, 6, 17)
    assert rule.recurrence.wall == 6 * DAY  # 17, 18 | 19, 20, 21 | 22
    assert rule.source == "windows/a.yml:3"


def test_provisional_years_keep_who_they_matter_to() -> None:
    request = HolidayRequest(country="CN")
    days = DaysOff(years=(2026, 2027), holidays={}, provisional=frozenset({2027}))
    (found,) = provisional_years(request, days)
    assert (found.year, found.country, found.scope) == (2027, "CN", request.scope)


@given(st.sets(st.integers(0, 364), max_size=20), st.sets(st.integers(0, 364), max_size=20))
def test_every_holiday_is_in_one_break_and_every_break_is_days_off(
    holidays: set[int], worked: set[int]
) -> None:
    first = date(2026, 1, 1)
    days = DaysOff(
        years=(2026,),
        holidays={first + n * DAY: "h" for n in holidays},
        worked=frozenset(first + n * DAY for n in worked),
    )
    found = breaks(days)
    for day in days.holidays:
        assert sum(each.first <= day <= each.last for each in found) == 1
    for each in found:
        length = (each.last - each.first).days + 1
        assert all(days.off(each.first + n * DAY) for n in range(length))
        assert not days.off(each.first - DAY)
        assert not days.off(each.last + DAY)
