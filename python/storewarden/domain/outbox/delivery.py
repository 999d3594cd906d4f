# SPDX-License-Identifier: GPL-3.0-or-later
"""When to try a failed delivery again.

An outage costs patience, a refusal costs a person's attention: what the other side
may take later is tried again, each time twice as long after, and never given up;
what it refused for good is parked, because repeating it would only hide it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_WAIT = timedelta(seconds=1)
LONGEST_WAIT = timedelta(minutes=5)
EVER_WAITED = timedelta(days=1)
"""No wait is longer, whatever is configured or wished for. A time further away was set by a
clock that has been put back since, and means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackOff:
    """``first`` after the first failure, doubled with each one, at most ``longest``."""

    first: timedelta = FIRST_WAIT
    longest: timedelta = LONGEST_WAIT

    def wait(self, attempts: int) -> timedelta:
        """How long to wait after ``attempts`` failures in a row (1 is the first)."""
        doublings = min(max(attempts, 1) - 1, 24)  # half a year, if it began with a second
        return min(self.first * (1 << doublings), self.longest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What went wrong: ``text`` is one line; ``retry_after`` is the other side's own wish."""

    text: str
    retryable: bool
    retry_after: timedelta | None = None


def next_try(
    failure: Failure, attempts: int, now: datetime, backoff: BackOff | None = None
) -> datetime | None:
    """When to try again after the failure number ``attempts`` in a row; None: park it.

    A wish of the other side (Retry-After) is never undercut, and followed also beyond the
    longest wait, up to a day: a wrong header must not silence a channel for ever.
    """
    if not failure.retryable:
        return None
    own = (backoff or BackOff()).wait(attempts)
    wished = failure.retry_after or timedelta()
    return now + min(max(own, wished), EVER_WAITED)


def still_waits(until: datetime | None, now: datetime) -> bool:
    """Whether the time to try again has not come yet, as far as ``until`` can be believed."""
    return until is not None and now < until <= now + EVER_WAITED
