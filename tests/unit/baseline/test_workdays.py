# SPDX-License-Identifier: GPL-3.0-or-later
"""Due days: the guide's periods, counted in days on which people work."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.baseline.control import Severity
from storewarden.domain.baseline.workdays import days_for, due_on, monday_to_friday

FRIDAY = date(2026, 5, 29)


@pytest.mark.parametrize(
    ("section", "severity", "days"),
    [
        ("1.1.4", Severity.LOW, 7),  # passwords, guide 1.1.12, whatever the severity
        ("1.1", Severity.HIGH, 7),
        ("1.10.2", Severity.HIGH, 15),  # logs, guide 1.10.5: not within 1.1
        ("1.9.3", Severity.HIGH, 15),  # ports, guide 1.9.4
        ("5.3.1", Severity.HIGH, 7),
        ("", Severity.MEDIUM, 15),
        ("6.3.2", Severity.LOW, 30),
    ],
)
def test_the_guide_gives_the_days_for_its_own_sections(
    section: str, severity: Severity, days: int
) -> None:
    assert days_for(section, severity) == days


def test_weekends_do_not_count() -> None:
    assert due_on(FRIDAY, 1, monday_to_friday) == date(2026, 6, 1)
    assert due_on(FRIDAY, 7, monday_to_friday) == date(2026, 6, 9)


def test_a_holiday_moves_the_day_and_a_worked_weekend_brings_it_back() -> None:
    off, worked = {date(2026, 6, 1)}, {date(2026, 5, 30)}

    def works(day: date) -> bool:
        return day in worked or (monday_to_friday(day) and day not in off)

    assert due_on(FRIDAY, 1, works) == date(2026, 5, 30)
    assert due_on(FRIDAY, 2, works) == date(2026, 6, 2)


def test_a_calendar_without_working_days_ends_some_day() -> None:
    assert due_on(FRIDAY, 7, lambda _day: False) > FRIDAY


@given(opened=st.dates(date(2020, 1, 1), date(2030, 1, 1)), days=st.integers(1, 40))
def test_as_many_working_days_lie_behind_it_as_were_given(opened: date, days: int) -> None:
    due = due_on(opened, days, monday_to_friday)
    between = [opened + timedelta(days=n) for n in range(1, (due - opened).days + 1)]
    assert sum(map(monday_to_friday, between)) == days
    assert monday_to_friday(due)
