# SPDX-License-Identifier: GPL-3.0-or-later
"""How healing does: time to repair, success, escalations, by rule; who has earned auto.

What was never ours to repair (observed, suppressed, refused, over by itself) counts nowhere: it
would make the figures better than they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from storewarden.domain.healing.guards.mode import earned
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.record import Stage
from storewarden.domain.healing.rule import Mode
from storewarden.domain.healing.world import Standing

MTTR = timedelta(hours=2)
"""Mean time to repair that is aimed at (guide 2.3)."""

ESCALATED = Fraction(20, 100)
"""Share of incidents that may need a person (guide 2.3)."""

SOLVED = Fraction(95, 100)
"""Share of incidents that are solved (guide 2.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One occurrence that is over, as far as figures care. ``acted`` when a repair was begun."""

    rule: str
    action: str
    stage: Stage
    starts_at: datetime
    ended_at: datetime
    acted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of ``total`` occurrences that wanted a repair: ``acted`` got one, ``healed`` were verified,
    ``escalated`` went to a person. ``repair_time`` is from their start to their verified end, all
    of the healed ones together."""

    name: str
    total: int = 0
    acted: int = 0
    healed: int = 0
    escalated: int = 0
    repair_time: timedelta = timedelta()

    @property
    def mttr(self) -> timedelta | None:
        """Mean time to repair; None when nothing was healed."""
        return self.repair_time / self.healed if self.healed else None

    @property
    def success(self) -> Fraction | None:
        """Share of the begun repairs that were verified; None without any."""
        return Fraction(self.healed, self.acted) if self.acted else None

    @property
    def escalation(self) -> Fraction | None:
        """Share that went to a person; None without any."""
        return Fraction(self.escalated, self.total) if self.total else None

    @property
    def reached(self) -> dict[str, bool | None]:
        """Whether each aim of the guide is reached; None where nothing can be said."""
        mttr, success, escalation = self.mttr, self.success, self.escalation
        return {
            "mttr": None if mttr is None else mttr <= MTTR,
            "success": None if success is None else success >= SOLVED,
            "escalation": None if escalation is None else escalation <= ESCALATED,
        }


_COUNTED = (Stage.HEALED, Stage.ESCALATED)


def by_rule(outcome: Outcome) -> str:
    """The rule's name."""
    return outcome.rule


def by_action(outcome: Outcome) -> str:
    """The action's name."""
    return outcome.action


def tallies(
    outcomes: Iterable[Outcome],
    begin: datetime,
    end: datetime,
    key: Callable[[Outcome], str] = by_rule,
) -> tuple[Figures, ...]:
    """One per rule (or what ``key`` gives), by name, of what ended from ``begin`` until before
    ``end``; those that no rule answered are left out."""
    groups: dict[str, list[Outcome]] = {}
    for each in outcomes:
        if each.stage in _COUNTED and begin <= each.ended_at < end and key(each):
            groups.setdefault(key(each), []).append(each)
    return tuple(_figures(name, groups[name]) for name in sorted(groups))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An action that may go from approve to auto: ``verified`` of ``runs`` runs were good."""

    action: str
    runs: int
    verified: int

    def said(self, language: str = "en") -> str:
        """One line."""
        if language == "zh":
            return f"{self.action}：{self.runs} 次执行中 {self.verified} 次验证通过，可改为自动模式"
        told = f"{self.action}: {self.verified} of {self.runs} runs verified"
        return f"{told}; it has earned mode auto"


def promotions(standings: Mapping[str, Standing], policy: HealPolicy) -> tuple[Proposal, ...]:
    """Actions in mode approve that have earned auto. A person sets the mode; nothing does by
    itself."""
    return tuple(
        Proposal(action=name, runs=each.runs, verified=each.verified)
        for name, each in sorted(standings.items())
        if each.mode is Mode.APPROVE and earned(each, policy)
    )


def _figures(name: str, outcomes: list[Outcome]) -> Figures:
    healed = [each for each in outcomes if each.stage is Stage.HEALED]
    took = (max(each.ended_at - each.starts_at, timedelta()) for each in healed)
    return Figures(
        name=name,
        total=len(outcomes),
        acted=sum(each.acted for each in outcomes),
        healed=len(healed),
        escalated=sum(each.stage is Stage.ESCALATED for each in outcomes),
        repair_time=sum(took, timedelta()),
    )
