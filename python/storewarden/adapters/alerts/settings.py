# SPDX-License-Identifier: GPL-3.0-or-later
"""What every kind of sender can be told."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator

from storewarden.adapters.settings import AdapterSettings, wrong


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise wrong("must be the name of a time zone, like Asia/Shanghai")
    return name


class SenderSettings(AdapterSettings):
    """``timezone`` is that of times which come without one."""

    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"

    @property
    def zone(self) -> ZoneInfo:
        """The same as a zone."""
        return ZoneInfo(self.timezone)
