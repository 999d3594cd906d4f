# SPDX-License-Identifier: GPL-3.0-or-later
"""Public holidays from the real library: what China says of 2026, and does not yet of 2027."""

from __future__ import annotations

from datetime import date

import pytest

from storewarden.adapters.calendars.public_holidays import CountryHolidays
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.maintenance.holiday import HolidayRequest, breaks

CN = HolidayRequest(country="CN", source="windows/c.yml:4")


def test_breaks_of_2026_are_those_that_were_announced() -> None:
    found = {each.first: each.last for each in breaks(CountryHolidays("zh").days_off(CN, [2026]))}
    assert found == {
        date(2026, 1, 1): date(2026, 1, 3),  # the 4th is worked
        date(2026, 2, 15): date(2026, 2, 23),  # the 21st, a Saturday, is in no list
        date(2026, 4, 4): date(2026, 4, 6),
        date(2026, 5, 1): date(2026, 5, 5),
        date(2026, 6, 19): date(2026, 6, 21),
        date(2026, 9, 25): date(2026, 9, 27),
        date(2026, 10, 1): date(2026, 10, 7),  # the 4th, a Sunday, is in no list
    }


def test_six_weekend_days_of_2026_are_worked() -> None:
    days = CountryHolidays().days_off(CN, [2026])
    worked = {day for day in days.worked if day.year == 2026}
    assert len(worked) == 6
    assert not any(days.off(day) for day in worked)


def test_a_year_that_is_not_announced_is_provisional_and_the_ones_before_are_not() -> None:
    days = CountryHolidays().days_off(CN, [2024, 2025, 2026, 2027, 2028])
    assert days.provisional == {2027, 2028}
    assert CountryHolidays().days_off(CN, [2025, 2026]).provisional == frozenset()
    assert CountryHolidays().days_off(CN, [2027]).provisional == {2027}


def test_a_country_that_moves_no_days_is_never_provisional() -> None:
    us = HolidayRequest(country="us")
    days = CountryHolidays().days_off(us, [2026, 2027])
    assert days.provisional == frozenset()
    assert days.off(date(2026, 12, 25))


def test_names_are_in_the_sites_language() -> None:
    chinese = {each.name for each in breaks(CountryHolidays("zh").days_off(CN, [2026]))}
    english = {each.name for each in breaks(CountryHolidays("en").days_off(CN, [2026]))}
    assert {"春节", "国庆节", "元旦"} <= chinese
    assert {"National Day", "New Year's Day"} <= english


def test_a_subdivision_has_its_own_holidays() -> None:
    bavaria = CountryHolidays().days_off(HolidayRequest(country="DE", subdivision="BY"), [2026])
    assert bavaria.off(date(2026, 1, 6))
    assert (
        not CountryHolidays().days_off(HolidayRequest(country="DE"), [2026]).off(date(2026, 1, 6))
    )


@pytest.mark.parametrize(
    ("request_", "line"),
    [
        (
            HolidayRequest(country="XX", source="windows/c.yml:4"),
            "windows/c.yml:4: holidays: country 'XX' is not known (two letters as in CN, DE, US)",
        ),
        (
            HolidayRequest(country="CN", subdivision="BY", source="windows/c.yml:4"),
            "windows/c.yml:4: holidays: CN has no subdivision 'BY'",
        ),
    ],
)
def test_what_is_not_known_is_one_line(request_: HolidayRequest, line: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        CountryHolidays().days_off(request_, [2026])
    assert str(caught.value).startswith(line)
