# SPDX-License-Identifier: GPL-3.0-or-later
"""The section `windows:` of `storewarden.yml`: the guide's rules with the site's numbers.

Windows, blackouts, campaigns and holidays themselves are files in `windows_dir`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from storewarden.config.fields import Minutes, SitePath
from storewarden.domain.estate.hours import HoursMalformed, parse_hours
from storewarden.domain.maintenance.calendar import House


def _hours(value: str) -> str:
    try:
        parse_hours(value)
    except HoursMalformed as error:
        raise ValueError(f"must be hours like 09:00-22:00: {error}") from None
    return value


def _listed(value: object) -> object:
    if isinstance(value, str):
        raise ValueError("must be a list, one entry per line after '- '")
    return tuple(value) if isinstance(value, list) else value


def _day_of_month(value: int) -> int:
    if not 1 <= abs(value) <= 31:
        raise ValueError("must be a day of the month, or -1 for the last, -2 for the one before")
    return value


HoursText = Annotated[str, AfterValidator(_hours)]
DayOfMonth = Annotated[int, AfterValidator(_day_of_month)]
DaysOfMonth = Annotated[tuple[DayOfMonth, ...], BeforeValidator(_listed)]
Roles = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class WindowsConfig(BaseModel):
    """When work is allowed; defaults are the guide's (12.1.2, 6.2.3).

    ``month_end_days`` count from the end of the month when negative. All work on a device
    with one of ``pos_roles`` or ``finance_roles`` is of that class as well.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    windows_dir: SitePath | None = None
    forbidden_hours: HoursText = "09:00-22:00"
    month_end_days: DaysOfMonth = (-2, -1, 1)
    pos_roles: Roles = ("pos",)
    finance_roles: Roles = ("finance",)
    hard_stop_minutes: Minutes = 30

    def house(self, zone: str) -> House:
        """The same for the domain; ``zone`` is for devices that have none."""
        return House(
            zone=zone,
            forbidden_hours=parse_hours(self.forbidden_hours),
            month_end=self.month_end_days,
            pos_roles=frozenset(self.pos_roles),
            finance_roles=frozenset(self.finance_roles),
            hard_stop=timedelta(minutes=self.hard_stop_minutes),
        )
