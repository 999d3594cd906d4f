# SPDX-License-Identifier: GPL-3.0-or-later
"""Adding and taking away stretches of time, against plain sets of minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.maintenance.interval import (
    Interval,
    Intervals,
    covering,
    difference,
    first_fit,
    intersection,
    union,
)

_BEGIN = datetime(2026, 6, 1, tzinfo=UTC)
_MINUTES = 240


def at(minute: int) -> datetime:
    return _BEGIN + timedelta(minutes=minute)


def stretch(first: int, last: int) -> Interval:
    return Interval(starts=at(first), ends=at(last))


def minutes(intervals: Intervals) -> set[int]:
    return {m for m in range(_MINUTES) if any(at(m) in each for each in intervals)}


def assert_proper(intervals: Intervals) -> None:
    for earlier, later in pairwise(intervals):
        assert earlier.ends < later.starts


some = st.lists(
    st.tuples(st.integers(0, _MINUTES - 2), st.integers(1, 60)).map(
        lambda pair: stretch(pair[0], min(pair[0] + pair[1], _MINUTES))
    ),
    max_size=8,
)


@given(some, some)
def test_the_algebra_is_that_of_sets_of_minutes(one: list[Interval], other: list[Interval]) -> None:
    left, right = union(one), union(other)
    assert minutes(union(one, other)) == minutes(left) | minutes(right)
    assert minutes(difference(left, right)) == minutes(left) - minutes(right)
    assert minutes(intersection(left, right)) == minutes(left) & minutes(right)
    for result in (left, union(one, other), difference(left, right), intersection(left, right)):
        assert_proper(result)


@given(some, st.integers(0, _MINUTES - 1), st.integers(0, 90))
def test_the_first_stretch_long_enough_is_what_trying_every_minute_finds(
    several: list[Interval], begin: int, needs: int
) -> None:
    free = minutes(union(several))
    tried = (
        m for m in range(begin, _MINUTES)
        if m in free and all(n in free for n in range(m, m + needs))
    )  # fmt: skip
    found = first_fit(union(several), at(begin), timedelta(minutes=needs))
    expected = next(tried, None)
    assert (found.starts if found else None) == (None if expected is None else at(expected))


def test_the_last_moment_is_outside_and_neighbours_are_one() -> None:
    night = stretch(0, 60)
    assert at(0) in night
    assert at(60) not in night
    assert union([night], [stretch(60, 90)]) == (stretch(0, 90),)
    assert covering((night,), at(60)) is None
    assert covering((night,), at(59)) == night


@pytest.mark.parametrize(
    ("starts", "ends"),
    [
        (at(5), at(5)),
        (at(6), at(5)),
        (at(5).replace(tzinfo=timezone(timedelta(hours=8))), at(500)),
        (at(5).replace(tzinfo=None), at(500).replace(tzinfo=None)),
    ],
)
def test_no_length_and_no_utc_are_refused(starts: datetime, ends: datetime) -> None:
    with pytest.raises((ValueError, TypeError)):
        Interval(starts=starts, ends=ends)
