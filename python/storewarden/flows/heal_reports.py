# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts say at the end of a repair, as ends that decisions may lean on.

Hosts are not trusted, and a run may end in its middle: a word that no role says, or no word at
all, is UNKNOWN with the reason, never a success.
"""

from __future__ import annotations

from collections.abc import Mapping

from storewarden.domain.healing.record import End, HostEnd, Repair
from storewarden.flows.audit_findings import one_line, plain
from storewarden.ports.journal import canonical
from storewarden.ports.runner import HostResult, HostStatus, RunResult

PART = "heal"
"""The key of a role's report under which a repair's end stands."""

SAID = frozenset({End.REPAIRED, End.HEALTHY, End.LOOKED, End.ESCALATE, End.NOT_WELL, End.FAILED})
"""What a role may say."""

_LARGEST = 8 << 10  # bytes of detail in the journal, per host
_NOT_KEPT = frozenset({"evidence", "end", "reason", "reason_zh", "action", "run"})


def ends_of(repair: Repair, result: RunResult) -> tuple[HostEnd, ...]:
    """One end for every host of the repair."""
    return tuple(_end(name, result.hosts.get(name), result) for name in repair.hosts)


def all_end(repair: Repair, end: End, reason: str, reason_zh: str) -> tuple[HostEnd, ...]:
    """The same end for each of its hosts."""
    return tuple(
        HostEnd(host=name, end=end, reason=reason, reason_zh=reason_zh) for name in repair.hosts
    )


def _end(name: str, found: HostResult | None, result: RunResult) -> HostEnd:
    if found is None:
        reason = one_line(result.error) or "the run says nothing of this host"
        return HostEnd(host=name, end=End.UNKNOWN, reason=reason)
    part = found.report.get(PART)
    if isinstance(part, Mapping) and part.get("end") in set(SAID):
        return _said(name, part)
    message = plain(found.message) or one_line(result.error)
    if found.status is HostStatus.UNREACHABLE:
        return HostEnd(host=name, end=End.UNREACHABLE, reason=message or "no connection")
    if found.status is HostStatus.SKIPPED:
        return HostEnd(host=name, end=End.NOT_BEGUN, reason=message or "no task ran there")
    return HostEnd(host=name, end=End.UNKNOWN, reason=message or "the run ended in the middle")


def _said(name: str, part: Mapping[str, object]) -> HostEnd:
    detail = {key: value for key, value in part.items() if key not in _NOT_KEPT}
    if len(canonical(detail)) > _LARGEST:
        detail = {"steps": [], "left_out": "the report is too large for the journal"}
    return HostEnd(
        host=name,
        end=End(str(part["end"])),
        reason=one_line(str(part.get("reason") or "")),
        reason_zh=one_line(str(part.get("reason_zh") or "")),
        detail=detail,
    )
