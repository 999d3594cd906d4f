# SPDX-License-Identifier: GPL-3.0-or-later
"""Stretches of time in UTC, and what adding and taking away makes of them.

The rule: an interval holds its first moment and not its last, so that one that ends at 05:00
and one that begins at 05:00 are neighbours and one stretch. ``Intervals`` are in order and
never overlap or touch; every function here gives back such.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter

_NOTHING = timedelta(0)
_STARTS = attrgetter("starts")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Interval:
    """From ``starts`` (included) to ``ends`` (excluded), both in UTC."""

    starts: datetime
    ends: datetime

    def __post_init__(self) -> None:
        """ValueError for a moment that is not UTC, or no length."""
        if self.starts.utcoffset() != _NOTHING or self.ends.utcoffset() != _NOTHING:
            raise ValueError("an interval is in UTC")
        if self.starts >= self.ends:
            raise ValueError("an interval ends after it starts")

    def __contains__(self, moment: datetime) -> bool:
        return self.starts <= moment < self.ends

    @property
    def length(self) -> timedelta:
        """Time that really passes, whatever clocks on walls do meanwhile."""
        return self.ends - self.starts


type Intervals = tuple[Interval, ...]


def union(*several: Iterable[Interval]) -> Intervals:
    """Every moment that is in any of them."""
    merged: list[Interval] = []
    for each in sorted(one for some in several for one in some):
        if merged and each.starts <= merged[-1].ends:
            last = merged[-1]
            merged[-1] = Interval(starts=last.starts, ends=max(last.ends, each.ends))
        else:
            merged.append(each)
    return tuple(merged)


def difference(whole: Intervals, taken: Intervals) -> Intervals:
    """Every moment of ``whole`` that is not in ``taken``."""
    left: list[Interval] = []
    index = 0
    for each in whole:
        begin = each.starts
        while index < len(taken) and taken[index].ends <= begin:
            index += 1
        for hole in taken[index:]:
            if hole.starts >= each.ends:
                break
            if hole.starts > begin:
                left.append(Interval(starts=begin, ends=hole.starts))
            begin = max(begin, hole.ends)
        if begin < each.ends:
            left.append(Interval(starts=begin, ends=each.ends))
    return tuple(left)


def intersection(one: Intervals, other: Intervals) -> Intervals:
    """Every moment that is in both."""
    common: list[Interval] = []
    left = right = 0
    while left < len(one) and right < len(other):
        starts = max(one[left].starts, other[right].starts)
        ends = min(one[left].ends, other[right].ends)
        if starts < ends:
            common.append(Interval(starts=starts, ends=ends))
        if one[left].ends <= other[right].ends:
            left += 1
        else:
            right += 1
    return tuple(common)


def covering(intervals: Intervals, moment: datetime) -> Interval | None:
    """The one that holds ``moment``."""
    index = bisect_right(intervals, moment, key=_STARTS) - 1
    return intervals[index] if index >= 0 and moment in intervals[index] else None


def first_fit(intervals: Intervals, moment: datetime, needs: timedelta) -> Interval | None:
    """The first stretch of at least ``needs``, not before ``moment`` (cut there)."""
    index = max(bisect_right(intervals, moment, key=_STARTS) - 1, 0)
    for each in intervals[index:]:
        begin = max(each.starts, moment)
        if begin < each.ends and begin + needs <= each.ends:
            return Interval(starts=begin, ends=each.ends)
    return None
