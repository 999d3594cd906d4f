# SPDX-License-Identifier: GPL-3.0-or-later
"""What a time on a wall clock means in UTC, twice a year as well.

A rule is written in wall-clock time, and some of those times do not exist (the hour that
summer time skips) or exist twice. RFC 5545 §3.3.5 decides: a time that is skipped is read
with the offset from before the gap (02:30 becomes 03:30 summer time), one that comes twice
means the first. ``zoneinfo`` with fold 0 does exactly that; a rule expanded with zones inside
does not, so rules are expanded naive and every result goes through here.

Opening hours are no appointment: while it is unclear whether a store is open, it is open.
Their edges are rounded outwards with ``earliest`` and ``latest``.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo


def instant(wall: datetime, zone: tzinfo) -> datetime:
    """The moment in UTC that a naive wall-clock time means, as RFC 5545 reads it."""
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


def earliest(wall: datetime, zone: tzinfo) -> datetime:
    """The first moment it may mean."""
    return min(_both(wall, zone))


def latest(wall: datetime, zone: tzinfo) -> datetime:
    """The last moment it may mean."""
    return max(_both(wall, zone))


def wall_at(moment: datetime, zone: tzinfo) -> datetime:
    """What the clock on the wall shows at ``moment``, naive."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _both(wall: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, second
