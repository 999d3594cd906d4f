# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site asks of its changes, as data; the defaults are the guide's numbers.

The code that decides knows no role, no hour and no kind of its own accord: it
looks here. A site that works differently gives another ``ApprovalRules``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta, tzinfo
from types import MappingProxyType

from storewarden.domain.change.record import Kind, Risk

BY_RISK: Mapping[Risk, tuple[str, ...]] = MappingProxyType(
    {
        Risk.LOW: ("department_head",),
        Risk.MEDIUM: ("operations_lead", "security_lead"),
        Risk.HIGH: ("operations_lead", "security_lead"),
    }
)
"""Who says yes to which risk (guide 2.5.2)."""

MAJOR_ALSO = ("business", "it")
"""Who says yes to a major change besides (guide 2.5.1)."""

SYSTEM_OWNER = "system_owner"
"""Who says yes to a minor change (guide 12.1.2)."""


def approval_table(
    by_risk: Mapping[Risk, tuple[str, ...]] = BY_RISK,
    major_also: tuple[str, ...] = MAJOR_ALSO,
    minor: tuple[str, ...] = (SYSTEM_OWNER,),
) -> Mapping[tuple[Kind, Risk], tuple[str, ...]]:
    """Kind and risk -> the roles that must all say yes; a role named twice needs two people.

    The system's owner replaces the approval by risk of a minor change only where the risk is
    low: calling something minor must not be the way round two signatures.
    """
    table = {(kind, risk): by_risk[risk] for kind in Kind for risk in Risk}
    for risk in Risk:
        table[Kind.MAJOR, risk] = (*by_risk[risk], *major_also)
        table[Kind.MINOR, risk] = minor if risk is Risk.LOW else (*minor, *by_risk[risk])
    return MappingProxyType(table)


def _hours(high: int, medium: int, low: int) -> Mapping[Risk, timedelta]:
    hours = {Risk.HIGH: high, Risk.MEDIUM: medium, Risk.LOW: low}
    return MappingProxyType({risk: timedelta(hours=count) for risk, count in hours.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRules:
    """Everything about approvals, debts and reminders that a site may set.

    ``required`` is read by ``roles``; durations count elapsed time; ``zone`` is that of the
    times in refusals.
    """

    required: Mapping[tuple[Kind, Risk], tuple[str, ...]] = field(default_factory=approval_table)
    zone: tzinfo = UTC
    validity: timedelta = timedelta(days=7)
    """How long an approval waits for the work to begin."""
    override_longest: timedelta = timedelta(days=7)
    """How far ahead the end of a window's override may lie."""
    tested: frozenset[Kind] = frozenset({Kind.MAJOR, Kind.EMERGENCY})
    """Kinds that need test evidence (guide 1.3.2, 2.5.1); an emergency may bring it later."""
    outside_hours: frozenset[Kind] = frozenset({Kind.MAJOR})
    """Kinds that may not begin while a store of theirs is open (guide 2.5.1)."""
    approval_due: timedelta = timedelta(hours=24)
    """Approvals that an emergency went without (guide 2.5.1)."""
    paperwork_due: timedelta = timedelta(hours=24)
    """An emergency's paperwork (guide 2.5.1)."""
    paperwork_by_operation: Mapping[str, timedelta] = field(
        default_factory=lambda: MappingProxyType({"port-change": timedelta(hours=1)})
    )
    """Operation classes with a shorter time for it (guide 1.9.5)."""
    test_due: timedelta = timedelta(hours=48)
    """An emergency's test (guide 1.3.6)."""
    items_due: timedelta = timedelta(days=7)
    """Configuration items that a partial change left behind."""
    approval_target: Mapping[Risk, timedelta] = field(default_factory=lambda: _hours(2, 4, 4))
    """How soon a request is answered before approvers are reminded (guide 1.5.3)."""
    start_target: Mapping[Risk, timedelta] = field(default_factory=lambda: _hours(4, 24, 72))
    """How soon work begins after approval before the owner is reminded (guide 1.5.3)."""
    remind_before: timedelta = timedelta(hours=4)
    """How long before a debt is due the first reminder goes out; the second goes when it is."""
    remind_every: timedelta = timedelta(hours=24)
    """The time between all further reminders."""
    standing_longest: timedelta = timedelta(days=366)
    """How far ahead a standing change may be approved."""
    standing_grace: timedelta = timedelta(hours=1)
    """How long after its end the runs begun before it may still be recorded."""
    failing_share: float = 0.05
    """A class of changes that fails more often than this is analysed (guide 2.5)."""

    @property
    def approving(self) -> tuple[str, ...]:
        """All roles that approve any change, in the table's order; each of them may override."""
        return tuple(dict.fromkeys(role for roles in self.required.values() for role in roles))

    def roles(self, kind: Kind, risk: Risk) -> tuple[str, ...]:
        """Roles that must all say yes, each through another person."""
        return self.required[kind, risk]

    def paperwork(self, operation: str) -> timedelta:
        """How long an emergency of this operation class has for its paperwork."""
        return self.paperwork_by_operation.get(operation, self.paperwork_due)


def rule_objections(rules: ApprovalRules) -> tuple[str, ...]:
    """What makes rules unfit to decide by, one clause each; empty when they are fit."""
    cells = ((kind, risk) for kind in Kind for risk in Risk)
    found = [
        f"nobody has to approve a {kind.value} change of {risk.value} risk"
        for kind, risk in cells
        if not rules.required.get((kind, risk))
    ]
    found += [f"{name} must be longer than nothing" for name in _SPANS if _span(rules, name)]
    if rules.remind_before < timedelta(0):
        found.append("remind_before must not be negative")
    if not 0 <= rules.failing_share <= 1:
        found.append("failing_share must lie between 0 and 1")
    return tuple(found)


_SPANS = ("validity", "remind_every", "standing_longest", "override_longest")


def _span(rules: ApprovalRules, name: str) -> bool:
    value: timedelta = getattr(rules, name)
    return value <= timedelta(0)


def spoken(role: str) -> str:
    """A role's name as people write it; "it" alone would be read as a pronoun."""
    return "IT" if role == "it" else role.replace("_", " ")
