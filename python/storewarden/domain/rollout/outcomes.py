# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report makes of a host: one table of phase and report, and what it leaves on the record.

A report that its phase does not know is no answer: the host is UNKNOWN, and a probe decides. So
is one whose run was lost, or that failed: a failed task says nothing about the host. "At target"
and "restored" come from reports that looked at the host's fingerprint, and from nothing else (I2).

A run that was never started (it waited too long for a free one, or the kill switch came first)
leaves its hosts as they stood: no try, no round is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from storewarden.domain.rollout.events import HostReport, Report
from storewarden.domain.rollout.record import HostRecord, HostState, Phase, Setback, Stood

OUTCOMES: Mapping[tuple[Phase, Report], HostState] = {
    (Phase.PREFLIGHT, Report.READY): HostState.CAPTURED,
    (Phase.PREFLIGHT, Report.NOTHING): HostState.SKIPPED,
    (Phase.PREFLIGHT, Report.REFUSED): HostState.ATTENTION,
    (Phase.PREFLIGHT, Report.FAILED): HostState.PLANNED,  # nothing is changed in a preflight
    (Phase.PREFLIGHT, Report.BUSY): HostState.PLANNED,
    (Phase.PREFLIGHT, Report.UNREACHABLE): HostState.OFFLINE_UNTOUCHED,
    (Phase.PREFLIGHT, Report.NOT_BEGUN): HostState.PLANNED,  # or as it stood: see below
    (Phase.APPLY, Report.NOT_BEGUN): HostState.CAPTURED,
    (Phase.APPLY, Report.APPLIED): HostState.VERIFYING,
    (Phase.APPLY, Report.RESTORED): HostState.RESTORED,
    (Phase.APPLY, Report.RESIDUE): HostState.ATTENTION,
    (Phase.APPLY, Report.UNREACHABLE): HostState.OFFLINE_TOUCHED,
    (Phase.JUDGE, Report.VERIFIED): HostState.SOAKING,
    (Phase.JUDGE, Report.RESTORED): HostState.RESTORED,
    (Phase.JUDGE, Report.RESIDUE): HostState.ATTENTION,
    (Phase.JUDGE, Report.UNREACHABLE): HostState.OFFLINE_TOUCHED,
    (Phase.UNDO, Report.RESTORED): HostState.RESTORED,
    (Phase.UNDO, Report.NOTHING): HostState.RESTORED,  # unless it was verified: see below
    (Phase.UNDO, Report.RESIDUE): HostState.ATTENTION,
    (Phase.UNDO, Report.UNREACHABLE): HostState.OFFLINE_TOUCHED,
    (Phase.PROBE, Report.ARMED): HostState.APPLYING,  # or VERIFYING: see below
    (Phase.PROBE, Report.CONFIRMED): HostState.SOAKING,  # or VERIFYING, to be judged: see below
    (Phase.PROBE, Report.RESTORED): HostState.RESTORED,
    (Phase.PROBE, Report.UNTOUCHED): HostState.PLANNED,  # unless it was verified: see below
    (Phase.PROBE, Report.RESIDUE): HostState.ATTENTION,
    (Phase.PROBE, Report.UNREACHABLE): HostState.OFFLINE_TOUCHED,
}
"""Every other pair makes the host UNKNOWN."""

MOST_JUDGED = 3
"""Times that a host is judged, when the judgement itself was lost. Then its confirmed restore point
is believed, and gates that want to know more hold for a person."""

_CHANGING = (Phase.APPLY, Phase.JUDGE)
_HARM = (Report.FAILED, Report.RESTORED, Report.RESIDUE)  # of APPLY and JUDGE
_GONE = ("its restore point is gone", "其恢复点已不存在")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What of the rollout counts for a host: whether its wave is ``promoted`` already, whether all
    ``goes_back``, and the moment."""

    promoted: bool
    goes_back: bool
    at: datetime


def outcome(host: HostRecord, phase: Phase, report: HostReport, setting: Setting) -> HostRecord:
    """The host after the report of a phase."""
    if report.report is Report.NOT_BEGUN and (phase, report.report) in OUTCOMES:
        return _as_it_stood(host, phase, report, setting)
    state = _state(host, phase, report, setting)
    after = replace(
        host,
        state=state,
        since=setting.at,
        dispatch="",
        tries=_tries(host, state),
        stood=None,
        setback=_setback(host, phase, report.report, setting),
        reason=report.reason,
        reason_zh=report.reason_zh,
    )
    return _EFFECTS[phase](after, report, setting)


def _as_it_stood(
    host: HostRecord, phase: Phase, report: HostReport, setting: Setting
) -> HostRecord:
    """The host without the dispatch that came to nothing."""
    stood = host.stood or Stood(state=OUTCOMES[phase, report.report], since=setting.at)
    after = replace(
        host,
        state=stood.state,
        since=stood.since,
        phase=stood.phase,
        tries=stood.tries,
        dispatch="",
        stood=None,
        reason=report.reason,
        reason_zh=report.reason_zh,
    )
    if phase is not Phase.APPLY:
        return after
    rounds = max(host.rounds - 1, 0)
    return replace(after, rounds=rounds, touched=bool(host.beneath), hard_stop=None)


def _tries(host: HostRecord, state: HostState) -> int:
    """A silent host that answers, and is not fit, has its first try: calls that nobody answered
    are no preflights that failed."""
    silent = host.stood is not None and host.stood.state is HostState.OFFLINE_UNTOUCHED
    return 1 if silent and state is HostState.PLANNED else host.tries


def _state(host: HostRecord, phase: Phase, report: HostReport, setting: Setting) -> HostState:
    state = OUTCOMES.get((phase, report.report), HostState.UNKNOWN)
    if state is HostState.CAPTURED and not report.restore_point:
        return HostState.PLANNED  # I3: nothing is changed without a restore point
    if report.report in (Report.UNTOUCHED, Report.NOTHING) and host.verified is not None:
        return HostState.ATTENTION  # it was changed, and nothing there can take it back
    if phase is Phase.PROBE:
        state = _probed(host, report, state, goes_back=setting.goes_back)
    if state is HostState.SOAKING and setting.promoted:
        return HostState.AT_TARGET
    return state


def _probed(
    host: HostRecord, report: HostReport, state: HostState, *, goes_back: bool
) -> HostState:
    if report.report is Report.CONFIRMED and host.verified is None and not goes_back:
        # Its judge's words were lost with its run, and gates live on them: it is asked again.
        return HostState.VERIFYING if host.judged < MOST_JUDGED else state
    whole = host.applied or report.detail.get("applied") is True
    if report.report is Report.ARMED and whole:
        return HostState.VERIFYING
    if report.report is Report.UNREACHABLE and not host.touched:
        return HostState.OFFLINE_UNTOUCHED
    return state


def _setback(host: HostRecord, phase: Phase, report: Report, setting: Setting) -> Setback:
    if phase in _CHANGING:
        if report in _HARM:
            return Setback.FAILED
        known = (phase, report) in OUTCOMES
        return host.setback if known or host.setback is not Setback.NONE else Setback.LOST
    if phase is Phase.PROBE and host.setback is Setback.NONE and not setting.goes_back:
        # Nobody took it back but the host itself: its line was cut, maybe by the change.
        saved_itself = report is Report.RESTORED and host.touched
        return Setback.FAILED if saved_itself or report is Report.RESIDUE else Setback.NONE
    return host.setback


def _preflight(host: HostRecord, report: HostReport, _setting: Setting) -> HostRecord:
    if host.state is HostState.ATTENTION:
        return _owing(host, "was refused before anything was changed", "变更前即被拒绝")
    if host.state is HostState.CAPTURED:
        return replace(host, restore_point=report.restore_point)
    return host


def _apply(host: HostRecord, report: HostReport, setting: Setting) -> HostRecord:
    if host.state is HostState.VERIFYING:
        return replace(host, applied=True, seconds=report.seconds)
    return _ended(host, report, setting)


def _judge(host: HostRecord, report: HostReport, setting: Setting) -> HostRecord:
    if host.state in (HostState.SOAKING, HostState.AT_TARGET):
        return _confirmed(host, setting)
    return _ended(host, report, setting)


def _undo(host: HostRecord, report: HostReport, setting: Setting) -> HostRecord:
    if host.state is HostState.RESTORED:  # every pack of its was asked for
        host = replace(host, undo_seconds=report.seconds, beneath=())
    return _ended(host, report, setting)


def _probe(host: HostRecord, report: HostReport, setting: Setting) -> HostRecord:
    if host.state in (HostState.SOAKING, HostState.AT_TARGET):
        return _confirmed(host, setting)
    if host.state is HostState.PLANNED:
        clean = replace(host, touched=bool(host.beneath), applied=False, restore_point="")
        return replace(clean, setback=_forgiven(clean.setback), debt="", debt_zh="")
    if host.state is HostState.VERIFYING:
        return replace(host, applied=True)
    return _ended(host, report, setting)


_EFFECTS = {
    Phase.PREFLIGHT: _preflight,
    Phase.APPLY: _apply,
    Phase.JUDGE: _judge,
    Phase.UNDO: _undo,
    Phase.PROBE: _probe,
}


def _confirmed(host: HostRecord, setting: Setting) -> HostRecord:
    return replace(
        host,
        applied=True,
        verified=host.verified or setting.at,
        setback=_forgiven(host.setback),
        debt=host.debt if setting.goes_back else "",
        debt_zh=host.debt_zh if setting.goes_back else "",
    )


def _ended(host: HostRecord, report: HostReport, setting: Setting) -> HostRecord:
    if host.state is HostState.RESTORED:
        return replace(
            host,
            touched=bool(host.beneath),
            applied=False,
            verified=None,
            restored_at=setting.at,
            debt="",
            debt_zh="",
        )
    if host.state is HostState.ATTENTION:
        gone = report.report in (Report.UNTOUCHED, Report.NOTHING)
        left = _GONE if gone else ("something could not be put back", "有内容未能恢复")
        return _owing(host, *left)
    return host


def _owing(host: HostRecord, debt: str, debt_zh: str) -> HostRecord:
    tail = f": {host.reason}" if host.reason else ""
    tail_zh = f"：{host.reason_zh or host.reason}" if tail else ""
    return replace(host, debt=f"{debt}{tail}", debt_zh=f"{debt_zh}{tail_zh}")


def _forgiven(setback: Setback) -> Setback:
    """A lost run is forgotten once the host is known; a failure is not."""
    return setback if setback is Setback.FAILED else Setback.NONE
