# SPDX-License-Identifier: GPL-3.0-or-later
"""The repairs of the last 24 hours, laid out so that a guard finds what it asks for at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile

KEPT = timedelta(hours=24)
"""How far back guards look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRepair:
    """One host of one repair that was begun, or is about to be. A run that never began is none.

    ``verified`` is True when the host was seen well afterwards, False when the repair failed or did
    not help, None while nobody knows and where nothing had to be done (nothing was wrong, or the
    action called for a person without touching anything). ``verifying``: the repair has ended, and
    its alert is being looked at.
    """

    host: str
    action: str
    rule: str
    at: datetime
    ended_at: datetime | None = None
    verified: bool | None = None
    canary: bool = False
    verifying: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Made by ``history_of``; each list is in the order of time."""

    by_pair: Mapping[tuple[str, str], tuple[PastRepair, ...]] = field(default_factory=dict)
    by_action: Mapping[str, tuple[PastRepair, ...]] = field(default_factory=dict)

    def of(self, host: str, action: str) -> tuple[PastRepair, ...]:
        """Repairs of a host by an action, the oldest first."""
        return self.by_pair.get((host, action), ())

    def since(self, action: str, begin: datetime) -> tuple[PastRepair, ...]:
        """Repairs by an action that began after ``begin``, on any host."""
        found = self.by_action.get(action, ())
        return found[bisect_right(found, begin, key=lambda each: each.at) :]


def history_of(repairs: Iterable[PastRepair]) -> History:
    """The history; the order in which repairs are given does not matter."""
    pairs: dict[tuple[str, str], list[PastRepair]] = {}
    actions: dict[str, list[PastRepair]] = {}
    for each in sorted(repairs, key=lambda one: (one.at, one.host, one.action)):
        pairs.setdefault((each.host, each.action), []).append(each)
        actions.setdefault(each.action, []).append(each)
    return History(
        by_pair={key: tuple(found) for key, found in pairs.items()},
        by_action={key: tuple(found) for key, found in actions.items()},
    )


def newest_within(repairs: tuple[PastRepair, ...], begin: datetime) -> tuple[PastRepair, ...]:
    """Of repairs in the order of time: those after ``begin``, the newest first."""
    return tuple(takewhile(lambda each: each.at > begin, reversed(repairs)))
