# SPDX-License-Identifier: GPL-3.0-or-later
"""Months that were closed, the audits they are made of, and reports of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from storewarden.domain.baseline.compliance import FleetMonth, Month
from storewarden.ports.reports import Language


class ComplianceBook(Protocol):
    """Raises LedgerConflict and AdapterError like the ledger."""

    def audits(self, starts: datetime, ends: datetime) -> tuple[str, ...]:
        """Ids of the audits that began from ``starts`` to before ``ends`` and have ended, in the
        journal's order."""
        ...

    def audited(self, audit: str) -> frozenset[str]:
        """The hosts of which that audit has findings."""
        ...

    def first_audit(self) -> datetime | None:
        """When the oldest audit that has ended began; None without any."""
        ...

    def close_month(self, fleet: FleetMonth) -> FleetMonth:
        """Record a month for good; the month as it stands in the ledger.

        Once: the same month again, however it looks now, gives what was recorded.
        """
        ...

    def month(self, month: Month) -> FleetMonth | None:
        """A closed month; None when it was not closed."""
        ...

    def months(self) -> tuple[Month, ...]:
        """All closed months, oldest first."""
        ...


class MonthFormat(StrEnum):
    """The shapes of a compliance report."""

    TABLE = "table"  # for a person at a shell
    JSON = "json"  # for programs; documented, versioned
    HTML = "html"  # for an auditor: one self-contained file


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthsPage:
    """How a compliance report is to look; ``site`` names the chain, ``now`` is the month that
    goes on, without which every month that is not closed is taken for it."""

    language: Language = Language.EN
    site: str = ""
    now: Month | None = None
