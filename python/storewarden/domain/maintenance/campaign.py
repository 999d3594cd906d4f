# SPDX-License-Identifier: GPL-3.0-or-later
"""The days of a campaign, as people write them.

``06-18`` (every year), ``2026-11-11`` (once), ``06-16..06-20``, ``12-24..01-02`` (over New
Year); days before and after are added to both ends, as in D-2 to D+1. No list of holidays
knows these days. A yearly one near the end of February may reach a day further than asked in
some years, never less far.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

from storewarden.domain.maintenance.recurrence import Recurrence, RuleMalformed

_DAY = timedelta(days=1)
_COMMON, _LEAP = 2021, 2020
_LONGEST = 100  # days; more is a mistake rather than a campaign
_ONE = re.compile(r"(?:(\d{4})-)?(\d{2})-(\d{2})")


def campaign_days(text: str, before: int = 0, after: int = 0) -> Recurrence:
    """When the campaign is, in whole days; RuleMalformed."""
    first_text, dots, last_text = (part.strip() for part in text.partition(".."))
    if dots and not last_text:
        raise RuleMalformed(f"{text!r} has no last day")
    once = _year(first_text) is not None
    if once != (_year(last_text or first_text) is not None):
        raise RuleMalformed(f"{text!r}: give both days a year, or none")
    if once:
        return _once(_day(first_text), _day(last_text or first_text), before, after)
    return _yearly(first_text, last_text or first_text, before, after)


def _once(first: date, last: date, before: int, after: int) -> Recurrence:
    begin = first - before * _DAY
    return Recurrence(
        starts=datetime.combine(begin, time.min), wall=_length(begin, last + after * _DAY)
    )


def _yearly(first: str, last: str, before: int, after: int) -> Recurrence:
    """Begins as in a common year and is as long as in a leap year: never shorter than asked."""
    begin = _day(first, _COMMON) - before * _DAY
    starts = begin.replace(year=begin.year - _COMMON + _LEAP)
    end = _day(last, _LEAP)
    if end < _day(first, _LEAP):
        end = end.replace(year=_LEAP + 1)
    return Recurrence(
        starts=datetime.combine(starts, time.min),
        rrule="FREQ=YEARLY",
        wall=_length(starts, end + after * _DAY),
    )


def _length(begin: date, last: date) -> timedelta:
    length = last - begin + _DAY
    if not _DAY <= length <= _LONGEST * _DAY:
        raise RuleMalformed(
            f"it lasts {length.days} days, from {begin:%m-%d} to {last:%m-%d}; 1 to {_LONGEST}"
        )
    return length


def _year(text: str) -> str | None:
    match = _ONE.fullmatch(text)
    if match is None:
        raise RuleMalformed(f"{text!r} is not a day like 06-18 or 2026-11-11")
    return match[1]


def _day(text: str, year: int = 0) -> date:
    match = _ONE.fullmatch(text)
    if year and text == "02-29":
        raise RuleMalformed("02-29 is not in every year; take 02-28..03-01")
    try:
        if match is None:
            raise ValueError
        return date(int(match[1] or year), int(match[2]), int(match[3]))
    except ValueError:
        raise RuleMalformed(f"{text!r} is not a day of the calendar") from None
