# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts say at the end of a repair, as ends that decisions may lean on.

Hosts are not trusted, and a run may end in its middle: a word that no role says, or no word at
all, is UNKNOWN with the reason, never a success.
"""

from __future__ import annotations

from collections.abc import Mapping

from storewarden.domain.errors import AdapterError
from storewarden.domain.healing.aftermath import TRIED
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


def _fits(detail: Mapping[str, object]) -> bool:
    """Whether the journal can keep it: hosts report what is no JSON, like NaN."""
    try:
        return len(canonical(detail)) <= _LARGEST
    except AdapterError:
        return False


def _end(name: str, found: HostResult | None, result: RunResult) -> HostEnd:
    if found is None:
        reason, reason_zh = (one_line(result.error), "") if result.error else _SILENT
        return HostEnd(host=name, end=End.UNKNOWN, reason=reason, reason_zh=reason_zh)
    part = found.report.get(PART)
    if isinstance(part, Mapping) and part.get("end") in set(SAID):
        return _said(name, part)
    message = plain(found.message) or one_line(result.error)
    if found.status is HostStatus.UNREACHABLE:
        en, zh = (message, "") if message else _NO_CONNECTION
        return HostEnd(host=name, end=End.UNREACHABLE, reason=en, reason_zh=zh)
    if found.status is HostStatus.SKIPPED:
        return _unbegun(name, message)
    if message:
        return HostEnd(host=name, end=End.UNKNOWN, reason=message)
    en, zh = _MIDDLE
    return HostEnd(host=name, end=End.UNKNOWN, reason=en, reason_zh=zh)


_BUSY = "busy: "  # how the runner begins the message of a host that somebody else holds
_SILENT = ("the run says nothing of this host", "运行结果中没有该主机")
_MIDDLE = ("the run ended in the middle", "运行中途结束")
_NO_TASK = ("no task ran there", "未在该主机上执行任何任务")
_NO_CONNECTION = ("no connection", "无法连接")


def _unbegun(name: str, message: str) -> HostEnd:
    """A host that somebody else held had no try; one that the run never came to had one."""
    if message.startswith(_BUSY):
        zh = f"被占用：{message.removeprefix(_BUSY)}"
        return HostEnd(host=name, end=End.NOT_BEGUN, reason=message, reason_zh=zh)
    en, zh = (message, "") if message else _NO_TASK
    tried = {TRIED: True}
    return HostEnd(host=name, end=End.NOT_BEGUN, reason=en, reason_zh=zh, detail=tried)


def _said(name: str, part: Mapping[str, object]) -> HostEnd:
    detail = {key: value for key, value in part.items() if key not in _NOT_KEPT}
    if not _fits(detail):
        detail = {"steps": [], "left_out": "the journal cannot keep the report"}
    return HostEnd(
        host=name,
        end=End(str(part["end"])),
        reason=one_line(str(part.get("reason") or "")),
        reason_zh=one_line(str(part.get("reason_zh") or "")),
        detail=detail,
    )
