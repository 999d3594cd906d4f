# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine in memory that ticks when a test says so.

Time is a ``ManualClock``: ``pass_time`` moves it from tick to tick, in the order in which
they fall due, so that a test of an hour's outage takes no hour and always goes the same way.
What is due when is forgotten with the object; a crash is a new engine over the same duties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.engine import Duty, tick_once
from storewarden.testing.ledger import ManualClock


@dataclass(slots=True)
class _Record:
    duty: Duty
    next: datetime
    last: datetime | None = None
    failures: int = 0
    error: str = ""


class ManualEngine:
    """``ports.engine.Engine`` without threads: nothing happens but in ``run_due`` and
    ``pass_time``."""

    def __init__(self, clock: ManualClock) -> None:
        """``clock`` is moved by ``pass_time``; share it with whatever the duties use."""
        self._clock = clock
        self._records: dict[str, _Record] = {}
        self._stopped = False

    def start(self, duties: Sequence[Duty]) -> None:
        """Every duty is due now."""
        now = self._clock.now()
        self._records = {duty.name: _Record(duty, now) for duty in duties}

    def wake(self, name: str) -> None:
        """Let it be due now. Raises ConfigInvalid for a duty that nobody knows."""
        if name not in self._records:
            raise ConfigInvalid(f"there is no duty {name!r}", where="engine")
        self._records[name].next = self._clock.now()

    def status(self) -> dict[str, dict[str, object]]:
        """As ``ports.engine.Engine`` says."""
        return {
            name: {
                "last_tick": record.last,
                "next_tick": record.next,
                "failures": record.failures,
                "last_error": record.error,
                "running": False,
                "since": None,
            }
            for name, record in self._records.items()
        }

    def stop(self, patience: timedelta) -> None:  # noqa: ARG002 - nothing runs beside the test
        """Nothing ticks any more."""
        self._stopped = True

    def run_due(self, most: int = 1000) -> int:
        """Tick whatever is due now, until nothing is; the number of ticks.

        Raises RuntimeError after ``most`` of them: some duty never rests.
        """
        ticks = 0
        while (record := self._first()) and record.next <= self._clock.now():
            if ticks == most:
                raise RuntimeError(f"{record.duty.name} never rests")
            self._tick(record)
            ticks += 1
        return ticks

    def pass_time(self, span: timedelta) -> None:
        """Let ``span`` go by, with every tick that falls due in it, at its time."""
        end = self._clock.now() + span
        self.run_due()
        while (record := self._first()) and record.next <= end:
            self._clock.advance(max(record.next - self._clock.now(), timedelta()))
            self.run_due()
        self._clock.advance(max(end - self._clock.now(), timedelta()))

    def _first(self) -> _Record | None:
        if self._stopped:
            return None
        return min(self._records.values(), key=lambda record: record.next, default=None)

    def _tick(self, record: _Record) -> None:
        ticked = tick_once(record.duty, self._clock, record.failures)
        record.last, record.next = ticked.at, ticked.next
        record.failures, record.error = ticked.failures, ticked.error
