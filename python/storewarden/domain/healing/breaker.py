# SPDX-License-Identifier: GPL-3.0-or-later
"""The failure breaker of one action: an action that keeps failing is wrong, not its hosts.

It opens after failures in a row, or when too many of the last repairs failed; it stays open for a
while, and then lets one host through, the canary. A canary that is well closes it and forgets what
was before; one that fails opens it again. Nothing of this is stored: it follows from the repairs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from storewarden.domain.healing.history import PastRepair
from storewarden.domain.healing.policy import HealPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """``opened_at`` is None while it is closed. ``failed`` of ``seen`` repairs had failed when it
    opened. From ``until`` on a canary may go; ``trying`` is the host of one that is under way, or
    being verified."""

    opened_at: datetime | None = None
    until: datetime | None = None
    failed: int = 0
    seen: int = 0
    trying: str = ""


def breaker_of(repairs: Iterable[PastRepair], policy: HealPolicy) -> Breaker:
    """Where the breaker stands after these repairs of one action."""
    known = sorted(repairs, key=lambda each: (each.ended_at or each.at, each.at, each.host))
    state, window = Breaker(), list[bool]()
    for each in known:
        if each.ended_at is None or each.verified is None:
            continue
        if state.until is None:
            window = [*window, each.verified][-policy.failed_last :]
            state = _judged(window, each.ended_at, policy)
        elif each.at < state.until:
            continue  # it was under way already when the breaker opened
        elif each.verified:
            state, window = Breaker(), []
        else:
            state = _opened([False], each.ended_at, policy)
    until = state.until
    if until is None:
        return state
    tried = (each for each in known if each.at >= until)
    trying = next((each.host for each in tried if each.ended_at is None or each.verifying), "")
    return Breaker(
        opened_at=state.opened_at,
        until=until,
        failed=state.failed,
        seen=state.seen,
        trying=trying,
    )


def _judged(window: list[bool], at: datetime, policy: HealPolicy) -> Breaker:
    last = window[-policy.failed_in_row :]
    in_row = len(last) == policy.failed_in_row and not any(last)
    full = len(window) == policy.failed_last
    often = full and window.count(False) >= policy.failed_share * len(window)
    return _opened(window, at, policy) if in_row or often else Breaker()


def _opened(window: list[bool], at: datetime, policy: HealPolicy) -> Breaker:
    return Breaker(
        opened_at=at,
        until=at + policy.failed_open,
        failed=window.count(False),
        seen=len(window),
    )
