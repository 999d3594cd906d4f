# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a host reported to what the ledger keeps.

The evaluator on the host answers with plain data. Nothing of it is trusted: a
control that was not answered, a verdict that does not exist or a report that
makes no sense becomes an *error* of that control or a *failed* host, never a
pass and never a traceback.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from storewarden.domain.baseline.finding import AuditState, Finding, HostAudit, Verdict
from storewarden.domain.errors import StorewardenError
from storewarden.domain.estate.device import Device
from storewarden.ports.journal import canonical
from storewarden.ports.runner import HostResult, HostStatus

_UNANSWERED = {
    "en": "the host did not answer for this control",
    "zh": "主机没有返回该检查项的结果",
}
_UNREADABLE = {
    "en": "the host answered with a value that cannot be recorded",
    "zh": "主机返回的值无法入账",
}
_STATES = {
    HostStatus.UNREACHABLE: AuditState.UNREACHABLE,
    HostStatus.FAILED: AuditState.FAILED,
    HostStatus.UNKNOWN: AuditState.UNKNOWN,
    HostStatus.SKIPPED: AuditState.SKIPPED,
}

# What Ansible puts around the message of ssh; the state says as much.
_WRAPPING = re.compile(
    r"^(Task failed: )?(Failed to connect to the host via ssh: "
    r'|Data could not be sent to remote host "[^"]*"\. '
    r"Make sure this host can be reached over ssh: )?"
)


def audited_in(report: Mapping[str, object]) -> Mapping[str, object] | None:
    """The audit part of a role's report, when it has one: ``{bundle, controls, ms}``."""
    part = report.get("audit")
    if isinstance(part, Mapping) and isinstance(part.get("controls"), list):
        return part
    return None


def host_audit(result: HostResult, device: Device | None, wanted: Sequence[str]) -> HostAudit:
    """What is recorded of one host, whatever its run came to."""
    part = audited_in(result.report)
    if part is not None:
        return _described(result.host, device, AuditState.AUDITED, part=part, wanted=wanted)
    state = _STATES.get(result.status, AuditState.FAILED)
    message = plain(result.message) or _unsaid(result.status)
    return _described(result.host, device, state, message=message)


def _unsaid(status: HostStatus) -> str:
    if status in (HostStatus.OK, HostStatus.CHANGED):
        return "the play ended without an audit report from this host"
    return f"{status.value}, without a message"


def _described(
    host: str,
    device: Device | None,
    state: AuditState,
    *,
    part: Mapping[str, object] | None = None,
    wanted: Sequence[str] = (),
    message: str = "",
) -> HostAudit:
    return HostAudit(
        host=host,
        state=state,
        findings=findings_in(part, wanted) if part is not None else (),
        message=message,
        store=device.store if device else "",
        region=device.region if device else "",
        role=device.role if device else "",
        item=device.ci if device else "",
        bundle=str(part.get("bundle", "")) if part is not None else "",
    )


def findings_in(part: Mapping[str, object], wanted: Sequence[str]) -> tuple[Finding, ...]:
    """One finding per wanted control, in the order of ``wanted``; unasked answers are dropped."""
    rows = part.get("controls")
    rows = rows if isinstance(rows, list) else []
    answers = {str(row["id"]): row for row in rows if isinstance(row, Mapping) and row.get("id")}
    return tuple(_finding(name, answers.get(name)) for name in wanted)


def _finding(control: str, row: Mapping[str, object] | None) -> Finding:
    if row is None:
        return Finding(control=control, verdict=Verdict.ERROR, reason=_UNANSWERED)
    try:
        verdict = Verdict(row.get("verdict"))
    except ValueError:
        said = f"the host answered {row.get('verdict')!r}, which is no verdict"
        return Finding(control=control, verdict=Verdict.ERROR, reason={"en": said})
    if not _recordable(row.get("value")):
        return Finding(control=control, verdict=Verdict.ERROR, reason=_UNREADABLE)
    return Finding(
        control=control,
        verdict=verdict,
        value=row.get("value"),
        reason=_texts(row.get("reason")),
        milliseconds=_number(row.get("ms")),
    )


def _texts(reason: object) -> dict[str, str]:
    if isinstance(reason, Mapping):
        return {str(language): str(text) for language, text in reason.items()}
    return {"en": str(reason)} if reason else {}


def _recordable(value: object) -> bool:
    """Whether the ledger takes it: one NaN of one host must not keep the others out."""
    try:
        canonical(value)
    except StorewardenError:
        return False
    return True


def _number(value: object) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        return 0.0
    return float(value)


def plain(message: str) -> str:
    """An Ansible message on one line, without what Ansible puts around it."""
    return _WRAPPING.sub("", one_line(message))


def one_line(text: str, *, limit: int = 300) -> str:
    """``text`` on one line, cut to ``limit`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
