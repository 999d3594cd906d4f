# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of incidents and problem tickets: the second in which one is opened.

Counted from the clock, because a restored ledger must not give a number out again that a ticket
system, or a person's note, knows from the one that was given up.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

INCIDENT, PROBLEM = "INC-", "PRB-"
"""What numbers begin with."""

LENGTH = len("INC-20260601-083000")

_FORM = re.compile(r"(?:INC|PRB)-(\d{8}-\d{6})")
_STAMP = "%Y%m%d-%H%M%S"


def is_incident(text: str) -> bool:
    """Whether it is an incident's number: "INC-20260601-083000"."""
    return text.startswith(INCIDENT) and _FORM.fullmatch(text) is not None


def is_problem(text: str) -> bool:
    """Whether it is a problem ticket's number: "PRB-20260601-083000"."""
    return text.startswith(PROBLEM) and _FORM.fullmatch(text) is not None


def next_number(prefix: str, now: datetime, last: str) -> str:
    """The number of what is opened ``now``; ``last`` is the largest one given out, "" for none."""
    second = now.astimezone(UTC).replace(microsecond=0)
    if last:
        second = max(second, _second_of(last) + timedelta(seconds=1))
    return f"{prefix}{second:{_STAMP}}"


def _second_of(number: str) -> datetime:
    found = _FORM.fullmatch(number)
    if found is None:
        raise ValueError(f"{number!r} is no number of an incident or a problem")
    return datetime.strptime(found[1], _STAMP).replace(tzinfo=UTC)
