# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts report of restore points that were taken back on request.

A restore point's name ends with its apply group and eight letters of chance; a group that was
fixed more than once has several. What came of the group is the worst of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from storewarden.domain.baseline.harden import GroupFix, GroupOutcome, HostFix, HostState
from storewarden.flows.harden_collect import Manner
from storewarden.flows.harden_data import group_of, host_with
from storewarden.ports.runner import HostResult, HostStatus

PART = "undo"
"""The key of a role's report: ``{owner, restore_points: [{id, outcome, residue, reason?}]}``."""

_GROUP = re.compile(r"-([a-z_]+)-[0-9a-f]{8}$")
_WORST_FIRST = (
    GroupOutcome.LOST,
    GroupOutcome.RESIDUE,
    GroupOutcome.FAILED,
    GroupOutcome.REFUSED,
    GroupOutcome.RESTORED,
)


def undone_groups(report: Mapping[str, object]) -> tuple[GroupFix, ...]:
    """The groups that were taken back (or not), in the order in which they were."""
    part = report.get(PART)
    rows = part.get("restore_points") if isinstance(part, Mapping) else None
    found: dict[str, GroupFix] = {}
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, Mapping):
            group = _group(row)
            found[group.group] = _worse(found.get(group.group), group)
    return tuple(found.values())


def undone_host(result: HostResult) -> HostFix:
    """One host at the end."""
    groups = undone_groups(result.report)
    told = isinstance(result.report.get(PART), Mapping)
    if told and not groups and result.status in (HostStatus.OK, HostStatus.CHANGED):
        return HostFix(host=result.host, state=HostState.NOTHING)
    return host_with(result, groups, told=told)


def _group(row: Mapping[str, object]) -> GroupFix:
    point = str(row.get("id") or "")
    named = _GROUP.search(point)
    return group_of(named[1] if named else point, {**row, "restore_point": point})


def _worse(known: GroupFix | None, group: GroupFix) -> GroupFix:
    if known is None:
        return group
    return min((known, group), key=_badness)


def _badness(group: GroupFix) -> int:
    worst = _WORST_FIRST
    return worst.index(group.outcome) if group.outcome in worst else len(worst)


UNDO_MANNER = Manner(groups=undone_groups, host=undone_host, back=True)
