# SPDX-License-Identifier: GPL-3.0-or-later
"""How soon an incident has to be answered and solved: the guide's table (guide 2.3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction

from storewarden.domain.healing.rule import Impact, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """From the beginning of an incident: a person has looked, and it is solved."""

    answer: timedelta
    solve: timedelta


def _promise(answer: int, solve: int) -> Promise:
    return Promise(answer=timedelta(minutes=answer), solve=timedelta(hours=solve))


PROMISES: Mapping[tuple[Kind, Impact], Promise] = {
    (Kind.DOWN, Impact.HIGH): _promise(10, 2),
    (Kind.DOWN, Impact.MEDIUM): _promise(30, 4),
    (Kind.DOWN, Impact.LOW): _promise(120, 8),
    (Kind.DEGRADED, Impact.HIGH): _promise(15, 3),
    (Kind.DEGRADED, Impact.MEDIUM): _promise(60, 8),
    (Kind.DEGRADED, Impact.LOW): _promise(240, 24),
    (Kind.SECURITY, Impact.HIGH): _promise(5, 1),
    (Kind.SECURITY, Impact.MEDIUM): _promise(30, 4),
    (Kind.SECURITY, Impact.LOW): _promise(120, 8),
}
"""Kind and priority -> promise (guide 2.3.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentPolicy:
    """What incidents are held to. ``promises`` replaces single cells of the guide's table."""

    promises: Mapping[tuple[Kind, Impact], Promise] = field(default_factory=dict)
    warn_share: Fraction = field(
        default=Fraction(4, 5),
        metadata={"source": "chosen: a breach is told when four fifths of the time are gone"},
    )
    confirm: timedelta = field(
        default=timedelta(hours=2), metadata={"source": "guide 2.3: confirmed within 2 h"}
    )
    same: int = field(default=3, metadata={"source": "guide 2.4.3: the same incident 3 times"})
    same_span: timedelta = field(
        default=timedelta(days=30),
        metadata={"source": "chosen: the guide says no span; a month, as its reports are monthly"},
    )
    major: int = field(
        default=3, metadata={"source": "guide 2.4.1: 3 high-priority incidents make it major"}
    )

    def promise(self, kind: Kind, priority: Impact) -> Promise:
        """What an incident is held to."""
        return self.promises.get((kind, priority), PROMISES[(kind, priority)])
