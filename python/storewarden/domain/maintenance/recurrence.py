# SPDX-License-Identifier: GPL-3.0-or-later
"""When something happens again: RFC 5545 rules, and the traps in them.

Rules are expanded in naive wall-clock time by ``dateutil`` and only then become moments
(``wallclock.py``). Refused when they are read, each measured as a trap:

- FREQ below DAILY: looking years ahead takes seconds to minutes;
- parts that set the time of day (BYHOUR ...): that is what the start says;
- MONTHLY from the 29th or later without BYMONTHDAY: short months are skipped silently
  (month end is ``BYMONTHDAY=-2,-1,1``);
- a rule that never happens (30 February, a step that never meets its weekday): it would be
  searched for until the year 9999, and is a window that silently never opens.

UNTIL may be a day (the whole of it), a wall-clock time, or UTC; ``dateutil`` refuses the
naive one beside a start with a zone, and reads a day as its midnight.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import MAXYEAR, UTC, datetime, time, timedelta, tzinfo

from dateutil.rrule import rrulestr

from storewarden.domain.maintenance.interval import Interval, Intervals, union
from storewarden.domain.maintenance.wallclock import instant, wall_at

_ZERO = timedelta(0)
_SLACK = timedelta(days=2)  # zones reach 26 hours from end to end
_GREGORIAN = 400  # years after which weekdays and leap years are the same again
_FIRST_YEAR, _LAST_YEAR = 1970, 2099

_NUMBER = r"[1-9]\d{0,3}"
_DAY_OF_MONTH = r"[+-]?(?:[1-9]|[12]\d|3[01])"
_DAY = r"(?:MO|TU|WE|TH|FR|SA|SU)"
_YEARLY, _MONTHLY, _WEEKLY, _DAILY = "YEARLY", "MONTHLY", "WEEKLY", "DAILY"
_ALL = frozenset({_YEARLY, _MONTHLY, _WEEKLY, _DAILY})

# part -> shape of its value, and with which FREQ it has a meaning (RFC 5545 §3.3.10)
_PARTS: dict[str, tuple[str, frozenset[str]]] = {
    "FREQ": ("|".join(sorted(_ALL)), _ALL),
    "INTERVAL": (_NUMBER, _ALL),
    "COUNT": (_NUMBER, _ALL),
    "UNTIL": (r"\d{8}(?:T\d{6}Z?)?", _ALL),
    "WKST": (_DAY, _ALL),
    "BYMONTH": (r"(?:[1-9]|1[0-2])", _ALL),
    "BYMONTHDAY": (_DAY_OF_MONTH, frozenset({_YEARLY, _MONTHLY, _DAILY})),
    "BYDAY": (rf"(?:[+-]?[1-9]\d?)?{_DAY}", _ALL),
    "BYYEARDAY": (r"[+-]?[1-9]\d{0,2}", frozenset({_YEARLY})),
    "BYWEEKNO": (r"[+-]?[1-9]\d?", frozenset({_YEARLY})),
    "BYSETPOS": (r"[+-]?[1-9]\d{0,2}", _ALL),
}
_LISTS = frozenset(part for part in _PARTS if part.startswith("BY"))
_DAY_PARTS = frozenset({"BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO"})


class RuleMalformed(ValueError):
    """The text is no rule that can be followed; the message says which part and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """Stretches of wall-clock time that come again.

    ``starts`` is the first start, naive. ``rrule`` is RFC 5545 without UNTIL, empty for once;
    it decides alone which days count, so a ``starts`` that does not fit it does not happen.
    ``until`` is the last start allowed: naive on the wall, or in UTC. ``exdates`` are left
    out, ``rdates`` come on top. An end is ``wall`` further on the clock on the wall and then
    ``elapsed`` of time that really passes: 23:00 with a wall of 6 h ends at 05:00 in every
    night, with 6 h elapsed after six hours in every night.
    """

    starts: datetime
    rrule: str = ""
    until: datetime | None = None
    exdates: frozenset[datetime] = frozenset()
    rdates: frozenset[datetime] = frozenset()
    wall: timedelta = _ZERO
    elapsed: timedelta = _ZERO

    def __post_init__(self) -> None:
        """RuleMalformed for a start with a zone, or no length."""
        if any(each.tzinfo for each in (self.starts, *self.exdates, *self.rdates)):
            raise RuleMalformed("starts are wall-clock times, without a zone")
        if min(self.wall, self.elapsed) < _ZERO or self.wall + self.elapsed <= _ZERO:
            raise RuleMalformed("it must end after it starts")

    def between(self, first: datetime, last: datetime, zone: tzinfo) -> tuple[datetime, ...]:
        """Naive starts from ``first`` to ``last``, both naive and included, in order."""
        until = self.until
        if until is not None and until.tzinfo is not None:
            until = wall_at(until, zone)
        found = set(self._ruled(first, last if until is None else min(last, until)))
        extra = {each for each in self.rdates if first <= each <= last}
        return tuple(sorted((found | extra) - self.exdates))

    def _ruled(self, first: datetime, last: datetime) -> list[datetime]:
        if not self.rrule:
            return [self.starts] if first <= self.starts <= last else []
        if last < max(first, self.starts):
            return []
        near = _nearer(self.rrule, self.starts, first)
        found: list[datetime] = rrulestr(self.rrule, dtstart=near).between(first, last, inc=True)
        return found

    def aligned(self) -> Recurrence:
        """The same, with the first day that the rule really happens on as its start."""
        if not self.rrule:
            return self
        return replace(self, starts=next(iter(rrulestr(self.rrule, dtstart=self.starts))))

    def expand(self, zone: tzinfo, span: Interval) -> Intervals:
        """The stretches that touch ``span``, whole, in UTC.

        One that the clocks leave no length (02:00-03:00 in the night that skips it) is none.
        """
        margin = self.wall + self.elapsed + _SLACK
        first = wall_at(span.starts, zone) - margin
        found = []
        for wall in self.between(first, wall_at(span.ends, zone) + _SLACK, zone):
            starts = instant(wall, zone)
            ends = instant(wall + self.wall, zone) + self.elapsed
            if starts < ends and starts < span.ends and ends > span.starts:
                found.append(Interval(starts=starts, ends=ends))
        return union(found)


def read_rule(text: str, starts: datetime) -> tuple[str, datetime | None]:
    """The rule without its UNTIL, and the UNTIL; RuleMalformed.

    ``starts`` is the naive first start that the rule will have.
    """
    parts = _parts(text)
    _check(parts)
    _check_start(parts, starts)
    until = _until(parts.pop("UNTIL")) if "UNTIL" in parts else None
    rule = ";".join(f"{name}={value}" for name, value in parts.items())
    _check_happens(rule, starts, until)
    return rule, until


def _nearer(rrule: str, starts: datetime, first: datetime) -> datetime:
    """A later start after which the rule goes on as from ``starts``, well before ``first``.

    A rule is followed from its start; whole steps of days and weeks can be skipped.
    """
    parts = _parts(rrule)
    days = {_DAILY: 1, _WEEKLY: 7}.get(parts["FREQ"], 0) * int(parts.get("INTERVAL", 1))
    if not days or "COUNT" in parts:
        return starts
    return starts + timedelta(days=max((first - starts).days // days - 1, 0) * days)


def depends_on_start(text: str) -> bool:
    """Whether the day of the first start decides on which days the rule happens.

    RuleMalformed.
    """
    parts = _parts(text)
    _check(parts)
    if parts.keys() & {"INTERVAL", "COUNT"}:
        return True
    return parts.get("FREQ") != _DAILY and not parts.keys() & _DAY_PARTS


def _parts(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    plain = text.strip().upper().removeprefix("RRULE:").rstrip(";")
    for piece in plain.split(";"):
        name, _, value = (word.strip() for word in piece.partition("="))
        if not name or not value:
            raise RuleMalformed(f"{text.strip()!r} is not a rule like FREQ=WEEKLY;BYDAY=MO,TH")
        if name in parts:
            raise RuleMalformed(f"{name} is given twice")
        parts[name] = value
    return parts


def _check(parts: dict[str, str]) -> None:
    freq = parts.get("FREQ", "")
    if freq not in _ALL:
        shown = f"FREQ={freq} is not followed" if freq else "FREQ is missing"
        raise RuleMalformed(f"{shown}: one of DAILY, WEEKLY, MONTHLY, YEARLY")
    for name, value in parts.items():
        if name in ("BYHOUR", "BYMINUTE", "BYSECOND"):
            raise RuleMalformed(f"{name} is not followed: the time of day is that of the start")
        if name not in _PARTS:
            raise RuleMalformed(f"{name} is not followed")
        shape, meant = _PARTS[name]
        each = rf"(?:{shape})"
        if not re.fullmatch(f"{each}(?:,{each})*" if name in _LISTS else each, value):
            raise RuleMalformed(f"{name}={value} has no meaning")
        if freq not in meant:
            raise RuleMalformed(f"{name} has no meaning with FREQ={freq}")
    _check_together(parts, freq)


def _check_together(parts: dict[str, str], freq: str) -> None:
    if "COUNT" in parts and "UNTIL" in parts:
        raise RuleMalformed("COUNT and UNTIL exclude each other")
    if "BYSETPOS" in parts and len(parts.keys() & _LISTS) == 1:
        raise RuleMalformed("BYSETPOS needs another BY part to choose from")
    numbered = re.search(r"\d", parts.get("BYDAY", ""))
    if numbered and (freq in (_DAILY, _WEEKLY) or "BYWEEKNO" in parts):
        raise RuleMalformed(f"BYDAY={parts['BYDAY']} counts days, which FREQ={freq} cannot")


def _check_start(parts: dict[str, str], starts: datetime) -> None:
    if not _FIRST_YEAR <= starts.year <= _LAST_YEAR:
        raise RuleMalformed(f"the first day must be of {_FIRST_YEAR}-{_LAST_YEAR}")
    implied = not parts.keys() & _DAY_PARTS
    late = starts.day > 28 and parts["FREQ"] == _MONTHLY
    leap = (starts.month, starts.day) == (2, 29) and parts["FREQ"] == _YEARLY
    if implied and (late or leap):
        raise RuleMalformed(
            f"from day {starts.day} on it skips every month or year without one: "
            "write BYMONTHDAY=-1 for the last day of the month"
        )


def _until(text: str) -> datetime:
    try:
        if "T" not in text:
            day = datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - wall-clock time
            return datetime.combine(day, time(23, 59, 59))
        wall = datetime.strptime(text.rstrip("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007 - likewise
    except ValueError:
        raise RuleMalformed(f"UNTIL={text} is not a day or a time") from None
    return wall.replace(tzinfo=UTC) if text.endswith("Z") else wall


def _check_happens(rule: str, starts: datetime, until: datetime | None) -> None:
    """At least once, tried some multiple of 400 years later, where the calendar is the same.

    There the search ends soon, at the year 9999; from today it would take half a minute.
    """
    later = _GREGORIAN * ((MAXYEAR - starts.year) // _GREGORIAN)
    moved = starts.replace(year=starts.year + later)
    try:
        first = next(iter(rrulestr(rule, dtstart=moved)), None)
    except ValueError as error:
        raise RuleMalformed(f"{rule}: {error}") from None
    if first is None:
        raise RuleMalformed(f"{rule} from {starts:%Y-%m-%d} never happens")
    begins = first.replace(year=first.year - later)
    room = _SLACK if until is not None and until.tzinfo is not None else _ZERO
    if until is not None and until.replace(tzinfo=None) + room < begins:
        raise RuleMalformed(f"it ends before it begins: the first is {begins:%Y-%m-%d %H:%M}")
