# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's word that a rule, an action or a source is to be left alone for a while."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """``what`` is "rule:NAME", "action:NAME" or "source:NAME". ``until`` None: until it is taken
    back."""

    what: str
    by: str
    at: datetime
    reason: str
    until: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it counts at ``now``."""
        return self.until is None or now < self.until
