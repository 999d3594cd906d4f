# SPDX-License-Identifier: GPL-3.0-or-later
"""Setting a rule aside: two different people, a reason, and an end.

An override is recorded on its change, so that an auditor finds who took the risk and why.
It does not open a window; it says that this once the grounds against it do not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

PEOPLE = 2
"""How many different people must say yes (reference: rollouts, windows)."""


class Objection(Enum):
    """Why an override does not count."""

    FEW_PEOPLE = "few people"  # fewer than two people other than the requester approved it
    NO_REASON = "no reason"  # it does not say why
    EXPIRED = "expired"  # its time is over
    TOO_SHORT = "too short"  # its time is over before the work is


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """``people`` are the ids of those who approved it; ``expires`` is a moment with a zone.

    The approval of the ``requester`` does not count.
    """

    people: tuple[str, ...]
    reason: str
    expires: datetime
    requester: str = ""

    def __post_init__(self) -> None:
        """ValueError for an end without a zone."""
        if self.expires.utcoffset() is None:
            raise ValueError("an override expires at a moment with a zone")


def objections(
    override: Override, now: datetime, needs: timedelta = timedelta(0)
) -> tuple[Objection, ...]:
    """Why it does not count at ``now`` for work that takes ``needs``; empty when it does."""
    found = []
    others = {person.strip() for person in override.people} - {"", override.requester.strip()}
    if len(others) < PEOPLE:
        found.append(Objection.FEW_PEOPLE)
    if not override.reason.strip():
        found.append(Objection.NO_REASON)
    if now >= override.expires:
        found.append(Objection.EXPIRED)
    elif now + needs > override.expires:
        found.append(Objection.TOO_SHORT)
    return tuple(found)
