# SPDX-License-Identifier: GPL-3.0-or-later
"""Audit a fleet: one question per host, every answer kept the moment it arrives.

Order matters here. Whatever can be refused is refused before anything is
started; what an earlier, killed audit left running is collected first; then each
host's findings go to the ledger as they come, so that neither Ctrl-C nor a full
disk loses a result that somebody waited for. A run is released only when all
its hosts are recorded: until then its files are the second copy, and the next
audit collects them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from storewarden.domain.baseline.drift import Drift
from storewarden.domain.baseline.finding import Audit, AuditState, Finding, HostAudit
from storewarden.domain.baseline.score import na_shifted, score_audit
from storewarden.domain.errors import StorewardenError
from storewarden.flows.audit_collect import LABEL_OWNER, Collected, Collector, Earlier
from storewarden.flows.audit_context import KIND, REMARKS, STEP, body_of, remarks_body
from storewarden.flows.audit_progress import Progress, Step, Watcher, unwatched
from storewarden.flows.audit_ready import (
    AuditParts,
    AuditRequest,
    Claims,
    Ready,
    catalogue_digest,
    prepare,
)
from storewarden.flows.audit_report import drift_since, since_in
from storewarden.ports.ledger import Ledger
from storewarden.ports.reports import AuditReport, Remark
from storewarden.ports.runner import LeaseMode, PlaybookRun

__all__ = ["AuditParts", "AuditRequest", "Claims", "audit_id", "run_audit"]

PLAYBOOK = "storewarden.ops.baseline_audit"
CONTROLS = "baseline_audit_controls"
SAMPLES = "baseline_ports_idle_samples"


def run_audit(parts: AuditParts, request: AuditRequest, watch: Watcher = unwatched) -> AuditReport:
    """Audit the hosts of ``request`` and record them.

    Raises ConfigInvalid, Refused, ContentMissing, AdapterError or LedgerConflict
    before anything was started; afterwards what goes wrong is in the report.
    """
    if request.since:  # told before an hour of auditing, not after
        parts.ledger.drift(since=since_in(request.since, request.zone))
    ready = prepare(parts, request)
    ident = _claimed(parts.claims, ready.at)
    try:
        watch(Progress(step=Step.RESOLVED, audit=ident, total=len(ready.inventory.hosts)))
        Earlier(
            runner=parts.runner,
            ledger=parts.ledger,
            clock=parts.clock,
            devices=ready.devices,
            watch=watch,
            contact=parts.contact,
        ).collect_all(parts.claims)
        before = parts.ledger.audit("last")
        about = _opened(parts.ledger, request, ready, ident, before)
        collected = _collected(parts, request, ready, ident, watch)
        report = _reported(parts.ledger, request, about, collected, before)
    finally:
        parts.claims.drop(ident)
    total = len(report.audit.hosts)
    watch(Progress(step=Step.ENDED, audit=ident, total=total, done=total))
    return report


def audit_id(at: datetime) -> str:
    """An id that sorts by time: ``audit-20260302T013000.123Z``."""
    return f"audit-{at.astimezone(UTC):%Y%m%dT%H%M%S}.{at.microsecond // 1000:03d}Z"


def _claimed(claims: Claims, at: datetime) -> str:
    """An id that is ours alone: another audit may have begun in the same millisecond."""
    while not claims.take(audit_id(at)):
        at += timedelta(milliseconds=1)
    return audit_id(at)


def _opened(
    ledger: Ledger, request: AuditRequest, ready: Ready, ident: str, before: Audit | None
) -> AuditReport:
    """The audit, begun in the ledger with all that its report needs but the findings."""
    hosts = tuple(ready.inventory.hosts)
    audit = Audit(
        id=ident,
        at=ready.at,
        hosts=tuple(HostAudit(host=name, state=AuditState.UNKNOWN) for name in hosts),
        controls=ready.names,
        content=catalogue_digest(ready.controls),
    )
    about = _about(request, ready, audit, before)
    ledger.begin_audit(ident, ready.at, hosts, ready.names, audit.content, scope=request.scope)
    ledger.append(KIND, body_of(about), run=ident, step=STEP)
    return about


def _about(request: AuditRequest, ready: Ready, audit: Audit, before: Audit | None) -> AuditReport:
    since = request.since if request.since not in ("", "last") else ""
    return AuditReport(
        audit=audit,
        controls=ready.controls,
        scores=score_audit(audit, ready.severities),
        waivers=ready.book,
        warnings=ready.remarks,
        since="" if before is None else since or before.id,
        first=before is None,
        site=request.site,
        scope=request.scope,
        limit=request.limit,
        selected=bool(request.selection),
        by=request.by,
        version=request.version,
        zone=request.zone,
        bar=request.bar,
    )


def _collected(
    parts: AuditParts, request: AuditRequest, ready: Ready, ident: str, watch: Watcher
) -> Collected:
    collector = Collector(
        ledger=parts.ledger,
        clock=parts.clock,
        audit=ident,
        devices=ready.devices,
        wanted=ready.names,
        hosts=tuple(ready.inventory.hosts),
        watch=watch,
        contact=parts.contact,
    )
    with parts.interruption() as stop:
        return collector.run(
            parts.runner, _playbook_run(parts.ledger, request, ready, ident), stop,
            shard_size=request.shard_size, at_once=request.at_once,
        )  # fmt: skip


def _playbook_run(ledger: Ledger, request: AuditRequest, ready: Ready, ident: str) -> PlaybookRun:
    hosts = {
        name: _with_samples(ledger, name, variables)
        for name, variables in ready.inventory.hosts.items()
    }
    return PlaybookRun(
        playbook=PLAYBOOK,
        inventory=replace(ready.inventory, hosts=hosts),
        variables={**request.variables, CONTROLS: list(ready.names)},
        timeout=request.timeout,
        forks=request.forks,
        lease=LeaseMode.SHARED,
        secrets=request.secrets,
        known_hosts=request.known_hosts,
        collections=request.collections,
        owner=LABEL_OWNER,
        label=ident,
    )


def _with_samples(
    ledger: Ledger, host: str, variables: Mapping[str, object]
) -> Mapping[str, object]:
    """The host's variables with the port counters of earlier audits, which only we know."""
    samples = [dict(sample) for sample in ledger.port_samples(host)]
    return {**variables, SAMPLES: samples} if samples else variables


def _reported(
    ledger: Ledger,
    request: AuditRequest,
    about: AuditReport,
    collected: Collected,
    before: Audit | None,
) -> AuditReport:
    """The report over what was collected; what the ledger refuses now is told in it."""
    audit = replace(about.audit, hosts=collected.hosts)

    def waived(host: HostAudit, finding: Finding) -> bool:
        return about.waivers.decide(host.host, finding).waived

    late = _na_remark(audit, before, about) if before else ()
    report = replace(
        about,
        audit=audit,
        scores=score_audit(audit, {c.id: c.severity for c in about.controls}, waived),
        drift=collected.drift,
        ended=collected.ended,
        interrupted=collected.interrupted,
        unrecorded=collected.unrecorded,
        trouble=collected.trouble,
        warnings=about.warnings + late,
    )
    if report.unrecorded:
        return report
    try:
        if late:
            ledger.append(KIND, remarks_body(late), run=audit.id, step=REMARKS)
        return replace(report, drift=_drift(ledger, request, report))
    except StorewardenError as error:
        return replace(report, unrecorded=error)


def _drift(ledger: Ledger, request: AuditRequest, report: AuditReport) -> tuple[Drift, ...]:
    """What this audit found changed, or everything that changed ``--since``."""
    if report.first or request.since in ("", "last"):
        return report.drift
    return drift_since(ledger, report.audit, request.since, request.zone)


def _na_remark(audit: Audit, before: Audit, about: AuditReport) -> tuple[Remark, ...]:
    """A share of "not applicable" that moved: controls may have gone silently off.

    Only what both audits looked at is compared: a limited audit has another share
    because it has other hosts, and that is no news.
    """
    known = {control.id: control.severity for control in about.controls}
    then = score_audit(_shared(before, audit), known).fleet.score.counts
    now = score_audit(_shared(audit, before), known).fleet.score.counts
    if not na_shifted(then, now):
        return ()
    facts = {"na_then": then.na, "all_then": then.total, "na_now": now.na, "all_now": now.total}
    return (Remark(key="na_moved", facts={name: str(n) for name, n in facts.items()}),)


def _shared(audit: Audit, other: Audit) -> Audit:
    """``audit`` on the hosts and controls that both have findings of."""
    hosts = {host.host for host in other.hosts if host.state is AuditState.AUDITED}
    controls = set(audit.controls) & set(other.controls)
    kept = tuple(
        replace(host, findings=tuple(f for f in host.findings if f.control in controls))
        for host in audit.hosts
        if host.host in hosts and host.state is AuditState.AUDITED
    )
    return replace(audit, hosts=kept)
