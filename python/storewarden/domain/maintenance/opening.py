# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening hours as stretches of UTC.

The rule: rounded outwards. In the two nights a year in which a time of day is skipped or
comes twice, a store counts as open from the first moment that its hours may mean to the last.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta, tzinfo

from storewarden.domain.estate.hours import OpeningHours
from storewarden.domain.maintenance.interval import Interval, Intervals, union
from storewarden.domain.maintenance.wallclock import earliest, latest, wall_at

_BEFORE = timedelta(days=2)  # spans reach past midnight
_AFTER = timedelta(days=1)


def open_intervals(hours: OpeningHours, zone: tzinfo, span: Interval) -> Intervals:
    """When the store is open; every stretch that touches ``span``, whole."""
    found = [
        Interval(starts=starts, ends=ends)
        for opens, closes in _spans(hours, zone, span)
        if (starts := earliest(opens, zone)) < (ends := latest(closes, zone))
        and starts < span.ends
        and ends > span.starts
    ]
    return union(found)


def _spans(
    hours: OpeningHours, zone: tzinfo, span: Interval
) -> Iterator[tuple[datetime, datetime]]:
    """Naive opening and closing times of every day around ``span``."""
    day = (wall_at(span.starts, zone) - _BEFORE).date()
    last = (wall_at(span.ends, zone) + _AFTER).date()
    while day <= last:
        midnight = datetime.combine(day, time.min)
        for each in hours.spans:
            if each.weekday == day.weekday():
                opens = midnight + timedelta(minutes=each.opens)
                yield opens, midnight + timedelta(minutes=each.closes)
        day += timedelta(days=1)
