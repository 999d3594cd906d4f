# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that come again: what RFC 5545 says, and each trap that libraries leave open."""

# ruff: noqa: DTZ001 - times on the wall have no zone

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.maintenance.interval import Interval
from storewarden.domain.maintenance.recurrence import (
    Recurrence,
    RuleMalformed,
    depends_on_start,
    read_rule,
)

BERLIN = ZoneInfo("Europe/Berlin")
SHANGHAI = ZoneInfo("Asia/Shanghai")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")


def rule(text: str, starts: str, **length: timedelta) -> Recurrence:
    begin = datetime.fromisoformat(starts)
    rrule, until = read_rule(text, begin) if text else ("", None)
    return Recurrence(
        starts=begin, rrule=rrule, until=until, **(length or {"wall": timedelta(hours=6)})
    )


def span(first: str, last: str) -> Interval:
    return Interval(
        starts=datetime.fromisoformat(first).replace(tzinfo=UTC),
        ends=datetime.fromisoformat(last).replace(tzinfo=UTC),
    )


def utc(recurrence: Recurrence, zone: ZoneInfo, first: str, last: str) -> list[str]:
    found = recurrence.expand(zone, span(first, last))
    return [f"{each.starts:%m-%d %H:%M} {each.ends:%m-%d %H:%M}" for each in found]


def days(recurrence: Recurrence, first: str, last: str) -> list[date]:
    found = recurrence.between(
        datetime.fromisoformat(first), datetime.fromisoformat(last), SHANGHAI
    )
    return [each.date() for each in found]


# -- clocks that change ------------------------------------------------------------


def test_a_time_that_is_skipped_is_read_with_the_offset_before_the_gap() -> None:
    nightly = rule("FREQ=DAILY", "2026-03-01T02:30", elapsed=timedelta(minutes=30))
    assert utc(nightly, BERLIN, "2026-03-28", "2026-03-30")[1] == "03-29 01:30 03-29 02:00"


def test_a_time_that_comes_twice_means_the_first() -> None:
    nightly = rule("FREQ=DAILY", "2026-10-01T02:30", elapsed=timedelta(minutes=15))
    assert "10-25 00:30 10-25 00:45" in utc(nightly, BERLIN, "2026-10-24", "2026-10-26")


def test_half_an_hour_of_summer_time() -> None:
    nightly = rule("FREQ=DAILY", "2026-09-01T02:15", elapsed=timedelta(minutes=30))
    # 02:00 becomes 02:30 on Lord Howe Island; 02:15 at +10:30 is 15:45 in UTC
    assert "10-03 15:45 10-03 16:15" in utc(nightly, LORD_HOWE, "2026-10-03", "2026-10-04")


@pytest.mark.parametrize(
    ("first", "hours_on_the_wall"), [("2026-03-28", 5), ("2026-06-01", 6), ("2026-10-24", 7)]
)
def test_an_end_on_the_wall_is_the_same_hour_in_every_night(
    first: str, hours_on_the_wall: int
) -> None:
    begin = f"{first}T23:00"
    on_the_wall = rule("", begin, wall=timedelta(hours=6))
    passing = rule("", begin, elapsed=timedelta(hours=6))
    around = span(first, (date.fromisoformat(first) + timedelta(days=2)).isoformat())
    (wall,), (real,) = on_the_wall.expand(BERLIN, around), passing.expand(BERLIN, around)
    assert wall.length == timedelta(hours=hours_on_the_wall)
    assert wall.ends.astimezone(BERLIN).hour == 5
    assert real.length == timedelta(hours=6)


def test_a_window_in_the_hour_that_is_skipped_is_none() -> None:
    nightly = rule("FREQ=DAILY", "2026-03-01T02:00", wall=timedelta(hours=1))
    assert len(utc(nightly, BERLIN, "2026-03-28T12:00", "2026-03-29T12:00")) == 0
    assert len(utc(nightly, BERLIN, "2026-03-29T12:00", "2026-03-30T12:00")) == 1


# -- which days --------------------------------------------------------------------


def test_the_weekday_is_that_of_the_start() -> None:
    friday = rule("FREQ=WEEKLY;BYDAY=FR", "2026-06-05T22:00")  # to 04:00 on Saturday
    (window,) = friday.expand(SHANGHAI, span("2026-06-05T10:00", "2026-06-06T12:00"))
    saturday_at_one = datetime(2026, 6, 6, 1, tzinfo=SHANGHAI)
    friday_at_one = datetime(2026, 6, 5, 1, tzinfo=SHANGHAI)
    assert saturday_at_one in window
    assert friday_at_one not in window


def test_month_end_is_its_last_two_days_and_the_first() -> None:
    closing = rule("FREQ=MONTHLY;BYMONTHDAY=-2,-1,1", "2026-01-01T00:00")
    assert days(closing, "2026-02-01", "2026-03-02") == [
        date(2026, 2, 1), date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1),
    ]  # fmt: skip


def test_exdates_are_left_out_and_rdates_come_on_top() -> None:
    nightly = Recurrence(
        starts=datetime(2026, 6, 1, 23),
        rrule="FREQ=DAILY",
        exdates=frozenset({datetime(2026, 6, 2, 23)}),
        rdates=frozenset({datetime(2026, 6, 3, 12)}),
        wall=timedelta(hours=1),
    )
    found = nightly.between(datetime(2026, 6, 1), datetime(2026, 6, 4), SHANGHAI)
    assert [f"{each:%d %H}" for each in found] == ["01 23", "03 12", "03 23"]


@pytest.mark.parametrize(
    ("until", "last"),
    [
        ("20260603", "03"),  # a day is the whole of it, not its midnight
        ("20260603T230000", "03"),
        ("20260603T225959", "02"),
        ("20260603T150000Z", "03"),  # 23:00 in Shanghai
        ("20260603T145959Z", "02"),
    ],
)
def test_until_as_a_day_on_the_wall_or_in_utc(until: str, last: str) -> None:
    nightly = rule(f"FREQ=DAILY;UNTIL={until}", "2026-06-01T23:00")
    assert f"{days(nightly, '2026-05-01', '2026-07-01')[-1]:%d}" == last


def test_a_utc_until_is_another_wall_time_in_another_zone() -> None:
    nightly = rule("FREQ=DAILY;UNTIL=20260603T150000Z", "2026-06-01T23:00")
    first, last = datetime(2026, 5, 1), datetime(2026, 7, 1)
    assert len(nightly.between(first, last, SHANGHAI)) == 3
    assert len(nightly.between(first, last, BERLIN)) == 2


def test_an_until_in_utc_may_look_earlier_than_the_first_start_on_the_wall() -> None:
    once = rule("FREQ=DAILY;UNTIL=20260601T150000Z", "2026-06-01T23:00")
    assert len(days(once, "2026-05-01", "2026-07-01")) == 1


def test_what_began_before_the_span_reaches_into_it() -> None:
    long = rule("FREQ=YEARLY", "2020-06-01T00:00", wall=timedelta(days=40))
    assert utc(long, SHANGHAI, "2026-07-05", "2026-07-06") == ["05-31 16:00 07-10 16:00"]


def test_a_rule_that_counts_ends_for_good() -> None:
    thrice = rule("FREQ=DAILY;COUNT=3", "2026-01-01T23:00")
    assert days(thrice, "2026-01-03", "2026-02-01") == [date(2026, 1, 3)]
    assert days(thrice, "2026-06-01", "2026-07-01") == []


RULES = [
    "FREQ=DAILY", "FREQ=DAILY;INTERVAL=3", "FREQ=WEEKLY;BYDAY=MO,SU", "FREQ=WEEKLY;INTERVAL=2",
    "FREQ=WEEKLY;INTERVAL=3;BYDAY=SU,MO;WKST=SU", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU;BYSETPOS=1",
    "FREQ=DAILY;INTERVAL=5;BYMONTH=6", "FREQ=MONTHLY;BYDAY=2SU", "FREQ=YEARLY;BYMONTH=6;BYDAY=-1FR",
]  # fmt: skip


@given(st.sampled_from(RULES), st.dates(date(2020, 1, 1), date(2026, 1, 28)), st.integers(0, 2000))
def test_looking_years_ahead_finds_what_following_the_rule_from_its_start_does(
    text: str, day: date, later: int
) -> None:
    """The expansion skips whole steps; ``dateutil`` alone goes through all of them."""
    starts = datetime.combine(day.replace(day=min(day.day, 28)), datetime.min.time())
    first = starts + timedelta(days=later)
    last = first + timedelta(days=60)
    rrule, _until = read_rule(text, starts)
    found = Recurrence(starts=starts, rrule=rrule, wall=timedelta(hours=1))
    expected = rrulestr(rrule, dtstart=starts).between(first, last, inc=True)
    assert list(found.between(first, last, SHANGHAI)) == expected


# -- what is refused ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("FREQ=MINUTELY", "FREQ=MINUTELY is not followed"),
        ("FREQ=HOURLY;INTERVAL=6", "FREQ=HOURLY is not followed"),
        ("BYDAY=MO", "FREQ is missing"),
        ("nightly", "is not a rule"),
        ("FREQ=DAILY;BYHOUR=1,2", "BYHOUR is not followed"),
        ("FREQ=DAILY;BYEASTER=0", "BYEASTER is not followed"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL=0 has no meaning"),
        ("FREQ=DAILY;FREQ=WEEKLY", "FREQ is given twice"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20261231", "exclude each other"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY=32 has no meaning"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "no meaning with FREQ=WEEKLY"),
        ("FREQ=WEEKLY;BYDAY=2MO", "counts days"),
        ("FREQ=MONTHLY;BYSETPOS=-1", "BYSETPOS needs"),
        ("FREQ=DAILY;UNTIL=20261332", "is not a day"),
        ("FREQ=DAILY;UNTIL=20251231", "ends before it begins"),
    ],
)
def test_a_rule_that_cannot_be_followed_says_why(text: str, says: str) -> None:
    with pytest.raises(RuleMalformed, match=says):
        read_rule(text, datetime(2026, 6, 1, 23))


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", datetime(2026, 1, 1)),
        ("FREQ=DAILY;INTERVAL=7;BYDAY=MO", datetime(2026, 6, 2)),  # a Tuesday
        ("FREQ=MONTHLY;INTERVAL=12;BYMONTH=2;BYMONTHDAY=1", datetime(2026, 1, 1)),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6", datetime(2026, 1, 1)),
    ],
)
def test_a_rule_that_never_happens_is_refused(text: str, starts: datetime) -> None:
    with pytest.raises(RuleMalformed, match="never happens"):
        read_rule(text, starts)


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("FREQ=MONTHLY", datetime(2026, 1, 31)),
        ("FREQ=MONTHLY", datetime(2026, 1, 29)),
        ("FREQ=YEARLY", datetime(2024, 2, 29)),
    ],
)
def test_monthly_from_the_31st_would_skip_short_months(text: str, starts: datetime) -> None:
    with pytest.raises(RuleMalformed, match="BYMONTHDAY=-1"):
        read_rule(text, starts)


def test_leap_days_and_rare_rules_are_fine_when_asked_for() -> None:
    rare = rule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "2026-01-01T00:00")
    assert days(rare, "2026-01-01", "2032-12-31") == [date(2028, 2, 29), date(2032, 2, 29)]


def test_no_length_and_starts_with_a_zone_are_refused() -> None:
    with pytest.raises(RuleMalformed, match="end after it starts"):
        Recurrence(starts=datetime(2026, 1, 1))
    with pytest.raises(RuleMalformed, match="without a zone"):
        Recurrence(starts=datetime(2026, 1, 1, tzinfo=UTC), wall=timedelta(hours=1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FREQ=DAILY", False),
        ("FREQ=WEEKLY;BYDAY=MO", False),
        ("FREQ=MONTHLY;BYMONTHDAY=1", False),
        ("FREQ=WEEKLY", True),
        ("FREQ=DAILY;INTERVAL=2", True),
        ("FREQ=YEARLY;BYMONTH=6", True),
        ("FREQ=DAILY;COUNT=3", True),
    ],
)
def test_whether_the_first_day_decides(text: str, expected: bool) -> None:
    assert depends_on_start(text) is expected
