# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts are in maintenance: work that was announced, and work that is under way.

Announced is an approved change with a window, from its beginning to its end; under way is a change
that was started, and a session (a rollout's dispatch, a hardening, a restore) that has the host
right now. A change that a rollout works off, or worked off, host by host, and a standing change,
name many hosts that nobody touches: only their sessions count. When work has ended early, or
without an announced end, its grace begins when it was last seen.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from storewarden.domain.change.record import Change, State
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.world import Maintenance
from storewarden.ports.changes import ChangeBook
from storewarden.ports.rollouts import RolloutBook

_STARTED = (State.IN_PROGRESS, State.PAUSED)

_OPEN_END = timedelta(minutes=5)
"""A session says no end: it is looked at again when it may be over (with grace and ramp)."""

_SESSION = timedelta(hours=2)
"""A session that is longer is stuck, and no reason to leave a host's alerts alone."""

_CHANGE = timedelta(hours=12)
"""How long a change without a window is under way at most; then somebody forgot to finish it."""


class WorkBook:
    """Gathers maintenance; remembers what it saw last, for the grace afterwards."""

    def __init__(self, changes: ChangeBook, rollouts: RolloutBook, policy: HealPolicy) -> None:
        self._changes, self._rollouts, self._policy = changes, rollouts, policy
        self._known: dict[str, Maintenance] = {}
        self._began: dict[str, datetime] = {}
        self._asked: datetime | None = None
        self._mutex = threading.Lock()

    def __call__(self, sessions: Mapping[str, str], now: datetime) -> dict[str, Maintenance]:
        """By host, those included whose grace has not passed; ``sessions`` is who has a host."""
        current = self._announced(now)
        with self._mutex:
            self._began = {host: self._began.get(host, now) for host in sessions}
            for host, who in sessions.items():
                began = self._began[host]
                if host not in current and now - began < _SESSION:
                    current[host] = Maintenance(why=who, starts=began, ends=now + _OPEN_END)
            found = dict(self._ended(current, now)) | current
            self._known, self._asked = found, now
            return found

    def _announced(self, now: datetime) -> dict[str, Maintenance]:
        found: dict[str, Maintenance] = {}
        for change in self._changes.changes(states=(State.APPROVED, *_STARTED)):
            work = _work_of(change)
            if work is None or not work.starts <= now < work.ends:
                continue
            if self._rollouts.lines(change=change.number, limit=1):
                continue
            for host in change.hosts:
                there = found.get(host)
                if there is None or there.ends < work.ends:
                    found[host] = work
        return found

    def _ended(
        self, current: Mapping[str, Maintenance], now: datetime
    ) -> Iterator[tuple[str, Maintenance]]:
        """What was there the last time and is no more: it ended then, if not before."""
        kept = self._policy.grace + self._policy.ramp
        for host, work in self._known.items():
            ends = work.ends if work.ends <= now else self._asked or now
            if host not in current and now < ends + kept:
                yield host, Maintenance(why=work.why, starts=work.starts, ends=ends)


def _work_of(change: Change) -> Maintenance | None:
    """When a change is, or was announced to be, worked on; None when nobody can say."""
    window, started = change.draft.window, change.started_at
    if change.standing is not None or change.draft.standing is not None:
        return None
    if window is not None:
        starts = window.starts if started is None else min(started, window.starts)
        return Maintenance(why=change.number, starts=starts, ends=window.ends)
    if change.state not in _STARTED or started is None:
        return None
    return Maintenance(why=change.number, starts=started, ends=started + _CHANGE)
