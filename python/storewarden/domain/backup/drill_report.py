# SPDX-License-Identifier: GPL-3.0-or-later
"""What was rehearsed in a span of time (a quarter, guide 1.6.4 and 10.2.3), for auditors: each
rehearsal with what was promised, and the targets whose turn nobody saw to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, floor
from typing import Any

from storewarden.domain.backup.catalog import DrillRecord, Target
from storewarden.domain.backup.policy import Policy

_HUNDRED = 100
_WHOLE = 0.97
"""Share of a period that counts as all of it: quarters have 90 to 92 days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDrills:
    """One policy: its rehearsals, newest first, and who had none. ``wanted`` is how many targets
    the policy asks to have rehearsed in its period, 0 when it asks for none."""

    policy: Policy
    drills: tuple[DrillRecord, ...]
    targets: int
    rehearsed: int
    proven: int
    wanted: int
    places: tuple[tuple[str, int, int], ...]

    @property
    def kept(self) -> bool:
        """Whether as many targets were proven as the policy asks for, and nothing failed."""
        return self.proven >= self.wanted and all(each.passed for each in self.drills)

    @property
    def slowest(self) -> timedelta | None:
        """The longest RTO that was measured."""
        return max((each.rto for each in self.drills if each.rto is not None), default=None)

    @property
    def widest(self) -> timedelta | None:
        """The longest RPO that was measured."""
        return max((each.rpo for each in self.drills if each.rpo is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillReport:
    """All policies between ``since`` and ``until``; ``gone`` are rehearsals of policies that the
    site no longer has."""

    since: datetime
    until: datetime
    policies: tuple[PolicyDrills, ...]
    gone: tuple[DrillRecord, ...] = ()

    @property
    def drills(self) -> tuple[DrillRecord, ...]:
        """Every rehearsal, newest first."""
        found = [*self.gone, *(each for one in self.policies for each in one.drills)]
        return tuple(sorted(found, key=lambda each: (each.began, each.id), reverse=True))

    @property
    def good(self) -> bool:
        """Whether every policy got what it asks for."""
        return all(each.kept for each in self.policies)


def report_of(
    drills: Iterable[DrillRecord],
    policies: Mapping[str, Policy],
    targets: Mapping[str, Sequence[Target]],
    *,
    since: datetime,
    until: datetime,
) -> DrillReport:
    """The report. Policies that neither ask for rehearsals nor had one are left out."""
    drills = [each for each in drills if since <= each.began < until]
    span = until - since
    found = [
        _one(policy, [each for each in drills if each.target.policy == name], targets[name], span)
        for name, policy in policies.items()
    ]
    return DrillReport(
        since=since,
        until=until,
        policies=tuple(each for each in found if each.wanted or each.drills),
        gone=tuple(each for each in drills if each.target.policy not in policies),
    )


def _one(
    policy: Policy, drills: Sequence[DrillRecord], targets: Sequence[Target], span: timedelta
) -> PolicyDrills:
    places = sorted({each.location for each in drills})
    return PolicyDrills(
        policy=policy,
        drills=tuple(drills),
        targets=len(targets),
        rehearsed=len({each.target for each in drills}),
        proven=len({each.target for each in drills if each.passed}),
        wanted=_wanted(policy, len(targets), span),
        places=tuple(
            (
                place,
                sum(each.location == place for each in drills),
                sum(each.location == place and each.passed for each in drills),
            )
            for place in places
        ),
    )


def _wanted(policy: Policy, targets: int, span: timedelta) -> int:
    """The policy's sample, rounded up; of a span that is shorter than its period, as of a quarter
    that has only begun, the share that is due by then, rounded down."""
    if policy.drill is None or not targets:
        return 0
    sample = ceil(targets * policy.drill.sample / _HUNDRED)
    part = span / policy.drill.every
    return sample if part >= _WHOLE else floor(sample * part)


def drill_data(record: DrillRecord, policy: Policy | None) -> dict[str, Any]:
    """One rehearsal for programs; spans are seconds, None when not measured."""
    return {
        "id": record.id,
        "host": record.target.host,
        "policy": record.target.policy,
        "set": record.set,
        "place": record.location,
        "began": record.began.isoformat(),
        "passed": record.passed,
        "reason": record.reason,
        "level": record.level.value,
        "rto": _seconds(record.rto),
        "rpo": _seconds(record.rpo),
        "rto_promised": _seconds(policy.rto if policy else None),
        "rpo_promised": _seconds(policy.rpo if policy else None),
        "phases": dict(record.phases),
        "differences": list(record.differences),
    }


def report_data(report: DrillReport) -> dict[str, Any]:
    """The report for programs."""
    return {
        "since": report.since.isoformat(),
        "until": report.until.isoformat(),
        "good": report.good,
        "policies": [
            {
                "policy": each.policy.id,
                "targets": each.targets,
                "wanted": each.wanted,
                "rehearsed": each.rehearsed,
                "proven": each.proven,
                "kept": each.kept,
                "rto_worst": _seconds(each.slowest),
                "rpo_worst": _seconds(each.widest),
                "places": [
                    {"place": place, "drills": drills, "passed": passed}
                    for place, drills, passed in each.places
                ],
                "drills": [drill_data(one, each.policy) for one in each.drills],
            }
            for each in report.policies
        ],
        "gone": [drill_data(each, None) for each in report.gone],
    }


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()
