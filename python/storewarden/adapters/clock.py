# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that reads the machine's clock."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """The machine's own time, in UTC."""

    def now(self) -> datetime:
        """The present moment."""
        return datetime.now(UTC)
