# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices, rules and questions, as short as a test wants them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from storewarden.domain.estate.device import Device, Tier
from storewarden.domain.estate.hours import parse_hours
from storewarden.domain.maintenance.almanac import Almanac
from storewarden.domain.maintenance.calendar import (
    Calendar,
    House,
    Provisional,
    Rule,
    RuleKind,
    default_operations,
)
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.maintenance.judge import Question, WindowDecision, judge
from storewarden.domain.maintenance.override import Override
from storewarden.domain.maintenance.recurrence import Recurrence, read_rule

SHANGHAI = ZoneInfo("Asia/Shanghai")


def device(
    role: str = "server", *, hours: str = "10:00-22:00", tz: str = "Asia/Shanghai",
    store: str = "000101",
) -> Device:  # fmt: skip
    """A device of one store."""
    return Device(
        name=f"{role}01.{store}",
        store=store,
        region="east",
        role=role,
        tier=Tier.ORDINARY,
        tz=tz,
        hours=parse_hours(hours) if hours else None,
    )


def rule(
    name: str, kind: RuleKind, starts: str, hours: float, text: str = "", **more: object
) -> Rule:
    """A rule from a first start on the wall, so many hours long there."""
    begin = datetime.fromisoformat(starts)
    rrule, until = read_rule(text, begin) if text else ("", None)
    return Rule(
        name=name,
        kind=kind,
        recurrence=Recurrence(starts=begin, rrule=rrule, until=until, wall=timedelta(hours=hours)),
        operations=more.pop("operations", default_operations(kind)),  # type: ignore[arg-type]
        **more,  # type: ignore[arg-type]
    )


NIGHTS = rule("nights", RuleKind.WINDOW, "2026-01-01T23:00", 6, "FREQ=DAILY")
JUNE_18 = rule("6.18", RuleKind.CAMPAIGN, "2026-06-16T00:00", 120)


def almanac(*rules: Rule, provisional: tuple[Provisional, ...] = (), **house: object) -> Almanac:
    """An almanac of these rules and the guide's."""
    return Almanac(
        Calendar(
            rules=rules,
            provisional=provisional,
            house=House(zone="Asia/Shanghai", **house),  # type: ignore[arg-type]
        )
    )


def wall(text: str) -> datetime:
    """A moment on the wall in Shanghai, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


def ask(
    books: Almanac,
    at: str,
    operation: OperationClass = OperationClass.PATCH,
    on: Device | None = None,
    *,
    minutes: int = 0,
    override: Override | None = None,
) -> WindowDecision:
    """The decision at a time on the wall in Shanghai."""
    question = Question(
        device=on or device(),
        operation=operation,
        needs=timedelta(minutes=minutes),
        override=override,
    )
    return judge(question, books, wall(at))


def shown(moment: datetime | None) -> str:
    """A moment on the wall in Shanghai, as text."""
    return f"{moment.astimezone(SHANGHAI):%Y-%m-%dT%H:%M}" if moment else ""
