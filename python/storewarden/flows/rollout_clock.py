# SPDX-License-Identifier: GPL-3.0-or-later
"""What windows and opening hours say to the stores of a plan, worked out once per kind of store.

A store may be worked on when all of its devices may, inside of the change's own window. Ten
thousand stores have a handful of calendars between them, so a schedule of months costs a
handful of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from storewarden.domain.estate.device import Device
from storewarden.domain.estate.hours import OpeningHours
from storewarden.domain.maintenance.almanac import Almanac, Profile, whole_days
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.maintenance.interval import Interval, Intervals, first_fit, intersection

_HORIZONS = (35, 400)  # days looked ahead, further only when nothing was found

type _Kind = tuple[frozenset[int], frozenset[tuple[str, str]]]
"""Profiles of all devices of a store, by number; its opening hours and time zones, as text."""


class PlannedClock:
    """The ``StoreClock`` of ``domain.rollout.schedule`` over an almanac.

    ``window`` is the change's own, None for none; ``start`` is when the plan begins.
    """

    def __init__(
        self,
        almanac: Almanac,
        stores: Mapping[str, Sequence[Device]],
        operation: OperationClass,
        start: datetime,
        window: Interval | None = None,
    ) -> None:
        self._almanac = almanac
        self._spans = [whole_days(start, days) for days in _HORIZONS]
        self._window = window
        self._profiles = _Profiles(almanac, operation)
        self._hours: dict[tuple[str, str], OpeningHours] = {}
        numbers: dict[_Kind, int] = {}
        self._kinds: list[_Kind] = []
        self._of: dict[str, int] = {}
        for store, devices in stores.items():
            kind = self._kind(devices)
            self._of[store] = numbers.setdefault(kind, len(numbers))
            if len(self._kinds) < len(numbers):
                self._kinds.append(kind)
        self._allowed: dict[tuple[int, int], Intervals] = {}
        self._open: dict[tuple[tuple[str, str], int], Intervals] = {}

    def alike(self, store: str) -> int:
        """Equal for stores with equal windows and hours."""
        return self._of[store]

    def fits(
        self, store: str, needs: timedelta, after: datetime
    ) -> tuple[datetime, datetime] | None:
        """The first stretch that is long enough."""
        kind = self._of[store]
        for horizon in range(len(_HORIZONS)):
            found = first_fit(self._stretches(kind, horizon), after, needs)
            if found is not None:
                return found.starts, found.ends
        return None

    def traded(self, store: str, since: datetime, long: timedelta) -> datetime | None:
        """When all the hours of the store have seen so much trade; those that never open do not
        count."""
        _, hours = self._kinds[self._of[store]]
        ends = [self._passed(each, since, long) for each in sorted(hours)]
        known = [each for each in ends if each is not None]
        return max(known, default=None)

    def _kind(self, devices: Iterable[Device]) -> _Kind:
        profiles, hours = set[int](), set[tuple[str, str]]()
        for device in devices:
            profiles.add(self._profiles.of(device))
            if device.hours is not None:
                key = (device.hours.text, device.tz)
                self._hours.setdefault(key, device.hours)
                hours.add(key)
        return frozenset(profiles), frozenset(hours)

    def _stretches(self, kind: int, horizon: int) -> Intervals:
        if (kind, horizon) not in self._allowed:
            span = self._spans[horizon]
            common: Intervals = (span,)
            for number in self._kinds[kind][0]:
                profile = self._profiles.all[number]
                common = intersection(common, self._almanac.allowed(profile, span))
            if self._window is not None:
                common = intersection(common, (self._window,))
            self._allowed[kind, horizon] = common
        return self._allowed[kind, horizon]

    def _passed(self, hours: tuple[str, str], since: datetime, long: timedelta) -> datetime | None:
        for horizon in range(len(_HORIZONS)):
            left = long
            for each in self._opening(hours, horizon):
                begin = max(each.starts, since)
                if begin >= each.ends:
                    continue
                if each.ends - begin >= left:
                    return begin + left
                left -= each.ends - begin
        return None

    def _opening(self, hours: tuple[str, str], horizon: int) -> Intervals:
        if (hours, horizon) not in self._open:
            device = Device(name="", tz=hours[1], hours=self._hours[hours])
            found = self._almanac.opening(device, self._spans[horizon])
            self._open[hours, horizon] = found
        return self._open[hours, horizon]


class _Profiles:
    """The almanac's profile of each device, asked for once per kind of device. Profiles are
    numbered, since comparing two of them means comparing two weeks of opening hours."""

    def __init__(self, almanac: Almanac, operation: OperationClass) -> None:
        self._almanac = almanac
        self._operation = operation
        scopes = [rule.scope for rule in almanac.rules]
        self._by_host = any(scope.hosts for scope in scopes)
        self._by_store = any(scope.stores for scope in scopes)
        self._known: dict[object, int] = {}
        self._numbers: dict[Profile, int] = {}
        self.all: list[Profile] = []

    def of(self, device: Device) -> int:
        """The number of a device's profile in ``all``."""
        key = (
            device.role,
            device.region,
            device.tier,
            device.tz,
            device.hours.text if device.hours else None,
            device.name if self._by_host else "",
            device.store if self._by_store else "",
        )
        found = self._known.get(key)
        if found is None:
            profile = self._almanac.profile(device, self._operation)
            found = self._known[key] = self._numbers.setdefault(profile, len(self._numbers))
            if len(self.all) < len(self._numbers):
                self.all.append(profile)
        return found
