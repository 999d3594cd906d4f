# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of a dispatch, as events.

Every host of it gets exactly one report: a host that nobody spoke of is UNKNOWN, two that
contradict each other are UNKNOWN, and who was not asked has no say. A report of a dispatch that
is not under way (late, told twice, foreign) is none: no events.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

from storewarden.domain.rollout.events import (
    STOREWARDEN,
    Happening,
    HostReport,
    Locked,
    Report,
    Reported,
    RolloutEvent,
)
from storewarden.domain.rollout.record import Dispatch, Phase, Rollout, RolloutState, VersionLock
from storewarden.domain.rollout.tables import ACTIVE

_FIT = (Report.READY, Report.NOTHING)


def reported(
    rollout: Rollout,
    dispatch: str,
    reports: Iterable[HostReport],
    now: datetime,
    *,
    lost: bool = False,
) -> tuple[RolloutEvent, ...]:
    """The events that follow from the end of a dispatch; none for one that is not under way.

    ``lost`` when nobody knows how it ended: hosts without a report are UNKNOWN either way.
    """
    one = rollout.dispatches.get(dispatch)
    if one is None:
        return ()
    told = _one_each(one, reports)
    lock = rollout.lock or _resolved(rollout, one, told, now)
    if _resolves(rollout, one):
        told = tuple(_as_locked(report, lock) for report in told)
    events: list[Happening] = [Reported(dispatch=one.id, phase=one.phase, reports=told, lost=lost)]
    if lock is not None and rollout.lock is None:
        events.append(Locked(lock=lock))
    return tuple(
        RolloutEvent(number=rollout.number, at=now, by=STOREWARDEN, what=what) for what in events
    )


def lock_digest(data: Mapping[str, object]) -> str:
    """The digest of a lock: over its JSON with sorted keys, so that order says nothing."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.encode()).hexdigest()


def _one_each(one: Dispatch, reports: Iterable[HostReport]) -> tuple[HostReport, ...]:
    found: dict[str, HostReport] = {}
    for report in reports:
        earlier = found.get(report.host)
        differs = earlier is not None and earlier.report is not report.report
        contradiction = _unknown(report.host, "told two different ends", "报告相互矛盾")
        found[report.host] = contradiction if differs else report
    return tuple(
        found.get(host) or _unknown(host, "its run ended without a word", "运行结束但无结果")
        for host in one.hosts
    )


def _unknown(host: str, reason: str, reason_zh: str) -> HostReport:
    return HostReport(host=host, report=Report.UNKNOWN, reason=reason, reason_zh=reason_zh)


def _lock_of(report: HostReport) -> Mapping[str, object] | None:
    """What a host resolved; None for nothing."""
    lock = report.detail.get("lock")
    return lock if isinstance(lock, Mapping) and lock else None


def _resolves(rollout: Rollout, one: Dispatch) -> bool:
    """Whether versions matter: nothing is changed any more by one that goes back."""
    forward = rollout.state in ACTIVE or rollout.state is RolloutState.COMPLETED_WITH_STRAGGLERS
    return rollout.spec.locks and one.phase is Phase.PREFLIGHT and forward


def _resolved(
    rollout: Rollout, one: Dispatch, told: tuple[HostReport, ...], now: datetime
) -> VersionLock | None:
    if not _resolves(rollout, one):
        return None
    for report in told:
        data = _lock_of(report)
        if data is not None and report.report in _FIT:
            return VersionLock(digest=lock_digest(data), data=data, host=report.host, at=now)
    return None


def _as_locked(report: HostReport, lock: VersionLock | None) -> HostReport:
    """The report, or a refusal where a host would get other bits than the canary (I5)."""
    data = _lock_of(report)
    if report.report is not Report.READY:
        return report
    if lock is None:
        return replace(
            report,
            report=Report.REFUSED,
            reason="it resolved no versions, and the canary has to",
            reason_zh="未能解析版本，而金丝雀主机必须先解析",
        )
    if data is None or lock_digest(data) == lock.digest:
        return report
    return replace(
        report,
        report=Report.REFUSED,
        reason=f"it would get other versions than {lock.host}",
        reason_zh=f"将安装的版本与 {lock.host} 不同",
    )
