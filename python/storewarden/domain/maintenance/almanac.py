# SPDX-License-Identifier: GPL-3.0-or-later
"""When work is allowed, computed once for all devices that share the answer.

Three thousand stores have a handful of time zones, opening hours and sets of rules between
them. Such a combination is a ``Profile``; what it allows in a stretch of time is worked out
once and kept. An almanac only ever remembers what the same question would give again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from storewarden.domain.estate.device import Device
from storewarden.domain.estate.hours import OpeningHours
from storewarden.domain.maintenance.calendar import Calendar, Rule, RuleKind
from storewarden.domain.maintenance.grounds import (
    FORBIDS,
    NEEDS_NO_WINDOW,
    Ground,
    OperationClass,
)
from storewarden.domain.maintenance.interval import (
    Interval,
    Intervals,
    difference,
    intersection,
    union,
)
from storewarden.domain.maintenance.opening import open_intervals


class Base(Enum):
    """What blackouts are taken away from."""

    ALWAYS = "always"  # the class needs no window
    WINDOWS = "windows"  # the windows that cover the device
    QUIET = "quiet"  # no window covers the device: outside opening and forbidden hours


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Everything that decides; devices with equal profiles have equal calendars.

    ``windows`` and ``blackouts`` are positions in the almanac's rules; ``closed`` are the
    grounds of the day (opening hours, forbidden hours) that hold.
    """

    zone: str
    hours: OpeningHours
    base: Base
    windows: tuple[int, ...]
    blackouts: tuple[int, ...]
    closed: frozenset[Ground]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shelf:
    """What holds for some classes of operation: positions of rules, and grounds of the day."""

    everywhere: tuple[int, ...]
    somewhere: tuple[int, ...]
    closed: frozenset[Ground]


class Almanac:
    """A calendar with what was worked out of it so far."""

    def __init__(self, calendar: Calendar) -> None:
        self.calendar = calendar
        self.rules: tuple[Rule, ...] = calendar.all_rules()
        # an empty scope covers every device, so asking it first ends the search
        self._window_scopes = sorted(
            {rule.scope for rule in self.rules if rule.kind is RuleKind.WINDOW},
            key=lambda scope: not scope.everything,
        )
        self._shelves: dict[frozenset[OperationClass], _Shelf] = {}
        self._spans: dict[tuple[int, str, Interval], Intervals] = {}
        self._opening: dict[tuple[OpeningHours, str, Interval], Intervals] = {}
        self._asked: dict[tuple[Profile, Interval], Intervals] = {}
        self._allowed: dict[tuple[Profile, Interval], Intervals] = {}

    def profile(self, device: Device, operation: OperationClass) -> Profile:
        """What decides about ``operation`` on ``device``."""
        classes = self.classes(device, operation)
        shelf = _kept(self._shelves, classes, lambda: _shelf(self.rules, classes))
        held = [
            *shelf.everywhere,
            *(index for index in shelf.somewhere if self.rules[index].scope.covers(device)),
        ]
        window = RuleKind.WINDOW
        return Profile(
            zone=device.tz or self.calendar.house.zone,
            hours=device.hours or self.calendar.house.forbidden_hours,
            base=self._base(device, operation),
            windows=tuple(index for index in held if self.rules[index].kind is window),
            blackouts=tuple(index for index in held if self.rules[index].kind is not window),
            closed=shelf.closed,
        )

    def classes(self, device: Device, operation: OperationClass) -> frozenset[OperationClass]:
        """The class itself, and what the device's role makes of it: work on a till is POS."""
        found = {operation}
        if operation not in NEEDS_NO_WINDOW:
            house = self.calendar.house
            found |= {OperationClass.POS} if device.role in house.pos_roles else set()
            found |= {OperationClass.FINANCE} if device.role in house.finance_roles else set()
        return frozenset(found)

    def _base(self, device: Device, operation: OperationClass) -> Base:
        if operation in NEEDS_NO_WINDOW:
            return Base.ALWAYS
        covered = any(scope.covers(device) for scope in self._window_scopes)
        return Base.WINDOWS if covered else Base.QUIET

    def openings(
        self, device: Device, operation: OperationClass, first: datetime, last: datetime
    ) -> Intervals:
        """When ``operation`` is allowed on ``device`` between two moments, cut off there."""
        profile = self.profile(device, operation)
        days = whole_days(first, (last - first).days + 2)
        asked = Interval(starts=first.astimezone(UTC), ends=last.astimezone(UTC))
        return _kept(
            self._asked,
            (profile, asked),
            lambda: intersection(self.allowed(profile, days), (asked,)),
        )

    def allowed(self, profile: Profile, span: Interval) -> Intervals:
        """When such work is allowed within ``span``, cut off at its edges."""
        return _kept(self._allowed, (profile, span), lambda: self._work_out(profile, span))

    def _work_out(self, profile: Profile, span: Interval) -> Intervals:
        taken = [self.stretches(index, profile, span) for index in profile.blackouts]
        taken += [self.trading(ground, profile, span) for ground in profile.closed]
        return difference(self.base(profile, span), union(*taken))

    def base(self, profile: Profile, span: Interval) -> Intervals:
        """What there is before any blackout, within ``span``."""
        if profile.base is Base.ALWAYS:
            return (span,)
        if profile.base is Base.QUIET:
            grounds = (Ground.OPENING_HOURS, Ground.FORBIDDEN_HOURS)
            return difference((span,), union(*(self.trading(g, profile, span) for g in grounds)))
        windows = (self.stretches(index, profile, span) for index in profile.windows)
        return intersection(union(*windows), (span,))

    def stretches(self, index: int, profile: Profile, span: Interval) -> Intervals:
        """When the rule at ``index`` holds; what touches ``span``, whole."""
        rule = self.rules[index]
        zone = rule.zone or profile.zone
        return _kept(
            self._spans,
            (index, zone, span),
            lambda: rule.recurrence.expand(ZoneInfo(zone), span),
        )

    def trading(self, ground: Ground, profile: Profile, span: Interval) -> Intervals:
        """The store's opening hours, or the forbidden hours of the day; whole stretches."""
        house = self.calendar.house
        hours = profile.hours if ground is Ground.OPENING_HOURS else house.forbidden_hours
        return self._open(hours, profile.zone, span)

    def opening(self, device: Device, span: Interval) -> Intervals:
        """When the device's store is open; whole stretches that touch ``span``."""
        house = self.calendar.house
        return self._open(device.hours or house.forbidden_hours, device.tz or house.zone, span)

    def _open(self, hours: OpeningHours, zone: str, span: Interval) -> Intervals:
        return _kept(
            self._opening,
            (hours, zone, span),
            lambda: open_intervals(hours, ZoneInfo(zone), span),
        )

    def stale_names(self, devices: Iterable[Device]) -> tuple[tuple[Rule, str, str], ...]:
        """Names in scopes that no device has: (rule, kind, name). A blackout for a store that
        is misspelt protects nobody."""
        known = set()
        for device in devices:
            tier = device.tier.value if device.tier else ""
            known |= {("host", device.name), ("store", device.store), ("tier", tier)}
            known |= {("region", device.region), ("role", device.role)}
        return tuple(
            (rule, kind, name)
            for rule in self.rules
            for kind, name in rule.scope.named()
            if (kind, name) not in known
        )


def _shelf(rules: tuple[Rule, ...], classes: frozenset[OperationClass]) -> _Shelf:
    held = [index for index, rule in enumerate(rules) if rule.operations & classes]
    grounds = (Ground.OPENING_HOURS, Ground.FORBIDDEN_HOURS)
    return _Shelf(
        everywhere=tuple(index for index in held if rules[index].scope.everything),
        somewhere=tuple(index for index in held if not rules[index].scope.everything),
        closed=frozenset(ground for ground in grounds if FORBIDS[ground].classes & classes),
    )


def whole_days(moment: datetime, days: int) -> Interval:
    """``days`` days in UTC from the midnight before ``moment``: questions of a day share it."""
    begin = datetime.combine(moment.astimezone(UTC).date(), time.min, tzinfo=UTC)
    return Interval(starts=begin, ends=begin + timedelta(days=days))


def _kept[K, V](kept: dict[K, V], key: K, work_out: Callable[[], V]) -> V:
    if key not in kept:
        kept[key] = work_out()
    return kept[key]
