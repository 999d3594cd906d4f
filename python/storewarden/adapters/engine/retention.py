# SPDX-License-Identifier: GPL-3.0-or-later
"""Ticks and jobs that are long over are deleted: nobody else would, and they are many."""

from __future__ import annotations

from datetime import datetime, timedelta

from storewarden.adapters.engine import jobs
from storewarden.adapters.engine.chains import Chains

_KEPT = timedelta(hours=6)
_JOBS_KEPT = timedelta(hours=1)
_BATCH = 500


class Retention:
    """The engine's own duty."""

    def __init__(self, chains: Chains) -> None:
        self._chains = chains
        self.name = "engine-retention"
        self.every = timedelta(minutes=30)

    def tick(self, now: datetime) -> datetime | None:
        """Delete a batch of each; at once again when there may be more."""
        ticks = self._chains.forget(now - _KEPT, _BATCH)
        done = jobs.forget(now - _JOBS_KEPT, _BATCH)
        return now if _BATCH in (ticks, done) else None
