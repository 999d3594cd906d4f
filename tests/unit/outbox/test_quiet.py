# SPDX-License-Identifier: GPL-3.0-or-later
"""Quiet hours in the channel's own zone, checked minute by minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storewarden.domain.estate.hours import HoursMalformed
from storewarden.domain.outbox.quiet import QuietHours, quiet_hours
from tests.amount import examples

NIGHT = "22:00-07:30"
MINUTE = timedelta(minutes=1)


def made(text: str, zone: str = "Asia/Shanghai") -> QuietHours:
    hours = quiet_hours(text, ZoneInfo(zone))
    assert hours is not None
    return hours


def at(text: str, zone: str = "Asia/Shanghai") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-06-01T21:59", "2026-06-01T21:59"),
        ("2026-06-01T22:00", "2026-06-02T07:30"),
        ("2026-06-02T03:00", "2026-06-02T07:30"),
        ("2026-06-02T07:29:59", "2026-06-02T07:30"),
        ("2026-06-02T07:30", "2026-06-02T07:30"),
    ],
)
def test_a_night_ends_in_the_morning_of_its_own_zone(now: str, end: str) -> None:
    assert made(NIGHT).end_after(at(now)) == at(end)


def test_a_weekend_that_follows_a_night_is_one_quiet_time() -> None:
    hours = made("Mon-Fri 22:00-07:30; Sat,Sun 00:00-24:00")
    assert hours.end_after(at("2026-06-05T23:00")) == at("2026-06-08T00:00")


def test_none_is_none_and_always_has_no_end() -> None:
    assert quiet_hours("  ", UTC) is None
    assert made("00:00-24:00").end_after(at("2026-06-01T12:00")) is None


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(HoursMalformed):
        made("late")


@pytest.mark.parametrize(
    ("text", "now", "end"),
    [
        # Berlin goes from 02:00 to 03:00 on 29 March 2026: 02:30 does not exist.
        ("22:00-02:30", "2026-03-28T23:00+01:00", "2026-03-29T01:00+00:00"),
        ("22:00-06:00", "2026-03-28T23:00+01:00", "2026-03-29T04:00+00:00"),
        # And back from 03:00 to 02:00 on 25 October 2026.
        ("22:00-06:00", "2026-10-24T23:00+02:00", "2026-10-25T05:00+00:00"),
        # 02:00-02:10 comes twice in that night, and is quiet twice.
        ("22:00-02:10", "2026-10-24T23:00+02:00", "2026-10-25T00:10+00:00"),
        ("22:00-02:10", "2026-10-25T02:05+01:00", "2026-10-25T01:10+00:00"),
    ],
)
def test_over_a_change_of_summer_time(text: str, now: str, end: str) -> None:
    hours = made(text, "Europe/Berlin")
    assert hours.end_after(datetime.fromisoformat(now)) == datetime.fromisoformat(end)


@settings(max_examples=examples(60), deadline=None)
@given(
    opens=st.integers(0, 1439),
    closes=st.integers(1, 1439),
    zone=st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "UTC"]),
    start=st.integers(0, 230 * 24 * 60),
)
def test_the_end_is_the_first_minute_that_is_not_quiet(
    opens: int, closes: int, zone: str, start: int
) -> None:
    if opens == closes:
        return
    text = f"{opens // 60:02d}:{opens % 60:02d}-{closes // 60:02d}:{closes % 60:02d}"
    hours = made(text, zone)
    now = datetime(2026, 3, 20, tzinfo=UTC) + start * MINUTE
    brute = now
    while hours.quiet_at(brute):
        brute += MINUTE
    assert hours.end_after(now) == brute
