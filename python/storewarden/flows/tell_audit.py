# SPDX-License-Identifier: GPL-3.0-or-later
"""What a notification says of an audit, taken from its report."""

from __future__ import annotations

from storewarden.domain.baseline.score import percent
from storewarden.domain.outbox.notice import AuditFacts
from storewarden.ports.reports import AuditReport


def audit_facts(report: AuditReport) -> AuditFacts:
    """How the audit came out: its effective score against its bar, and drift that no change
    explains."""
    worse = report.unexplained
    drifted = {drift.host for drift in worse}
    regions = {host.region for host in report.audit.hosts if host.host in drifted and host.region}
    bar = report.bar
    return AuditFacts(
        hosts=report.scores.fleet.registered,
        score=percent(report.scores.fleet.score.effective),
        bar=percent(bar, 0 if bar * 100 == int(bar * 100) else 1) if bar is not None else "",
        below=report.below,
        unaudited=report.unaudited,
        worse=len(worse),
        worse_hosts=len(drifted),
        worst=tuple(f"{drift.host} {drift.control}" for drift in worse),
        regions=frozenset(regions),
    )
