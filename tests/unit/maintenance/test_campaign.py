# SPDX-License-Identifier: GPL-3.0-or-later
"""Days of campaigns as people write them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.maintenance.campaign import campaign_days
from storewarden.domain.maintenance.interval import Interval
from storewarden.domain.maintenance.recurrence import RuleMalformed

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY = timedelta(days=1)


def days(text: str, year: int, before: int = 0, after: int = 0) -> list[str]:
    """First and last day of each stretch that touches the year."""
    span = Interval(
        starts=datetime(year, 1, 2, tzinfo=UTC), ends=datetime(year, 12, 31, tzinfo=UTC)
    )
    found = campaign_days(text, before, after).expand(SHANGHAI, span)
    return [
        f"{each.starts.astimezone(SHANGHAI):%m-%d}..{(each.ends - DAY).astimezone(SHANGHAI):%m-%d}"
        for each in found
    ]


@pytest.mark.parametrize(
    ("text", "around", "expected"),
    [
        ("06-18", (0, 0), "06-18..06-18"),
        ("06-18", (2, 1), "06-16..06-19"),
        ("06-16..06-20", (0, 0), "06-16..06-20"),
        ("11-01..11-11", (1, 1), "10-31..11-12"),
        ("2026-11-11", (3, 0), "11-08..11-11"),
        (" 2026-09-01 .. 2026-09-03 ", (0, 0), "09-01..09-03"),
    ],
)
def test_the_days(text: str, around: tuple[int, int], expected: str) -> None:
    assert days(text, 2026, *around) == [expected]


def test_every_year_or_once() -> None:
    assert days("06-18", 2031) == ["06-18..06-18"]
    assert days("2026-06-18", 2027) == []


def test_over_new_year() -> None:
    assert days("12-24..01-02", 2026) == ["12-24..01-02", "12-24..01-02"]


@given(
    st.dates(date(2021, 1, 1), date(2021, 12, 31)), st.integers(0, 10), st.integers(0, 10),
    st.sampled_from([2026, 2027, 2028]),
)  # fmt: skip
def test_a_yearly_campaign_is_never_shorter_than_asked_nor_two_days_longer(
    day: date, before: int, after: int, year: int
) -> None:
    recurrence = campaign_days(f"{day:%m-%d}", before, after)
    this_year = day.replace(year=year)
    span = Interval(
        starts=datetime.combine(this_year, datetime.min.time(), tzinfo=SHANGHAI).astimezone(UTC),
        ends=datetime.combine(this_year + DAY, datetime.min.time(), tzinfo=SHANGHAI).astimezone(
            UTC
        ),
    )
    (found,) = recurrence.expand(SHANGHAI, span)
    first = found.starts.astimezone(SHANGHAI).date()
    last = (found.ends - timedelta(seconds=1)).astimezone(SHANGHAI).date()
    assert 0 <= ((this_year - before * DAY) - first).days <= 1
    assert 0 <= (last - (this_year + after * DAY)).days <= 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("June 18", "is not a day like"),
        ("6-18", "is not a day like"),
        ("06-31", "not a day of the calendar"),
        ("02-29", "not in every year"),
        ("06-18..", "has no last day"),
        ("2026-06-18..06-20", "give both days a year, or none"),
        ("2026-06-20..2026-06-18", "lasts -1 days"),
        ("2026-01-01..2026-12-31", "lasts 365 days"),
    ],
)
def test_what_is_no_campaign_says_why(text: str, says: str) -> None:
    with pytest.raises(RuleMalformed, match=says):
        campaign_days(text)
