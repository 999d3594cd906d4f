# SPDX-License-Identifier: GPL-3.0-or-later
"""When the same incident comes for the third time, its cause is what has to be worked on.

"The same" is the same rule on the same host, or the same storm or store (guide 2.4.3); a problem
behind three high-priority incidents is a major one (guide 2.4.1).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from storewarden.domain.healing.incident import Incident
from storewarden.domain.healing.rule import Impact
from storewarden.domain.healing.sla import IncidentPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A cause behind incidents, by their numbers in the order of time; it came ``times`` times."""

    name: str
    incidents: tuple[str, ...]
    times: int
    major: bool = False

    def said(self, language: str = "en") -> str:
        """One line."""
        many = self.times
        if language == "zh":
            return f"{'重大问题' if self.major else '问题'}：{self.name} 已发生 {many} 次"
        return f"{'major problem' if self.major else 'problem'}: {self.name} came {many} times"


def problem_behind(
    incident: Incident, others: Iterable[Incident], policy: IncidentPolicy
) -> Problem | None:
    """The problem that ``incident`` makes known, with those of ``others`` that are the same fault;
    None when it has not come often enough."""
    begin = incident.opened_at - policy.same_span
    same = {
        each.number: each
        for each in (*others, incident)
        if each.name == incident.name and begin <= each.opened_at <= incident.opened_at
    }
    # An incident that was solved and came back counts each time: people lived through each.
    times = sum(1 + each.disputes for each in same.values())
    if times < policy.same:
        return None
    told = sorted(same.values(), key=lambda each: (each.opened_at, each.number))
    high = sum(1 + each.disputes for each in told if each.priority is Impact.HIGH)
    return Problem(
        name=incident.name,
        incidents=tuple(each.number for each in told),
        times=times,
        major=high >= policy.major,
    )
