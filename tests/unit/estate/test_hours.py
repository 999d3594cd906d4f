# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening hours as people write them, and what they mean at a given moment."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.estate.hours import HoursMalformed, parse_hours

SHANGHAI = ZoneInfo("Asia/Shanghai")
MONDAY = datetime(2025, 6, 2, tzinfo=SHANGHAI)


def at(day: int, clock: str) -> datetime:
    hour, minute = clock.split(":")
    return MONDAY + timedelta(days=day, hours=int(hour), minutes=int(minute))


@pytest.mark.parametrize(
    ("text", "day", "clock", "open_"),
    [
        ("10:00-22:00", 0, "09:59", False),
        ("10:00-22:00", 0, "10:00", True),
        ("10:00-22:00", 6, "21:59", True),
        ("10:00-22:00", 6, "22:00", False),
        ("Mon-Fri 10:00-22:00; Sat,Sun 09:30-22:30", 4, "09:45", False),
        ("Mon-Fri 10:00-22:00; Sat,Sun 09:30-22:30", 5, "09:45", True),
        ("Mon-Fri 10:00-22:00; Sat,Sun 09:30-22:30", 6, "22:15", True),
        ("Mon-Fri 10:00-22:00; Sat,Sun 09:30-22:30", 0, "22:15", False),
        ("Mon-Fri 10:00-22:00", 5, "12:00", False),
        ("18:00-02:00", 2, "01:59", True),
        ("18:00-02:00", 2, "02:00", False),
        ("Sun 18:00-02:00", 0, "01:00", True),
        ("Sun 18:00-02:00", 1, "01:00", False),
        ("Fri-Mon 10:00-12:00", 0, "11:00", True),
        ("Fri-Mon 10:00-12:00", 1, "11:00", False),
        ("10:00-14:00,16:00-22:00", 0, "15:00", False),
        ("10:00-14:00,16:00-22:00", 0, "16:00", True),
        ("00:00-24:00", 3, "23:59", True),
        ("00:00-24:00", 3, "00:00", True),
        ("closed", 3, "12:00", False),
        ("Mon-Sat 10:00-22:00; Sun closed", 6, "12:00", False),
        ("周一至周五 10：00～22：00；周六、周日 09:30—22:30", 5, "09:45", True),
        ("周一至周五 10：00～22：00；周六、周日 09:30—22:30", 4, "09:45", False),
    ],
)
def test_open_or_not(text: str, day: int, clock: str, open_: bool) -> None:
    assert parse_hours(text).open_at(at(day, clock)) is open_


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("all day", "not like"),
        ("10-22", "not like"),
        ("10:00-25:00", "25:00"),
        ("10:75-22:00", "10:75"),
        ("10:00-10:00", "no length"),
        ("Mon 10:00-12:00; Mon 13:00-14:00", "given twice"),
        ("Mon,Mon 10:00-12:00", "names a day twice"),
        ("Foo 10:00-12:00", "not a day"),
        ("10:00-14:00,13:00-16:00", "overlap"),
    ],
)
def test_malformed_hours_say_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(HoursMalformed, match=says):
        parse_hours(text)


@given(st.text(max_size=40))
def test_any_text_is_hours_or_is_refused(text: str) -> None:
    try:
        hours = parse_hours(text)
    except HoursMalformed:
        return
    assert all(span.opens < span.closes for span in hours.spans)


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        parse_hours("10:00-22:00").open_at(MONDAY.replace(tzinfo=None))
