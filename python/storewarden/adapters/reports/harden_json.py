# SPDX-License-Identifier: GPL-3.0-or-later
"""A hardening as JSON for programs. ``schema`` changes when a key changes its meaning."""

from __future__ import annotations

import json

from storewarden.domain.baseline.harden import ControlFix, GroupFix, HostFix
from storewarden.domain.baseline.harden_choice import Choice
from storewarden.domain.baseline.score import percent
from storewarden.ports.harden import Deed, HardenReport
from storewarden.ports.reports import AuditReport, Page

SCHEMA = "storewarden-harden-1"


def render(report: HardenReport, _page: Page) -> str:
    """The document."""
    return json.dumps(document(report), ensure_ascii=False, indent=2) + "\n"


def document(report: HardenReport) -> dict[str, object]:
    """The same as data."""
    found = report.conclusion
    return {
        "schema": SCHEMA,
        "deed": report.deed.value,
        "change": report.change,
        "state": report.state,
        "outcome": report.outcome,
        "session": report.session,
        "at": report.at.isoformat(),
        "ended": report.ended.isoformat() if report.ended else None,
        "by": report.by,
        "max_risk": report.max_risk.value,
        "interrupted": report.interrupted,
        "troubles": list(report.troubles),
        "needs_seconds": report.needs.total_seconds() if report.needs else None,
        "score": {
            "before": _score(report.before),
            "after": _score(report.after),
            "expected": percent(report.expected) if report.expected is not None else None,
        },
        "audits": {"before": _audit(report.before), "after": _audit(report.after)},
        "counts": {
            "well": len(found.well),
            "missed": len(found.missed),
            "untouched": len(found.untouched),
            "open": len(found.open),
        },
        "left": list(found.left),
        "left_over": list(report.left_over),
        "compared_with": report.earlier,
        "differences": [
            {
                "host": each.host,
                "control": each.control,
                "before": each.before.value,
                "now": each.now.value,
                "value_before": each.value_before,
                "value_now": each.value_now,
            }
            for each in report.differences
        ],
        "hosts": [host_data(host, report) for host in report.hosts],
    }


def host_data(host: HostFix, report: HardenReport | None = None) -> dict[str, object]:
    """One host: where it stands, its groups, and (of a plan) what is done about each control."""
    back = report is not None and report.deed is Deed.UNDO
    data: dict[str, object] = {
        "host": host.host,
        "state": host.state.value,
        "stands": host.standing(back=back).value,
        "message": host.message,
        "still_failing": list(host.still),
        "groups": [_group(group) for group in host.groups],
    }
    if report is not None and host.host in report.choices:
        data["controls"] = [_choice(choice) for choice in report.choices[host.host]]
    return data


def _group(group: GroupFix) -> dict[str, object]:
    return {
        "group": group.group,
        "outcome": group.outcome.value,
        "restore_point": group.restore_point,
        "reason": dict(group.reason),
        "restored_after": group.restored_after,
        "ms": group.milliseconds,
        "controls": [_control(each) for each in group.controls],
    }


def _control(fix: ControlFix) -> dict[str, object]:
    return {
        "id": fix.control,
        "risk": fix.risk,
        "changes": [
            {"what": each.what, "before": each.before, "after": each.after} for each in fix.changes
        ],
        "reloads": list(fix.reloads),
        "restarts": list(fix.restarts),
        "lockout": dict(fix.lockout),
        "problem": dict(fix.problem),
    }


def _choice(choice: Choice) -> dict[str, object]:
    return {
        "id": choice.control.id,
        "verdict": choice.finding.verdict.value,
        "value": choice.finding.value,
        "why": choice.why.value,
        "risk": choice.control.risk.value,
        "group": choice.control.fix_group,
        "waived_until": choice.until.isoformat() if choice.until else None,
    }


def _score(report: AuditReport | None) -> str | None:
    if report is None or report.scores.fleet.score.effective is None:
        return None
    return percent(report.scores.fleet.score.effective)


def _audit(report: AuditReport | None) -> str | None:
    return report.audit.id if report is not None else None
