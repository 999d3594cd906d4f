# SPDX-License-Identifier: GPL-3.0-or-later
"""Ticks that are long over are deleted: nobody else would, and they are thousands a day."""

from __future__ import annotations

from datetime import datetime, timedelta

from storewarden.adapters.engine.chains import Chains

_KEPT = timedelta(hours=6)
_BATCH = 500


class Retention:
    """The engine's own duty."""

    def __init__(self, chains: Chains) -> None:
        self._chains = chains
        self.name = "engine-retention"
        self.every = timedelta(minutes=30)

    def tick(self, now: datetime) -> datetime | None:
        """Delete a batch; at once again when there may be more."""
        return now if self._chains.forget(now - _KEPT, _BATCH) == _BATCH else None
