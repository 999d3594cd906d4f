# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Thirty days of packet counters -> which ports nobody used.

Between two readings of one counting, "no more packets than before" proves silence for the whole
time between them. A reboot or a reload of the rules starts counting at zero: packets after it
are use, but no packets after it say nothing about the time before it. So an interval with a
restart in it never counts as silence. A restart shows in a new boot id, or in any counter that
became smaller. Short gaps of that kind (a monthly reboot between two daily samples) are stepped
over; a long one ends what is known.
"""

from __future__ import annotations

import datetime
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    QUERY,
    ProbeError,
)

_DAY = 86400.0
_GAP = 2 * _DAY  # unseen time that is stepped over: one missed daily sample around a reboot


class Reading(NamedTuple):
    """Packets per named counter at one time (seconds since the epoch)."""

    at: float
    counters: dict[str, int]
    boot: str | None


def reading(at: float, counters: dict[str, int], boot: str | None) -> Reading:
    """A reading made now."""
    return Reading(at, dict(counters), boot)


def history(samples: list[Any], now: Reading, days: float) -> dict[str, Any]:
    """``{at, boot, counters, observed_days, idle}``.

    ``observed_days``: time covered by intervals without a restart, to one decimal. ``idle``:
    counters proved silent for ``days``, with no use since. Raises ProbeError for a sample
    that is not ``{at: ISO time, counters: {name: packets}, boot?: text}``.
    """
    readings = sorted(map(_parsed, samples), key=lambda one: one.at)
    readings = [one for one in readings if one.at < now.at] + [now]
    # not itertools.pairwise: the oldest target's Python is 3.9
    pairs = _known([(readings[place - 1], readings[place]) for place in range(1, len(readings))])
    observed = sum(new.at - old.at for old, new in pairs if not _restarted(old, new))
    silent = {name: _silence(name, pairs) for name in now.counters}
    at = datetime.datetime.fromtimestamp(now.at, datetime.timezone.utc)
    return {
        "at": at.isoformat(timespec="seconds"),
        "boot": now.boot,
        "counters": now.counters,
        "observed_days": round(observed / _DAY, 1),
        "idle": sorted(name for name, seconds in silent.items() if seconds >= days * _DAY),
    }


def _known(pairs: list[tuple[Reading, Reading]]) -> list[tuple[Reading, Reading]]:
    """The newest pairs, back to the first gap that is too long to step over."""
    for place in range(len(pairs) - 1, -1, -1):
        old, new = pairs[place]
        if _restarted(old, new) and new.at - old.at > _GAP:
            return pairs[place + 1 :]
    return pairs


def _silence(name: str, pairs: list[tuple[Reading, Reading]]) -> float:
    """Seconds of proved silence, walking back from now to the last use or the first reading."""
    total = 0.0
    for old, new in reversed(pairs):
        if name not in old.counters or name not in new.counters:
            break
        if _restarted(old, new):
            if new.counters[name] > 0:
                break
        elif new.counters[name] > old.counters[name]:
            break
        else:
            total += new.at - old.at
    return total


def _restarted(old: Reading, new: Reading) -> bool:
    if old.boot and new.boot and old.boot != new.boot:
        return True
    shared = set(old.counters) & set(new.counters)
    return any(new.counters[name] < old.counters[name] for name in shared)


def _parsed(sample: Any) -> Reading:
    try:
        at = datetime.datetime.fromisoformat(str(sample["at"]).replace("Z", "+00:00"))
        if at.tzinfo is None:
            at = at.replace(tzinfo=datetime.timezone.utc)
        counters = {str(name): int(count) for name, count in sample["counters"].items()}
        boot = sample.get("boot")
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ProbeError(QUERY, "not a counter sample: {0!r}".format(sample)) from None
    return Reading(at.timestamp(), counters, None if boot is None else str(boot))
