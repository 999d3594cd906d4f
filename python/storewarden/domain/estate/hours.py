# SPDX-License-Identifier: GPL-3.0-or-later
"""When a store is open, as people write it.

`10:00-22:00`, `Mon-Fri 10:00-22:00; Sat,Sun 09:30-22:30`, `18:00-02:00` (past midnight),
`00:00-24:00` (always), `closed` (never: head office, a data room). A day that a list of days
leaves out is a day on which the store stays closed. Everything is wall-clock time of the
store; who asks brings the moment in the store's own zone.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import pairwise

_DAY = 24 * 60
_WEEK = 7
_EVERY_DAY = tuple(range(_WEEK))
_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CHINESE = {day: index for index, day in enumerate("一二三四五六日")} | {"天": 6}
_CLOSED = ("closed", "休息", "不营业")
_SPAN = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")
_SPLIT = re.compile(r"^(?P<days>[^\d]*?)\s*(?P<times>\d.*|closed|休息|不营业)$")


class HoursMalformed(ValueError):
    """The text is not opening hours; the message says which part and why."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Span:
    """Open from `opens` to `closes` (minutes since the midnight that begins `weekday`).

    `weekday` is 0 for Monday; `closes` is above 1440 when the store closes after midnight.
    """

    weekday: int
    opens: int
    closes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningHours:
    """A week of spans, in order; `text` is what they were read from."""

    spans: tuple[Span, ...]
    text: str

    def open_at(self, moment: datetime) -> bool:
        """Whether the store is open at `moment`, which must be in the store's own zone."""
        if moment.tzinfo is None:
            raise ValueError("opening hours need a moment with a zone")
        minute = moment.weekday() * _DAY + moment.hour * 60 + moment.minute
        return any(_covers(span, minute) for span in self.spans)


def _covers(span: Span, minute: int) -> bool:
    """`minute` counts from Monday 00:00; a Sunday that ends on Monday wraps round the week."""
    begin, end = span.weekday * _DAY + span.opens, span.weekday * _DAY + span.closes
    return begin <= minute < end or begin <= minute + _WEEK * _DAY < end


@lru_cache(maxsize=4096)
def parse_hours(text: str) -> OpeningHours:
    """The hours written in `text`; HoursMalformed. A chain has a handful of them."""
    plain = re.sub(r"\s*[-–—~～至]\s*", "-", unicodedata.normalize("NFKC", text)).strip()
    if not plain:
        raise HoursMalformed("empty")
    days: dict[int, list[Span]] = {}
    for part in filter(None, (piece.strip() for piece in re.split(r"[;\n]", plain))):
        for weekday, spans in _part(part).items():
            if weekday in days:
                raise HoursMalformed(f"{_NAMES[weekday].capitalize()} is given twice")
            days[weekday] = spans
    ordered = tuple(sorted(span for spans in days.values() for span in spans))
    return OpeningHours(spans=ordered, text=text.strip())


def _part(part: str) -> dict[int, list[Span]]:
    """`Mon-Fri 10:00-22:00` as spans of each day named; no day named = every day."""
    match = _SPLIT.match(part.lower())
    if match is None:
        raise HoursMalformed(f"{part!r} is not like 10:00-22:00 or Mon-Fri 10:00-22:00")
    weekdays = _days(match["days"])
    if match["times"] in _CLOSED:
        return {weekday: [] for weekday in weekdays}
    times = [_times(piece.strip()) for piece in match["times"].split(",")]
    _refuse_overlap(part, times)
    return {
        weekday: [Span(weekday=weekday, opens=opens, closes=closes) for opens, closes in times]
        for weekday in weekdays
    }


def _refuse_overlap(part: str, times: list[tuple[int, int]]) -> None:
    ordered = sorted(times)
    for (_opens, closes), (later, _closes) in pairwise(ordered):
        if later < closes:
            raise HoursMalformed(f"{part!r} has spans that overlap")


def _times(piece: str) -> tuple[int, int]:
    match = _SPAN.fullmatch(piece)
    if match is None:
        raise HoursMalformed(f"{piece!r} is not like 10:00-22:00")
    opens, closes = (_minute(*match.group(i, i + 1)) for i in (1, 3))
    if opens in (closes, _DAY):
        raise HoursMalformed(f"{piece!r} has no length (always open is 00:00-24:00)")
    return opens, closes if closes > opens else closes + _DAY


def _minute(hour: str, minute: str) -> int:
    value = int(hour) * 60 + int(minute)
    if int(minute) >= 60 or value > _DAY:
        raise HoursMalformed(f"{hour}:{minute} is not a time of day")
    return value


def _days(text: str) -> tuple[int, ...]:
    """`mon-fri`, `sat,sun`, `fri-mon` (round the week), or every day when empty."""
    if not text.strip() or text.strip() in ("daily", "每天", "每日"):
        return _EVERY_DAY
    days: list[int] = []
    for piece in re.split(r"[,、\s]+", text.strip().rstrip(",:")):
        first, _, last = piece.partition("-")
        begin = _weekday(first)
        end = _weekday(last) if last else begin
        days += [(begin + step) % _WEEK for step in range((end - begin) % _WEEK + 1)]
    if len(days) != len(set(days)):
        raise HoursMalformed(f"{text.strip()!r} names a day twice")
    return tuple(days)


def _weekday(name: str) -> int:
    chinese = re.fullmatch(r"(?:周|星期|礼拜)(.)", name)
    if chinese and chinese[1] in _CHINESE:
        return _CHINESE[chinese[1]]
    for index, short in enumerate(_NAMES):
        if name.startswith(short):
            return index
    raise HoursMalformed(f"{name!r} is not a day of the week (Mon, Tue, ...)")
