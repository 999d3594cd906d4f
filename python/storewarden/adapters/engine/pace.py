# SPDX-License-Identifier: GPL-3.0-or-later
"""How often queues are looked at: often while there are jobs, rarely while there are none.

DBOS asks the database for each queue again and again; eight questions a second are most of what
a controller at rest costs. While a rollout works, though, each of its steps waits for such a
question. The pace is a row per queue in the engine's database, which every process reads before
each of its waits; so whoever submits a job quickens all of them, and whoever sees that there is
none left slows them down.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

QUICK = 0.2
"""Seconds between two looks at a queue while there are jobs."""


class Pace:
    """The pace of some queues, as this process knows it. ``change`` sets one queue's, in
    seconds."""

    def __init__(self, change: Callable[[str, float], None]) -> None:
        self._change = change
        self._calm: Mapping[str, float] = {}
        self._quick = False
        self._mutex = threading.Lock()

    def begins(self, calm: Mapping[str, float]) -> None:
        """These queues are quick now: there may be what a crash left. ``calm`` is their pace at
        rest."""
        with self._mutex:
            self._calm, self._quick = dict(calm), True

    def quicken(self) -> None:
        """There is a job."""
        with self._mutex:
            if not self._quick:
                self._set(quick=True)

    def follow(self, *, busy: bool) -> None:
        """As the database says, now and then: other processes have their say as well."""
        with self._mutex:
            if busy or self._quick:
                self._set(quick=busy)

    def _set(self, *, quick: bool) -> None:
        for queue, calm in self._calm.items():
            self._change(queue, QUICK if quick else calm)
        self._quick = quick
