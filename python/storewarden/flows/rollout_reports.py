# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts say at the end of a phase, as reports that decisions may lean on.

Hosts are not trusted. A word that the phase cannot have said, a restore point of somebody else, a
report that makes no sense, or no word at all becomes UNKNOWN with the reason, so that a probe
decides; never a success, and never a traceback. What the run itself says (no connection, ended in
the middle) outranks what the host had said before.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from storewarden.domain.errors import StorewardenError
from storewarden.domain.rollout.events import HostReport, Report
from storewarden.domain.rollout.record import Dispatch, Phase
from storewarden.flows.audit_findings import one_line, plain
from storewarden.ports.journal import canonical
from storewarden.ports.runner import HostResult, HostStatus, RunOutcome, RunResult

PART = "payload"
"""The key of a role's report under which a phase's end stands."""

SAID: Mapping[Phase, frozenset[Report]] = {
    Phase.PREFLIGHT: frozenset({Report.READY, Report.NOTHING, Report.REFUSED, Report.FAILED}),
    Phase.APPLY: frozenset(
        {Report.APPLIED, Report.REFUSED, Report.RESTORED, Report.RESIDUE, Report.FAILED}
    ),
    Phase.JUDGE: frozenset(
        {Report.VERIFIED, Report.RESTORED, Report.RESIDUE, Report.REFUSED, Report.FAILED}
    ),
    Phase.UNDO: frozenset(
        {Report.RESTORED, Report.NOTHING, Report.RESIDUE, Report.REFUSED, Report.FAILED}
    ),
    Phase.PROBE: frozenset(
        {
            Report.BUSY,
            Report.ARMED,
            Report.CONFIRMED,
            Report.RESTORED,
            Report.RESIDUE,
            Report.UNTOUCHED,
            Report.FAILED,
        }
    ),
}
"""What a host may say at the end of which phase."""

_LARGEST = 8 << 10  # bytes of detail in the journal, per host
_LOCK = "lock"
_LARGEST_LOCK = 256 << 10  # bytes of it; a host's packages with their digests are some tens of kB
_BUSY = "busy: "  # how the runner begins the message of a host that somebody else holds


def reports_of(
    dispatch: Dispatch, result: RunResult, expected: Mapping[str, str]
) -> tuple[HostReport, ...]:
    """One report for every host of the dispatch.

    ``expected`` maps hosts to the restore point that they may name ("" for any of the rollout).
    """
    return tuple(
        _report(dispatch, result.hosts.get(name), name, expected.get(name, ""), result)
        for name in dispatch.hosts
    )


def unknown(dispatch: Dispatch, reason: str, reason_zh: str = "") -> tuple[HostReport, ...]:
    """Nobody knows what became of any of its hosts."""
    return tuple(
        HostReport(host=name, report=Report.UNKNOWN, reason=reason, reason_zh=reason_zh)
        for name in dispatch.hosts
    )


def not_begun(dispatch: Dispatch, reason: str, reason_zh: str) -> tuple[HostReport, ...]:
    """Its run was never started, and never will be: nothing was asked of any of its hosts."""
    return tuple(
        HostReport(
            host=name,
            report=Report.NOT_BEGUN,
            reason=f"not begun: {reason}",
            reason_zh=f"未开始：{reason_zh}",
        )
        for name in dispatch.hosts
    )


def _report(
    dispatch: Dispatch, found: HostResult | None, name: str, point: str, result: RunResult
) -> HostReport:
    if found is None:
        return _unknown(name, "the run says nothing of this host", "运行结果中没有该主机")
    if found.status is HostStatus.UNREACHABLE:
        reason = plain(found.message) or "no connection"
        return HostReport(host=name, report=Report.UNREACHABLE, reason=reason)
    if found.status in (HostStatus.UNKNOWN, HostStatus.SKIPPED):
        return _unrun(dispatch, found, result)
    part = found.report.get(PART)
    if not isinstance(part, Mapping):
        return _wordless(found, result)
    return _said(dispatch, found, part, point)


def _unrun(dispatch: Dispatch, found: HostResult, result: RunResult) -> HostReport:
    """It did not get to its end there; a host that somebody else holds is told as busy."""
    message = plain(found.message) or one_line(result.error) or "the run ended in the middle"
    if dispatch.phase is Phase.PROBE and found.message.startswith(_BUSY):
        return HostReport(host=found.host, report=Report.BUSY, reason=message)
    return _unknown(found.host, message, "")


def _wordless(found: HostResult, result: RunResult) -> HostReport:
    """It ended and said nothing of the payload. What failed may have changed something."""
    message = plain(found.message) or one_line(result.error)
    if found.status is HostStatus.FAILED and result.outcome is RunOutcome.COMPLETED:
        where = f"{found.task}: " if found.task else ""
        reason = one_line(f"{where}{message or 'the play failed without a word'}")
        return HostReport(host=found.host, report=Report.FAILED, reason=reason)
    said = message or "the play ended without a word from the payload"
    return _unknown(found.host, said, "" if message else "运行结束，但没有返回载荷结果")


def _said(
    dispatch: Dispatch, found: HostResult, part: Mapping[object, object], point: str
) -> HostReport:
    word, phase = part.get("report"), part.get("phase")
    allowed = {each.value: each for each in SAID[dispatch.phase]}
    if phase != dispatch.phase.value:
        return _nonsense(found.host, f"the host speaks of the phase {phase!r}")
    if not isinstance(word, str) or word not in allowed:
        return _nonsense(found.host, f"the host answered {word!r}, which means nothing here")
    named = part.get("restore_point") or ""
    if not isinstance(named, str) or (point and named and named != point):
        return _nonsense(found.host, f"the host names the restore point {named!r}, not {point}")
    reason, reason_zh = _texts(part.get("reason"))
    return HostReport(
        host=found.host,
        report=allowed[word],
        reason=reason,
        reason_zh=reason_zh,
        restore_point=one_line(named) or (point if dispatch.phase is Phase.PREFLIGHT else ""),
        seconds=_seconds(part.get("seconds")),
        detail=_detail(part.get("detail")),
    )


def _nonsense(host: str, reason: str) -> HostReport:
    return _unknown(host, one_line(reason), "主机返回的内容无法识别")


def _unknown(host: str, reason: str, reason_zh: str) -> HostReport:
    return HostReport(host=host, report=Report.UNKNOWN, reason=reason, reason_zh=reason_zh)


def _texts(raw: object) -> tuple[str, str]:
    if isinstance(raw, Mapping):
        return one_line(str(raw.get("en") or "")), one_line(str(raw.get("zh") or ""))
    return (one_line(str(raw)), "") if raw else ("", "")


def _seconds(raw: object) -> float | None:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        return None
    return float(raw) if raw >= 0 else None


def _detail(raw: object) -> dict[str, object]:
    """The detail as the journal takes it. The version lock is kept whole (all waves install by
    it) or not at all; what is too large else is left out and named."""
    if not isinstance(raw, Mapping):
        return {}
    kept: dict[str, object] = {}
    left, room = [], _LARGEST
    for key, value in raw.items():
        size = _size(value)
        name = one_line(str(key))
        if size is None or size > (_LARGEST_LOCK if name == _LOCK else room):
            left.append(name)
            continue
        kept[name] = value
        room -= 0 if name == _LOCK else size
    return {**kept, "left_out": left} if left else kept


def _size(value: object) -> int | None:
    """Bytes in the journal; None for what it does not take."""
    try:
        canonical(value)
        return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    except (StorewardenError, TypeError, ValueError):
        return None
