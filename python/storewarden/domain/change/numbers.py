# SPDX-License-Identifier: GPL-3.0-or-later
"""Change numbers: ``GMBG-20260601-001`` (guide 2.5.2).

Prefix, day in the site's time zone, sequence of that day. Three digits are the
least, not the most: number 1000 of a day is ``-1000``. Such numbers no longer sort
as text, so whoever sorts takes ``ChangeNumber``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

_PREFIX = re.compile(r"[A-Z][A-Z0-9]{0,11}")
_NUMBER = re.compile(r"([A-Z][A-Z0-9]{0,11})-([0-9]{8})-([0-9]{3}|[1-9][0-9]{3,8})")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ChangeNumber:
    """The parts of a number; sorts by day, then by sequence, as changes were opened."""

    day: date
    sequence: int
    prefix: str

    def __str__(self) -> str:
        return number_of(self.prefix, self.day, self.sequence)

    @property
    def series(self) -> str:
        """What the numbers of one prefix and day have in common: ``GMBG-20260601``."""
        return str(self).rpartition("-")[0]


def number_of(prefix: str, day: date, sequence: int) -> str:
    """The number of the ``sequence``-th change of ``day``, counted from 1.

    Raises ValueError for a prefix that is none and for a sequence below 1.
    """
    problem = prefix_problem(prefix)
    if problem:
        raise ValueError(problem)
    if sequence < 1:
        raise ValueError(f"a day's changes are counted from 1, not from {sequence}")
    return f"{prefix}-{day.isoformat().replace('-', '')}-{sequence:03d}"


def parse_number(text: str) -> ChangeNumber:
    """The parts of a number. Raises ValueError for a text that ``number_of`` never makes."""
    found = _NUMBER.fullmatch(text)
    if found is None or not int(found[3]):
        raise ValueError(f"{text!r} is no change number like GMBG-20260601-001")
    try:
        day = date(int(found[2][:4]), int(found[2][4:6]), int(found[2][6:]))
    except ValueError:
        raise ValueError(f"{text!r} is no change number: {found[2]} is no day") from None
    return ChangeNumber(prefix=found[1], day=day, sequence=int(found[3]))


def series_of(number: str) -> str:
    """The series that a number counts in, like ``GMBG-20260601``. Raises ValueError."""
    return parse_number(number).series


def count_of(number: str) -> int:
    """Which one of its series it is, counted from 1. Raises ValueError."""
    return parse_number(number).sequence


def prefix_problem(prefix: str) -> str:
    """Why ``prefix`` cannot stand in front of numbers; "" when it can."""
    if _PREFIX.fullmatch(prefix):
        return ""
    return f"{prefix!r} is no prefix: 1 to 12 capital letters and digits, a letter first"
