# SPDX-License-Identifier: GPL-3.0-or-later
"""The duty that closes months.

It asks the ledger every hour whether a month is over and not closed, and reads the inventory
only then.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from storewarden.domain.baseline.compliance import month_of
from storewarden.flows.compliance import ComplianceParts, close_months

NAME = "months"


class MonthClosing:
    """Closes what is over."""

    def __init__(self, parts: ComplianceParts) -> None:
        self._parts = parts
        self.name = NAME
        self.every = timedelta(hours=1)

    def tick(self, now: datetime) -> datetime | None:
        """Close what is over; when the next month ends."""
        close_months(self._parts)
        return month_of(now, self._parts.zone).next.starts(self._parts.zone)
