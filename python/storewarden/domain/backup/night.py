# SPDX-License-Identifier: GPL-3.0-or-later
"""The night of a chain: which store begins when, so that no line and no hub is overrun.

Every set has a place of its own in its window, always the same one for a store (a hash of its
number), because a thousand stores that begin at 23:00 share one uplink. From there it waits until
its line is free and its hub has a free place. One line carries one set at a time. What would not
end within its window is not begun: it is named, and what comes after it goes on.
"""

from __future__ import annotations

import hashlib
from bisect import insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from storewarden.domain.backup.policy import SetKind
from storewarden.domain.maintenance.interval import Interval

_KIB = 1024
_SETUP = timedelta(minutes=1)
"""What a set takes beside its bytes: connecting, locks, the tool's own start. Chosen: one minute,
because a plan that is a little too long harms less than one that is too short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """Where the lines of a region come together: at most ``at_once`` sets, ``bandwidth`` KiB/s of
    all of them together, 0 for no limit."""

    name: str
    at_once: int = 100
    bandwidth: int = 0

    def share(self, line: int) -> int:
        """KiB/s for one set on a line of ``line`` KiB/s (0: no limit); 0 when nothing limits it."""
        even = max(1, self.bandwidth // self.at_once) if self.bandwidth else 0
        return min((each for each in (line, even) if each), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One set that is to be taken. ``line`` is what it shares its line with (a store's number);
    ``rate`` are KiB/s that it may use, 0 for no limit; ``size`` are bytes, as far as known."""

    host: str
    policy: str
    kind: SetKind
    line: str
    hub: str
    window: Interval
    size: int
    rate: int = 0
    splay: timedelta = timedelta()
    en: str = ""
    zh: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """When one set is taken."""

    wanted: Wanted
    time: Interval

    @property
    def fits(self) -> bool:
        """Whether it ends within its window."""
        return self.time.ends <= self.wanted.window.ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """A night's plan, in the order in which sets begin. ``late`` would not end in time and are not
    begun: each with the time that it would have taken."""

    slots: tuple[Slot, ...] = ()
    late: tuple[Slot, ...] = ()
    busiest: Mapping[str, int] = field(default_factory=dict)

    @property
    def span(self) -> timedelta:
        """From the first beginning to the last end: the hours of the night for the chain."""
        if not self.slots:
            return timedelta()
        first = min(one.time.starts for one in self.slots)
        return max(one.time.ends for one in self.slots) - first

    @property
    def size(self) -> int:
        """Bytes of all sets that are taken."""
        return sum(one.wanted.size for one in self.slots)


def plan_night(wanted: Iterable[Wanted], hubs: Mapping[str, Hub]) -> Night:
    """Slots for all of them; a hub that is not named has no limits of its own.

    First come, first served by each set's own place in its window; the same input gives the same
    plan. O(n log n).
    """
    lines: dict[str, datetime] = {}
    places: dict[str, list[datetime]] = {}
    slots, late = list[Slot](), list[Slot]()
    for begin, each, hub in sorted(
        (_placed(each, hubs) for each in wanted),
        key=lambda found: (found[0], found[1].host, found[1].policy),
    ):
        taken = places.setdefault(hub.name, [])
        starts = max(begin, lines.get(each.line, begin), _free_at(taken, hub, begin))
        ends = starts + _length(each, hub)
        slot = Slot(wanted=each, time=Interval(starts=starts, ends=ends))
        if not slot.fits:  # it is not begun, so it holds up nobody
            late.append(slot)
            continue
        lines[each.line] = ends
        insort(taken, ends)
        slots.append(slot)
    return Night(slots=tuple(sorted(slots, key=_when)), late=tuple(late), busiest=_busiest(slots))


_UNLIMITED = 1 << 30


def _free_at(taken: list[datetime], hub: Hub, begin: datetime) -> datetime:
    """When a place of the hub is free: when so many have ended that one is left."""
    if len(taken) < hub.at_once:
        return begin
    return max(begin, taken[len(taken) - hub.at_once])


def _length(wanted: Wanted, hub: Hub) -> timedelta:
    rate = hub.share(wanted.rate)
    if not rate:
        return _SETUP
    return _SETUP + timedelta(seconds=wanted.size / (rate * _KIB))


def _placed(wanted: Wanted, hubs: Mapping[str, Hub]) -> tuple[datetime, Wanted, Hub]:
    hub = hubs.get(wanted.hub, Hub(name=wanted.hub, at_once=_UNLIMITED))
    return _place(wanted, hub), wanted, hub


def _place(wanted: Wanted, hub: Hub) -> datetime:
    """A store's own moment in its window, as early as it has to be to end in it."""
    drawn = int.from_bytes(hashlib.sha256(wanted.line.encode()).digest()[:6], "big")
    room = max(timedelta(), wanted.window.length - _length(wanted, hub))
    whole = min(wanted.splay, room)
    seconds = int(whole.total_seconds()) * drawn >> 48
    return wanted.window.starts + timedelta(seconds=seconds)


def _when(slot: Slot) -> tuple[datetime, str, str]:
    return slot.time.starts, slot.wanted.host, slot.wanted.policy


def _busiest(slots: Iterable[Slot]) -> dict[str, int]:
    """Hub -> how many sets at most at one moment."""
    steps: dict[str, list[tuple[datetime, int]]] = {}
    for slot in slots:
        mine = steps.setdefault(slot.wanted.hub, [])
        mine += [(slot.time.starts, 1), (slot.time.ends, -1)]
    found = {}
    for hub, moments in steps.items():
        there = most = 0
        for _moment, change in sorted(moments):
            there += change
            most = max(most, there)
        found[hub] = most
    return found
