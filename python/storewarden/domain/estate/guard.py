# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether to believe the list of hosts before anything acts on it.

A wrong inventory token yields an empty inventory and exit code 0; half an export yields half
a chain. Both look like a smaller estate, so a smaller estate needs a reason or a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class EstateVerdict(Enum):
    """What was decided about an inventory."""

    FIRST = "first"  # nothing to compare with yet
    ACCEPTED = "accepted"  # about as many hosts as before
    ACKNOWLEDGED = "acknowledged"  # shrunk beyond the limit, and a person said that is right
    EMPTY = "empty"  # refused: no hosts at all
    SHRUNK = "shrunk"  # refused: too many hosts are gone


@dataclass(frozen=True, slots=True, kw_only=True)
class ShrinkLimit:
    """How many hosts may go missing between two runs without anybody saying so."""

    percent: float = 10.0  # of the hosts seen last time
    least: int = 2  # hosts; fewer never refuse, however small the estate


@dataclass(frozen=True, slots=True, kw_only=True)
class EstateDecision:
    """Whether to go on, and the sentence that says why."""

    verdict: EstateVerdict
    reason: str

    @property
    def allowed(self) -> bool:
        """False when nothing may act on this inventory."""
        return self.verdict not in (EstateVerdict.EMPTY, EstateVerdict.SHRUNK)


def judge_estate(
    previous_count: int | None,
    current_count: int,
    limit: ShrinkLimit | None = None,
    *,
    acknowledged: bool = False,
) -> EstateDecision:
    """Judge a host count against the one of the last run (None the first time).

    `acknowledged` is a person's word that hosts were really taken away; it does not make an
    empty inventory acceptable.
    """
    limit = limit or ShrinkLimit()
    if current_count <= 0:
        return EstateDecision(
            verdict=EstateVerdict.EMPTY, reason="the inventory holds no hosts at all"
        )
    if previous_count is None or previous_count <= 0:
        return EstateDecision(
            verdict=EstateVerdict.FIRST, reason=f"{current_count} hosts, seen for the first time"
        )
    gone = previous_count - current_count
    counts = f"{current_count} hosts, {previous_count} last time"
    if gone < limit.least or gone * 100 <= limit.percent * previous_count:
        return EstateDecision(verdict=EstateVerdict.ACCEPTED, reason=counts)
    if acknowledged:
        return EstateDecision(
            verdict=EstateVerdict.ACKNOWLEDGED, reason=f"{counts}; accepted as shrunk"
        )
    share = gone * 100 / previous_count
    reason = f"{counts}: {gone} gone ({share:.0f} %), more than the {limit.percent:g} % allowed"
    return EstateDecision(verdict=EstateVerdict.SHRUNK, reason=reason)
