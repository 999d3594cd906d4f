# SPDX-License-Identifier: GPL-3.0-or-later
"""Days to put a finding right, counted in working days.

The guide gives periods in working days (1.1.12: 7). Which days those are, a site's holiday
calendar says; this file only counts. Without such a calendar people work Monday to Friday.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from storewarden.domain.baseline.control import Severity

type Works = Callable[[date], bool]
"""Whether people work on that day."""

ACCOUNTS_DAYS = 7
"""Working days for passwords and accounts (guide 1.1.12)."""

PORTS_AND_LOGS_DAYS = 15
"""Working days for ports and logs (guide 1.9.4, 1.10.5)."""

BY_SEVERITY = {Severity.HIGH: 7, Severity.MEDIUM: 15, Severity.LOW: 30}
"""Working days for all other controls. The guide gives none; these are derived from its two."""

_SATURDAY = 5
_LONGEST = 3660  # a calendar that says nobody ever works must not count for ever


def monday_to_friday(day: date) -> bool:
    """The ``Works`` of a site without a holiday calendar."""
    return day.weekday() < _SATURDAY


def days_for(section: str, severity: Severity) -> int:
    """Working days to put a control right, by the guide's section it comes from.

    ``section`` is like "1.1.4"; "1.10.2" is not within "1.1".
    """
    chapter = tuple(section.split(".")[:2])
    if chapter == ("1", "1"):
        return ACCOUNTS_DAYS
    if chapter in (("1", "9"), ("1", "10")):
        return PORTS_AND_LOGS_DAYS
    return BY_SEVERITY[severity]


def due_on(opened: date, days: int, works: Works) -> date:
    """The last day of the period: the ``days``-th working day after the day it was opened."""
    day, left = opened, days
    for _ in range(_LONGEST):
        if left <= 0:
            break
        day += timedelta(days=1)
        left -= works(day)
    return day
