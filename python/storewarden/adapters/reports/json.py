# SPDX-License-Identifier: GPL-3.0-or-later
"""The report for programs: everything, in the fields of ``docs/operators/audit.md``.

``schema`` is 1 until a field is removed or changes its meaning; new fields may
come at any time. Scores are percentages with at most four decimals, or null when
nothing was judged; moments are ISO 8601 in UTC; verdict words are never translated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction

from storewarden.adapters.reports.advice import advice_for
from storewarden.adapters.reports.catalogue import words
from storewarden.adapters.reports.remarks import remarks_of
from storewarden.adapters.reports.view import by_kind, kind_of
from storewarden.domain.baseline.control import Control
from storewarden.domain.baseline.drift import Drift
from storewarden.domain.baseline.finding import AuditState, Finding, HostAudit
from storewarden.domain.baseline.score import ControlScore, GroupScore, HostScore, Score
from storewarden.domain.baseline.waiver import Waiver
from storewarden.ports.reports import AuditReport, Page

SCHEMA = 1


def render(report: AuditReport, page: Page) -> str:
    """The document; with ``drift_only`` the audit's own facts and its drift."""
    data = _facts(report) | _compared(report)
    if not page.drift_only:
        data |= _body(report, words(page.language))
    return json.dumps(data, ensure_ascii=False, indent=1, default=str) + "\n"


def _facts(report: AuditReport) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "audit": {
            "id": report.audit.id,
            "started": _moment(report.audit.at),
            "ended": _moment(report.ended),
            "outcome": "interrupted" if report.interrupted else "completed",
            "unrecorded": str(report.unrecorded) if report.unrecorded else None,
            "content": report.audit.content,
            "scope": report.scope,
            "limit": report.limit or None,
            "selected": report.selected,
            "by": report.by,
            "version": report.version,
        },
        "bar": _percent(report.bar),
        "below": report.below,
        "fleet": _group(report.scores.fleet),
    }


def _compared(report: AuditReport) -> dict[str, object]:
    return {"first": report.first, "drift": [_drift(drift) for drift in report.drift]}


def _body(report: AuditReport, texts: Mapping[str, str]) -> dict[str, object]:
    scores = {score.host: score for score in report.scores.hosts}
    totals = {score.control: score for score in report.scores.controls}
    return {
        "controls": [_control(control, totals.get(control.id)) for control in report.controls],
        "stores": [_group(store) | {"store": store.name} for store in report.scores.stores],
        "hosts": [_host(report, host, scores[host.host], texts) for host in report.audit.hosts],
        "waivers": [_waiver(waiver) for waiver in report.waivers.waivers],
        "warnings": list(remarks_of(report, texts)),
    }


def _score(score: Score) -> dict[str, object]:
    return {
        "effective": _percent(score.effective),
        "raw": _percent(score.raw),
        "counts": by_kind(score.counts),
    }


def _group(group: GroupScore) -> dict[str, object]:
    return {
        "registered": group.registered,
        "audited": group.audited,
        "compliant": group.compliant,
        "rate": _percent(group.rate),
        **_score(group.score),
    }


def _control(control: Control, total: ControlScore | None) -> dict[str, object]:
    return {
        "id": control.id,
        "title": dict(control.title),
        "severity": control.severity.value,
        "risk": control.risk.value,
        "guide": {"section": control.guide_section, "mark": control.guide_mark.value},
        "references": {name: list(ids) for name, ids in control.references.items()},
        "scanners": {name: list(ids) for name, ids in control.scanners.items()},
        "counts": by_kind(total.score.counts) if total else None,
        "failing": list(total.failing) if total else [],
    }


def _host(
    report: AuditReport, host: HostAudit, score: HostScore, texts: Mapping[str, str]
) -> dict[str, object]:
    audited = host.state is AuditState.AUDITED
    return {
        "host": host.host,
        "state": host.state.value,
        "message": host.message or None,
        "advice": None if audited else texts[f"advice_{advice_for(host)}"],
        "store": host.store,
        "region": host.region,
        "role": host.role,
        "item": host.item,
        "bundle": host.bundle,
        "compliant": score.compliant,
        "open_high": list(score.open_high),
        **(_score(score.score) if audited else {}),
        "findings": [_finding(report, host.host, finding) for finding in host.findings],
    }


def _finding(report: AuditReport, host: str, finding: Finding) -> dict[str, object]:
    kind, waiver = kind_of(report, host, finding)
    return {
        "control": finding.control,
        "verdict": finding.verdict.value,
        "waived": waiver.ticket if waiver and kind == "waived" else None,
        "value": finding.value,
        "reason": dict(finding.reason),
        "ms": round(finding.milliseconds, 3),
    }


def _drift(drift: Drift) -> dict[str, object]:
    return {
        "host": drift.host,
        "control": drift.control,
        "from": {"verdict": drift.verdict_from.value, "value": drift.value_from},
        "to": {"verdict": drift.verdict_to.value, "value": drift.value_to},
        "audit": drift.audit,
        "at": _moment(drift.at),
        "change": drift.change or None,
        "worse": drift.worse,
        "remeasured": drift.remeasured,
    }


def _waiver(waiver: Waiver) -> dict[str, object]:
    kinds = ("hosts", "groups", "stores", "regions", "roles")
    return {
        "control": waiver.control,
        "scope": {kind: sorted(getattr(waiver.scope, kind)) for kind in kinds},
        "justification": waiver.justification,
        "compensating": waiver.compensating,
        "accepted": waiver.accepted,
        "approvers": list(waiver.approvers),
        "ticket": waiver.ticket,
        "approved": waiver.approved.isoformat(),
        "expires": waiver.expires.isoformat(),
    }


def _percent(rate: Fraction | None) -> float | None:
    """``rate`` in percent, cut to four decimals so that it never rounds up over a bar."""
    return None if rate is None else int(rate * 1_000_000) / 10_000


def _moment(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None
