# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts report of fixes, as records; and these records as JSON data of the journal and back.

Hosts are not trusted: what makes no sense becomes a group that failed and says so, never a
traceback, and never a group that is taken for fixed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from storewarden.domain.baseline.harden import (
    ControlFix,
    FixChange,
    GroupFix,
    GroupOutcome,
    HostFix,
    HostState,
)
from storewarden.domain.errors import StorewardenError
from storewarden.flows.audit_findings import one_line, plain
from storewarden.ports.journal import canonical
from storewarden.ports.runner import HostResult, HostStatus

PART = "harden"
"""The key of a role's report under which groups stand: ``{group: {outcome, ...}}``."""

_STATES = {
    HostStatus.OK: HostState.ANSWERED,
    HostStatus.CHANGED: HostState.ANSWERED,
    HostStatus.UNREACHABLE: HostState.UNREACHABLE,
    HostStatus.FAILED: HostState.FAILED,
    HostStatus.UNKNOWN: HostState.UNKNOWN,
    HostStatus.SKIPPED: HostState.SKIPPED,
}
_FINE = (GroupOutcome.FIXED, GroupOutcome.UNCHANGED, GroupOutcome.PLANNED)
_SILENT = "the play ended without a word from the fix module"
_MOST = 200  # changes of one control; the rest is on the host


def groups_in(report: Mapping[str, object]) -> tuple[GroupFix, ...]:
    """The apply groups in a role's report, in its order; those without a control are no news."""
    part = report.get(PART)
    if not isinstance(part, Mapping):
        return ()
    found = (group_of(str(name), raw) for name, raw in part.items())
    return tuple(
        group for group in found if group.controls or group.outcome is not GroupOutcome.UNCHANGED
    )


def host_of(result: HostResult) -> HostFix:
    """One host at the end of its run."""
    told = isinstance(result.report.get(PART), Mapping)
    return host_with(result, groups_in(result.report), told=told)


def host_with(result: HostResult, groups: tuple[GroupFix, ...], *, told: bool) -> HostFix:
    """One host with its groups; ``told`` is whether the module reported at all."""
    state, message = _STATES[result.status], plain(result.message)
    if state is HostState.ANSWERED and not told:
        return HostFix(host=result.host, state=HostState.FAILED, message=_SILENT)
    if state is HostState.FAILED and groups and not _loose(groups):
        state = HostState.ANSWERED  # a play that ends a host as failed has told why in a group
    return HostFix(host=result.host, state=state, groups=groups, message=message)


def _loose(groups: tuple[GroupFix, ...]) -> bool:
    """Whether nothing in the groups explains that the play failed."""
    return all(group.outcome in _FINE for group in groups)


def group_of(name: str, raw: object) -> GroupFix:
    """One group as a host (or the journal) tells it."""
    row: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
    try:
        outcome = GroupOutcome(row.get("outcome"))
    except ValueError:
        said = one_line(f"the host answered {row.get('outcome')!r}, which is no outcome")
        return GroupFix(group=name, outcome=GroupOutcome.LOST, reason={"en": said})
    controls = row.get("controls")
    return GroupFix(
        group=name,
        outcome=GroupOutcome.RESIDUE if row.get("residue") else outcome,
        restore_point=one_line(str(row.get("restore_point") or "")),
        reason=_with_residue(_texts(row.get("reason")), row.get("residue")),
        controls=tuple(
            _control(each)
            for each in (controls if isinstance(controls, list) else ())
            if isinstance(each, Mapping)
        ),
        restored_after=_seconds(row.get("restored_after")),
        milliseconds=_seconds(row.get("ms")) or 0.0,
    )


def _with_residue(reason: dict[str, str], residue: object) -> dict[str, str]:
    """The reason with what an undo could not put back."""
    if not isinstance(residue, list) or not residue:
        return reason
    names = [str(row.get("item")) if isinstance(row, Mapping) else str(row) for row in residue]
    left = one_line(", ".join(names))
    texts = {"en": f"left over: {left}", "zh": f"未能恢复：{left}"}
    return {key: f"{reason[key]}; {text}" if key in reason else text for key, text in texts.items()}


def group_body(group: GroupFix) -> dict[str, object]:
    """The same as JSON data; empty parts are left out."""
    body: dict[str, object] = {
        "outcome": group.outcome.value,
        "restore_point": group.restore_point,
        "reason": dict(group.reason),
        "controls": [_control_body(each) for each in group.controls],
        "restored_after": group.restored_after,
        "ms": group.milliseconds,
    }
    return {key: value for key, value in body.items() if value not in ("", None, {}, [])}


def _control(raw: Mapping[str, Any]) -> ControlFix:
    rows = raw.get("changes")
    return ControlFix(
        control=one_line(str(raw.get("id") or "")),
        risk=one_line(str(raw.get("risk") or "")),
        changes=tuple(_change(row) for row in (rows if isinstance(rows, list) else ())[:_MOST]),
        reloads=_names(raw.get("reloads")),
        restarts=_names(raw.get("restarts")),
        lockout=_texts(raw.get("lockout")),
        problem=_texts(raw.get("problem")),
    )


def _change(raw: object) -> FixChange:
    if isinstance(raw, list | tuple) and len(raw) == 3:  # a NamedTuple travels as a list
        raw = dict(zip(("what", "before", "after"), raw, strict=True))
    if not isinstance(raw, Mapping):
        return FixChange(what=one_line(str(raw)))
    what = one_line(str(raw.get("what") or ""))
    return FixChange(
        what=what, before=_recordable(raw.get("before")), after=_recordable(raw.get("after"))
    )


def _control_body(control: ControlFix) -> dict[str, object]:
    body: dict[str, object] = {
        "id": control.control,
        "risk": control.risk,
        "changes": [
            {"what": each.what, "before": each.before, "after": each.after}
            for each in control.changes
        ],
        "reloads": list(control.reloads),
        "restarts": list(control.restarts),
        "lockout": dict(control.lockout),
        "problem": dict(control.problem),
    }
    return {key: value for key, value in body.items() if value not in ("", {}, [])}


def _names(raw: object) -> tuple[str, ...]:
    rows = raw if isinstance(raw, list | tuple) else [raw] if isinstance(raw, str) else []
    return tuple(one_line(str(row)) for row in rows)


def _texts(raw: object) -> dict[str, str]:
    if isinstance(raw, Mapping):
        return {str(language): one_line(str(text)) for language, text in raw.items()}
    return {"en": one_line(str(raw))} if raw else {}


def _seconds(raw: object) -> float | None:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        return None
    return float(raw)


def _recordable(value: object) -> object:
    """The value when the journal takes it; one NaN of one host must not keep the others out."""
    try:
        canonical(value)
    except StorewardenError:
        return one_line(repr(value))
    return value
