# SPDX-License-Identifier: GPL-3.0-or-later
"""Where windows and blackouts are written down, and who knows the public holidays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from storewarden.domain.maintenance.calendar import Rule, RuleKind
from storewarden.domain.maintenance.holiday import DaysOff, HolidayRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenCalendar:
    """What files say: rules as they stand there, and holidays that are still to be asked for."""

    rules: tuple[Rule, ...] = ()
    holidays: tuple[HolidayRequest, ...] = ()


class CalendarFiles(Protocol):
    """A folder of calendars."""

    def read(self, folder: Path) -> WrittenCalendar:
        """Everything in it; ConfigInvalid with file and line for the first thing wrong."""
        ...

    def keep(self, folder: Path, name: str, data: bytes) -> Path:
        """Write an iCalendar file called ``name``; Refused when there is one already."""
        ...


class CalendarExchange(Protocol):
    """Calendars as other programs write and read them."""

    def read(self, data: bytes, shown: str, kind: RuleKind | None = None) -> tuple[Rule, ...]:
        """The rules in ``data``, which messages call ``shown``.

        ``kind`` is what an event is that does not say so itself; without it such an event is
        refused. ConfigInvalid names file, event and what was not understood.
        """
        ...

    def write(self, rules: Sequence[Rule], at: datetime) -> bytes:
        """The same rules as one calendar, stamped ``at``."""
        ...


class PublicHolidays(Protocol):
    """What countries say about their years."""

    def days_off(self, request: HolidayRequest, years: Sequence[int]) -> DaysOff:
        """The days off of ``years``, with what is not official yet; ConfigInvalid for a country
        or subdivision that is not known (``request.source`` says where it stands).

        ``holidays`` may reach into the years before and after, so that breaks across New
        Year are whole.
        """
        ...
