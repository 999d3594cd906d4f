# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site has written down: windows, blackouts, and the rules of the house.

``allowed = union of windows - union of blackouts``; a blackout always wins. A rule holds for
the devices of its scope and for classes of operation. A device that no window covers at all
has the quiet hours: outside its store's opening hours and outside the guide's 09:00-22:00.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from storewarden.domain.estate.device import Device
from storewarden.domain.estate.hours import OpeningHours, parse_hours
from storewarden.domain.maintenance.grounds import FORBIDS, Ground, OperationClass
from storewarden.domain.maintenance.recurrence import Recurrence, read_rule

_LONG_AGO = datetime(2020, 1, 1)  # noqa: DTZ001 - wall-clock time


class RuleKind(Enum):
    """What a rule does; all but WINDOW take time away."""

    WINDOW = "window"  # work is allowed
    BLACKOUT = "blackout"  # it is not
    CAMPAIGN = "campaign"  # it is not, because of a marketing campaign
    HOLIDAY = "holiday"  # it is not, because of a public holiday
    MONTH_END = "month-end"  # it is not, because the books are being closed

    @property
    def ground(self) -> Ground:
        """The ground that a rule of this kind is."""
        return _GROUNDS[self]


_GROUNDS = {
    RuleKind.WINDOW: Ground.WINDOW,
    RuleKind.BLACKOUT: Ground.BLACKOUT,
    RuleKind.CAMPAIGN: Ground.CAMPAIGN,
    RuleKind.HOLIDAY: Ground.HOLIDAY,
    RuleKind.MONTH_END: Ground.MONTH_END,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which devices: every kind that is given must match, by any of its names; none is all."""

    hosts: frozenset[str] = frozenset()
    stores: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    tiers: frozenset[str] = frozenset()

    @property
    def everything(self) -> bool:
        """Names nothing, so covers every device."""
        return not (self.hosts or self.stores or self.regions or self.roles or self.tiers)

    def covers(self, device: Device) -> bool:
        """Whether the device is inside."""
        return (
            (not self.stores or device.store in self.stores)
            and (not self.hosts or device.name in self.hosts)
            and (not self.regions or device.region in self.regions)
            and (not self.roles or device.role in self.roles)
            and (not self.tiers or (device.tier is not None and device.tier.value in self.tiers))
        )

    def named(self) -> Iterator[tuple[str, str]]:
        """Every name in it with its kind, as in ("store", "000101")."""
        for kind in ("hosts", "stores", "regions", "roles", "tiers"):
            for name in sorted(getattr(self, kind)):
                yield kind.removesuffix("s"), name


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One window or blackout.

    ``zone`` is an IANA name, empty for the wall clock of each device's own store.
    ``operations`` are the classes that a window is for, or that a blackout forbids.
    ``note`` is free text for people, ``source`` is "file:line" for messages.
    """

    name: str
    kind: RuleKind
    recurrence: Recurrence
    zone: str = ""
    scope: Scope = field(default_factory=Scope)
    operations: frozenset[OperationClass] = frozenset()
    note: str = ""
    source: str = ""


def default_operations(kind: RuleKind) -> frozenset[OperationClass]:
    """What a rule of this kind is about when it names no classes."""
    ground = Ground.NO_WINDOW if kind is RuleKind.WINDOW else kind.ground
    return FORBIDS[ground].classes


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisional:
    """A year for which ``country`` has not published its holidays; who it matters to."""

    year: int
    country: str
    scope: Scope = field(default_factory=Scope)
    operations: frozenset[OperationClass] = FORBIDS[Ground.HOLIDAY].classes


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The guide's own rules (12.1.2, 6.2.3) and the site's numbers for them.

    ``month_end`` are days of the month, counted from its end when negative. A device whose
    role is in ``pos_roles`` or ``finance_roles`` makes all work on it of that class, too.
    ``hard_stop`` is how long before a store opens everything must be done or undone.
    """

    zone: str = "UTC"
    forbidden_hours: OpeningHours = field(default_factory=lambda: parse_hours("09:00-22:00"))
    month_end: tuple[int, ...] = (-2, -1, 1)
    pos_roles: frozenset[str] = frozenset({"pos"})
    finance_roles: frozenset[str] = frozenset({"finance"})
    hard_stop: timedelta = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Everything that decides when work is allowed."""

    rules: tuple[Rule, ...] = ()
    provisional: tuple[Provisional, ...] = ()
    house: House = field(default_factory=House)

    def all_rules(self) -> tuple[Rule, ...]:
        """The site's rules and those of the house."""
        return (*self.rules, *_month_end(self.house))


def _month_end(house: House) -> tuple[Rule, ...]:
    if not house.month_end:
        return ()
    days = ",".join(str(day) for day in house.month_end)
    rrule, _until = read_rule(f"FREQ=MONTHLY;BYMONTHDAY={days}", _LONG_AGO)
    kind = RuleKind.MONTH_END
    shape: dict[str, Any] = {"starts": _LONG_AGO, "rrule": rrule, "wall": timedelta(days=1)}
    return (
        Rule(
            name="month-end closing",
            kind=kind,
            recurrence=Recurrence(**shape),
            operations=default_operations(kind),
            source="windows.month_end_days",
        ),
    )
