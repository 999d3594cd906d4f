# SPDX-License-Identifier: GPL-3.0-or-later
"""How waivers stand on a day: which of them somebody has to look at before an audit does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from storewarden.domain.baseline.waiver import DeviceFacts, Waiver

SOON = timedelta(days=14)
"""How long before its last day a waiver is worth a word: time for a new decision or a fix."""


class WaiverState(Enum):
    """Where a waiver stands; in the order in which it matters."""

    ORPHANED = "orphaned"  # covers no device of the inventory: the next audit is refused
    EXPIRED = "expired"  # its last day is over: the failure counts, and opens a ticket
    EXPIRING = "expiring"  # its last day is within 14 days
    NOT_YET = "not yet valid"  # its first day has not come
    ACTIVE = "active"  # holds

    @property
    def needs_somebody(self) -> bool:
        """Whether a person has to do something."""
        return self in (WaiverState.ORPHANED, WaiverState.EXPIRED, WaiverState.EXPIRING)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverLine:
    """One waiver on one day. ``hosts`` are the devices in its scope, ``left`` the days until its
    last one (negative when that is over)."""

    waiver: Waiver
    state: WaiverState
    hosts: tuple[str, ...]
    left: int


def waiver_lines(
    waivers: Iterable[Waiver], devices: Sequence[DeviceFacts], today: date
) -> tuple[WaiverLine, ...]:
    """All waivers, the most urgent first, then by their last day."""
    lines = [_line(waiver, devices, today) for waiver in waivers]
    order = list(WaiverState)
    return tuple(
        sorted(lines, key=lambda line: (order.index(line.state), line.left, line.waiver.source))
    )


def _line(waiver: Waiver, devices: Sequence[DeviceFacts], today: date) -> WaiverLine:
    hosts = tuple(device.host for device in devices if waiver.scope.covers(device))
    left = (waiver.expires - today).days
    return WaiverLine(waiver=waiver, state=_state(waiver, hosts, today), hosts=hosts, left=left)


def _state(waiver: Waiver, hosts: tuple[str, ...], today: date) -> WaiverState:
    if not hosts:
        return WaiverState.ORPHANED
    if today > waiver.expires:
        return WaiverState.EXPIRED
    if today < waiver.approved:
        return WaiverState.NOT_YET
    return WaiverState.EXPIRING if waiver.expires - today <= SOON else WaiverState.ACTIVE
