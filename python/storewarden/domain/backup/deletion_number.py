# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of requests to delete backup sets: the second in which one is opened.

Counted from the clock, because a restored ledger must not give out a number again that somebody's
signature stands under.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_PREFIX = "DEL-"
_FORM = re.compile(r"DEL-(\d{8}-\d{6})")
_STAMP = "%Y%m%d-%H%M%S"


def is_deletion(text: str) -> bool:
    """Whether it is such a number: "DEL-20260601-083000"."""
    return _FORM.fullmatch(text) is not None


def next_deletion(now: datetime, last: str) -> str:
    """The number of what is opened ``now``; ``last`` is the largest one given out, "" for none.
    Raises ValueError when that is none."""
    second = now.astimezone(UTC).replace(microsecond=0)
    if last:
        second = max(second, _second_of(last) + timedelta(seconds=1))
    return f"{_PREFIX}{second:{_STAMP}}"


def _second_of(number: str) -> datetime:
    found = _FORM.fullmatch(number)
    if found is None:
        raise ValueError(f"{number!r} is no number of a deletion")
    return datetime.strptime(found[1], _STAMP).replace(tzinfo=UTC)
