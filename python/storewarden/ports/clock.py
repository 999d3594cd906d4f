# SPDX-License-Identifier: GPL-3.0-or-later
"""Where ``now`` comes from."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The time of day, always with a zone."""

    def now(self) -> datetime:
        """The present moment in UTC."""
        ...
