# SPDX-License-Identifier: GPL-3.0-or-later
"""When a failed delivery is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.outbox.delivery import BackOff, Failure, next_try

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
AWAY = Failure(text="away", retryable=True)


def test_waits_double_up_to_five_minutes() -> None:
    waits = [BackOff().wait(attempts).total_seconds() for attempts in range(1, 12)]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_a_refusal_for_good_is_parked() -> None:
    assert next_try(Failure(text="no", retryable=False), 1, NOW) is None


@pytest.mark.parametrize(
    ("asked", "attempts", "seconds"),
    [(None, 1, 1), (60, 1, 60), (60, 8, 128), (7200, 1, 7200), (10**6, 1, 86400)],
)
def test_retry_after_is_never_undercut(asked: int | None, attempts: int, seconds: int) -> None:
    """Beyond our longest wait it is followed, up to a day."""
    wish = timedelta(seconds=asked) if asked is not None else None
    failure = Failure(text="slow down", retryable=True, retry_after=wish)
    assert next_try(failure, attempts, NOW) == NOW + timedelta(seconds=seconds)


@given(
    first=st.floats(0.05, 86400), longest=st.floats(0.05, 86400), attempts=st.integers(-1, 10**9)
)
def test_any_setting_gives_a_wait_within_its_bounds(
    first: float, longest: float, attempts: int
) -> None:
    backoff = BackOff(first=timedelta(seconds=first), longest=timedelta(seconds=longest))
    at = next_try(AWAY, attempts, NOW, backoff)
    assert at is not None
    assert timedelta() < at - NOW <= backoff.longest
