# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift: a control whose verdict or value is not what it was in the audit before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from storewarden.domain.baseline.finding import Finding, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One transition; ``change`` is the change number that explains it, or "" when unexplained."""

    host: str
    control: str
    verdict_from: Verdict
    verdict_to: Verdict
    value_from: object
    value_to: object
    audit: str
    at: datetime
    change: str = ""

    @property
    def worse(self) -> bool:
        """True when the host left a passing state."""
        return self.verdict_from is Verdict.PASS and self.verdict_to is not Verdict.PASS


def differs(before: Finding, after: Finding) -> bool:
    """Whether two findings of the same control are a transition worth storing."""
    return (before.verdict, before.value) != (after.verdict, after.value)
