# SPDX-License-Identifier: GPL-3.0-or-later
"""Quiet hours: when a channel is not to be disturbed by anything that can wait.

Written like opening hours (``22:00-07:30``, ``Mon-Fri 22:00-07:30; Sat,Sun 00:00-24:00``)
and read as wall-clock time in the channel's own zone, also over a change of summer time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from storewarden.domain.estate.hours import OpeningHours, parse_hours

_STEP = timedelta(minutes=15)  # clocks are only ever put forward or back at full quarters (UTC)
_LOOK_AHEAD = timedelta(days=8)  # every week is like the next, give or take one change of time


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """Spans of the week, in ``zone``."""

    hours: OpeningHours
    zone: tzinfo

    def quiet_at(self, now: datetime) -> bool:
        """Whether ``now`` (any zone) lies in a quiet span; its end does not."""
        return self.hours.open_at(now.astimezone(self.zone))

    def end_after(self, now: datetime) -> datetime | None:
        """The first moment from ``now`` on (UTC) that is not quiet; None when there is none."""
        if not self.quiet_at(now):
            return now
        return next((at for at in self._candidates(now) if not self.quiet_at(at)), None)

    def _candidates(self, now: datetime) -> list[datetime]:
        """Every moment at which quiet can end: the ends of spans, and changes of the clock."""
        first = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        grid = [first + _STEP * n for n in range(int(_LOOK_AHEAD / _STEP))]
        midnight = now.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        days = [midnight.replace(tzinfo=None) + timedelta(days=n) for n in range(-2, 9)]
        ends = [
            (day + timedelta(minutes=span.closes)).replace(tzinfo=self.zone, fold=fold)
            for day in days
            for span in self.hours.spans
            if span.weekday == day.weekday()
            for fold in (0, 1)
        ]
        return sorted(at for at in (*grid, *(end.astimezone(UTC) for end in ends)) if at > now)


def quiet_hours(text: str, zone: tzinfo) -> QuietHours | None:
    """The quiet hours written in ``text``; None for "". Raises HoursMalformed (a ValueError)."""
    return QuietHours(hours=parse_hours(text), zone=zone) if text.strip() else None
