# SPDX-License-Identifier: GPL-3.0-or-later
"""A recorded audit, reported again without touching a host."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, cast

from storewarden.domain.baseline.drift import Drift, net, within
from storewarden.domain.baseline.finding import Audit, Finding, HostAudit
from storewarden.domain.baseline.score import score_audit
from storewarden.domain.errors import ConfigInvalid
from storewarden.flows.audit_context import (
    EMPTY,
    REMARKS,
    STEP,
    Context,
    context_of,
    control_of,
    ended_of,
    remarks_in,
    zone_of,
)
from storewarden.ports.content import Content
from storewarden.ports.ledger import Ledger
from storewarden.ports.reports import AuditReport, Remark


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRequest:
    """Which audit ("last" or an id), compared with what ("", "last", an id or a date)."""

    audit: str = "last"
    since: str = ""
    extra_controls: tuple[Path, ...] = ()
    zone: tzinfo = UTC


def recorded_report(ledger: Ledger, content: Content, request: ReportRequest) -> AuditReport:
    """The report of a recorded audit, with the waivers and weights it had.

    Raises ConfigInvalid when there is no such audit or ``since`` means nothing.
    """
    audit = ledger.audit(request.audit)
    if audit is None:
        raise ConfigInvalid(
            f"no audit {request.audit!r} is on record"
            if request.audit != "last"
            else "no audit is on record",
            where="ledger",
            hint="storewarden audit makes one",
        )
    entry = ledger.entry(audit.id, STEP)
    context = context_of(entry.body) if entry else EMPTY
    zone = zone_of(entry.body, request.zone) if entry else request.zone
    return _report(ledger, content, request, (audit, context, zone))


def _report(
    ledger: Ledger,
    content: Content,
    request: ReportRequest,
    recorded: tuple[Audit, Context, tzinfo],
) -> AuditReport:
    audit, context, zone = recorded
    known = {c.id: c for c in content.controls((), extra=request.extra_controls)}
    controls = tuple(
        control_of(ident, known, context.severities.get(ident)) for ident in audit.controls
    )
    book = context.book(audit, zone)

    def waived(host: HostAudit, finding: Finding) -> bool:
        return book.decide(host.host, finding).waived

    closing = ledger.entry(audit.id, "end")
    ended, interrupted = ended_of(closing.body) if closing else (None, True)
    texts = context.texts
    return AuditReport(
        audit=audit,
        controls=controls,
        scores=score_audit(audit, {c.id: c.severity for c in controls}, waived),
        waivers=book,
        drift=_drift(ledger, audit, request.since, zone),
        since=texts.get("since", "") if request.since in ("", "last") else request.since,
        first=context.first,
        ended=ended,
        interrupted=interrupted,
        warnings=context.warnings + _late_remarks(ledger, audit),
        selected=context.selected,
        zone=zone,
        bar=context.bar,
        site=texts.get("site", ""),
        scope=texts.get("scope", ""),
        limit=texts.get("limit", ""),
        by=texts.get("by", ""),
        version=texts.get("version", ""),
    )


def _late_remarks(ledger: Ledger, audit: Audit) -> tuple[Remark, ...]:
    entry = ledger.entry(audit.id, REMARKS)
    return remarks_in(cast("Any", entry.body[REMARKS])) if entry else ()


def _drift(ledger: Ledger, audit: Audit, since: str, zone: tzinfo) -> tuple[Drift, ...]:
    """What this audit found changed; or what was different then from what it was ``since``."""
    if since in ("", "last"):
        day = audit.at.astimezone(UTC).date().isoformat()
        found = ledger.drift(since=day, until=audit.id)
        return tuple(drift for drift in found if drift.audit == audit.id)
    return drift_since(ledger, audit, since, zone)


def drift_since(ledger: Ledger, audit: Audit, since: str, zone: tzinfo) -> tuple[Drift, ...]:
    """What was different at ``audit`` from what it was ``since``, where this audit looked.

    Raises ConfigInvalid when ``since`` means nothing or lies behind the audit.
    """
    earlier = ledger.audit(since)
    if earlier is not None and earlier.at > audit.at:
        raise ConfigInvalid(f"{since} is later than {audit.id}", where="--since")
    moment = since_in(since, zone)
    return net(within(ledger.drift(since=moment, until=audit.id), audit))


def since_in(since: str, zone: tzinfo) -> str:
    """A day begins, and a clock goes, in the site's zone; all else stays as it is."""
    try:
        at = datetime.fromisoformat(since)
    except ValueError:
        return since
    return (at if at.tzinfo else at.replace(tzinfo=zone)).isoformat()
