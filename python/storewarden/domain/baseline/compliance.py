# SPDX-License-Identifier: GPL-3.0-or-later
"""Compliance, month by month: what an auditor asks for, and what leads to a fix by force.

The rules (guide 2.2.5; reference: hardening, forced fix):

* of each registered device, a month takes the last audit that looked at all of its controls;
* the device complied when its effective score was 95 % or more and no high control was left
  open; a device that nobody could look at that month did not comply;
* the fleet's rate is the devices that complied over all registered ones;
* a month after which a device complied begins the count of bad months anew. One bad month
  is a warning, with the second the device is to be fixed by force, and so with each further.

A month is closed once, when it is over in the site's time zone, and stays as it was closed:
waivers, controls and scores of later days do not change it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, tzinfo
from enum import Enum
from fractions import Fraction

from storewarden.domain.baseline.score import BAR, HostScore, meets

FORCED_AFTER = 2
"""Bad months in a row until a device is fixed by force (guide 2.2.5)."""

_MONTH = re.compile(r"(\d{4})-(\d{2})")
_DECEMBER = 12
_QUARTER = 3  # months


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A month of the calendar, in the site's zone."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"

    @property
    def next(self) -> Month:
        """The month after."""
        if self.number == _DECEMBER:
            return Month(self.year + 1, 1)
        return Month(self.year, self.number + 1)

    @property
    def before(self) -> Month:
        """The month before."""
        if self.number == 1:
            return Month(self.year - 1, _DECEMBER)
        return Month(self.year, self.number - 1)

    def starts(self, zone: tzinfo) -> datetime:
        """Its first moment in ``zone``, in UTC."""
        midnight = datetime.combine(date(self.year, self.number, 1), time.min, tzinfo=zone)
        return midnight.astimezone(UTC)

    def span(self, zone: tzinfo) -> tuple[datetime, datetime]:
        """Its first moment, and that of the next month, in UTC."""
        return self.starts(zone), self.next.starts(zone)


def month_of(at: datetime, zone: tzinfo) -> Month:
    """The month of a moment."""
    local = at.astimezone(zone)
    return Month(local.year, local.month)


def month_named(text: str) -> Month | None:
    """``2026-05``; None for anything else."""
    found = _MONTH.fullmatch(text)
    if found is None or not 1 <= int(found[2]) <= _DECEMBER:
        return None
    return Month(int(found[1]), int(found[2]))


def quarter_of(month: Month) -> tuple[Month, Month, Month]:
    """The three months of the quarter that ``month`` lies in."""
    first = Month(month.year, month.number - (month.number - 1) % _QUARTER)
    return first, first.next, first.next.next


class Standing(Enum):
    """Where a device stands after a month."""

    OK = "ok"  # it complied
    BAD1 = "bad1"  # the first bad month: a warning
    BAD2 = "bad2"  # the second in a row: it is fixed by force
    BAD_AGAIN = "bad again"  # still bad afterwards


class Fault(Enum):
    """Why a month was bad."""

    NONE = ""  # it was not
    UNAUDITED = "unaudited"  # no audit of it that month
    HIGH_OPEN = "high open"  # a high control failed, or nobody could look at it
    SCORE = "score"  # below 95 %


def standing_after(bad_months: int) -> Standing:
    """The standing after so many bad months in a row."""
    if bad_months < FORCED_AFTER:
        return Standing.BAD1 if bad_months else Standing.OK
    return Standing.BAD2 if bad_months == FORCED_AFTER else Standing.BAD_AGAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A device of the inventory, as far as reports name it."""

    host: str
    item: str = ""
    store: str = ""
    region: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceMonth:
    """One device in one month.

    ``effective`` and ``raw`` are None when nothing could be judged; ``open_high`` are its high
    controls that failed unwaived or in error; ``failing`` all controls that failed unwaived;
    ``audit`` is the one that counted, "" for none; ``bad_months`` are those in a row, with
    this one.
    """

    device: Registered
    audit: str = ""
    effective: Fraction | None = None
    raw: Fraction | None = None
    open_high: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    bad_months: int = 0

    @property
    def fault(self) -> Fault:
        """Why the month was bad."""
        if not self.audit:
            return Fault.UNAUDITED
        if self.open_high:
            return Fault.HIGH_OPEN
        return Fault.NONE if meets(self.effective, BAR) else Fault.SCORE

    @property
    def compliant(self) -> bool:
        """Whether it complied."""
        return self.fault is Fault.NONE

    @property
    def standing(self) -> Standing:
        """Where it stands after this month."""
        return standing_after(self.bad_months)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the last full audit of a month said of a device."""

    audit: str
    score: HostScore
    failing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetMonth:
    """All registered devices in one month, in the inventory's order.

    ``closed_at`` is None while the month is not over: then it says how it stands today.
    """

    month: Month
    devices: tuple[DeviceMonth, ...]
    closed_at: datetime | None = None

    @property
    def registered(self) -> int:
        """All devices, looked at or not."""
        return len(self.devices)

    @property
    def audited(self) -> int:
        """Devices with an audit that counted."""
        return sum(bool(each.audit) for each in self.devices)

    @property
    def compliant(self) -> int:
        """Devices that complied."""
        return sum(each.compliant for each in self.devices)

    @property
    def rate(self) -> Fraction | None:
        """Compliant over registered; None without a device (guide 2.2.5)."""
        return Fraction(self.compliant, self.registered) if self.devices else None

    @property
    def good_enough(self) -> bool:
        """Whether the rate reaches 95 %."""
        return meets(self.rate, BAR)

    def standing(self, *wanted: Standing) -> tuple[DeviceMonth, ...]:
        """The devices that stand there."""
        return tuple(each for each in self.devices if each.standing in wanted)


def judge_month(
    month: Month,
    registered: Sequence[Registered],
    judged: Mapping[str, Judged],
    before: Mapping[str, int],
) -> FleetMonth:
    """How ``month`` was, or is so far.

    ``judged`` maps a host to what its last full audit of the month said, ``before`` to its bad
    months in a row until then; a device that was not registered then has none.
    """
    devices = tuple(
        _device(device, judged.get(device.host), before.get(device.host, 0))
        for device in registered
    )
    return FleetMonth(month=month, devices=devices)


def _device(device: Registered, judged: Judged | None, before: int) -> DeviceMonth:
    if judged is None:
        return DeviceMonth(device=device, bad_months=before + 1)
    found = DeviceMonth(
        device=device,
        audit=judged.audit,
        effective=judged.score.score.effective,
        raw=judged.score.score.raw,
        open_high=judged.score.open_high,
        failing=judged.failing,
    )
    return found if found.compliant else replace(found, bad_months=before + 1)


def unclosed(first: Month, closed: Iterable[Month], now: Month) -> tuple[Month, ...]:
    """The months that are over and wait to be closed, oldest first.

    ``first`` is that of the oldest audit. Behind the last month that was closed none is left
    out: of a site that nobody looked after, each was a bad one. A site that closes its first
    month begins with the last one: what was registered long ago nobody knows any more.
    """
    month = max((each.next for each in closed), default=max(first, now.before))
    found = []
    while month < now:
        found.append(month)
        month = month.next
    return tuple(found)
