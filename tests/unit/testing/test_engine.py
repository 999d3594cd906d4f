# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine in memory goes the way of the real one."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.testing.conformance_ledger import START
from storewarden.testing.engine import ManualEngine
from storewarden.testing.ledger import ManualClock


class Noting:
    """Notes when it ticked, in seconds since the start."""

    def __init__(self, name: str = "noting", fails: bool = False) -> None:
        self.name, self.every = name, timedelta(minutes=10)
        self.seconds: list[float] = []
        self.fails = fails
        self.wish: datetime | None = None

    def tick(self, now: datetime) -> datetime | None:
        """Note, perhaps fail."""
        self.seconds.append((now - START).total_seconds())
        if self.fails:
            raise AdapterError("no", where="there")
        return self.wish


def _engine(*duties: Noting) -> ManualEngine:
    engine = ManualEngine(ManualClock(START))
    engine.start(duties)
    return engine


def test_ticks_fall_at_their_times() -> None:
    duty = Noting()
    engine = _engine(duty)
    engine.pass_time(timedelta(minutes=25))
    assert duty.seconds == [0, 600, 1200]


def test_failures_back_off_and_never_end() -> None:
    duty = Noting(fails=True)
    engine = _engine(duty)
    engine.pass_time(timedelta(seconds=100))
    assert duty.seconds == [0, 1, 3, 7, 15, 31, 63]
    assert engine.status()["noting"]["failures"] == 7
    assert engine.status()["noting"]["last_error"] == "there: no"
    duty.fails = False
    engine.pass_time(timedelta(minutes=5))
    assert engine.status()["noting"]["failures"] == 0


def test_a_wake_and_a_stop() -> None:
    duty = Noting()
    engine = _engine(duty)
    engine.run_due()
    engine.wake("noting")
    assert engine.run_due() == 1
    with pytest.raises(ConfigInvalid):
        engine.wake("nobody")
    engine.stop(timedelta())
    engine.pass_time(timedelta(hours=1))
    assert len(duty.seconds) == 2


def test_a_duty_that_never_rests_is_found_out() -> None:
    duty = Noting()
    duty.wish = START
    with pytest.raises(RuntimeError, match="noting never rests"):
        _engine(duty).run_due()
