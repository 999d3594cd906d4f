# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``notifications`` section: who is told what, when, through which channel.

What a channel hears and when is the same for all types and read here. All other keys go
unread to the adapter of its ``type``, which refuses what it does not know as
``notifications.channels.<name>.<key>``: this room knows no adapters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from storewarden.config.fields import ZoneName
from storewarden.domain.estate.hours import HoursMalformed
from storewarden.domain.outbox.digest import ChannelRules
from storewarden.domain.outbox.notice import Severity
from storewarden.domain.outbox.quiet import quiet_hours

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


def _channel_names(value: object) -> object:
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} is no name of a channel: small letters, digits, - and _, "
                    "beginning with a letter"
                )
    return value


def _tuple(value: object) -> object:
    if isinstance(value, str):
        raise ValueError("must be a list, one entry per line after '- '")
    return tuple(value) if isinstance(value, list) else value


def _quiet(value: str) -> str:
    try:
        quiet_hours(value, ZoneInfo("UTC"))
    except HoursMalformed as error:
        raise ValueError(f"must be like 22:00-07:30: {error}") from None
    return value


def _between(low: int, high: int) -> AfterValidator:
    def check(value: int) -> int:
        if not low <= value <= high:
            raise ValueError(f"must be {low}-{high}")
        return value

    return AfterValidator(check)


_Texts = Annotated[tuple[str, ...], BeforeValidator(_tuple)]
_Severities = Annotated[tuple[Literal["info", "warning", "urgent"], ...], BeforeValidator(_tuple)]


class ChannelConfig(BaseModel):
    """One channel. ``language`` and ``timezone`` None: the site's.

    An empty ``severities``, ``kinds``, ``regions`` or ``roles`` lets everything through.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    type: str
    language: Literal["en", "zh"] | None = None
    timezone: ZoneName | None = None
    severities: _Severities = ()
    kinds: _Texts = ()
    regions: _Texts = ()
    roles: _Texts = ()
    digest_minutes: Annotated[int, _between(0, 24 * 60)] = 5
    urgent_seconds: Annotated[int, _between(0, 3600)] = 60
    storm: Annotated[int, _between(1, 100)] = 10
    quiet_hours: Annotated[str, AfterValidator(_quiet)] = ""
    attach_reports: bool = True
    to_people: bool = False

    @property
    def settings(self) -> Mapping[str, object]:
        """What the adapter reads."""
        return dict(self.model_extra or {})

    def rules(self, name: str, *, site: str, language: str, timezone: str) -> ChannelRules:
        """The channel's rules for the pure plan; the last three are the site's own."""
        zone = ZoneInfo(self.timezone or timezone)
        return ChannelRules(
            name=name,
            language=self.language or language,
            zone=zone,
            site=site,
            severities=frozenset(Severity[each.upper()] for each in self.severities)
            or frozenset(Severity),
            kinds=self.kinds,
            regions=frozenset(self.regions),
            roles=frozenset(self.roles),
            every=timedelta(minutes=self.digest_minutes),
            urgent_every=timedelta(seconds=self.urgent_seconds),
            storm=self.storm,
            quiet=quiet_hours(self.quiet_hours, zone),
        )


class NotificationsConfig(BaseModel):
    """The channels by name; the name is what stands in the outbox and in refusals."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    channels: Annotated[dict[str, ChannelConfig], BeforeValidator(_channel_names)] = {}
