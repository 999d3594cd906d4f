# SPDX-License-Identifier: GPL-3.0-or-later
"""Take back what a change has fixed, look again, and say whether all is as it was.

No window is asked and nobody has to approve: the way back is part of what was approved. It goes to
every host that holds something of the change or of which nobody knows; the hosts themselves find
their restore points, newest first. The change is rolled back only when nothing of it is left
anywhere and the audit afterwards equals the one before; else the difference is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from storewarden.domain.baseline.drift import differs
from storewarden.domain.baseline.finding import AuditState, Finding
from storewarden.domain.baseline.harden_gate import undo_refusal
from storewarden.domain.change.record import Change
from storewarden.domain.errors import Refused, StorewardenError
from storewarden.flows.audit import run_audit
from storewarden.flows.harden import leftovers
from storewarden.flows.harden_close import concluded, told_leftovers
from storewarden.flows.harden_collect import OWNER, Gathered, Gathering, pace
from storewarden.flows.harden_journal import Beginning, HardenJournal, Session
from storewarden.flows.harden_progress import (
    HardenProgress,
    HardenWatcher,
    Step,
    audits_shown,
    unwatched,
)
from storewarden.flows.harden_ready import (
    UNDO,
    HardenParts,
    HardenRequest,
    claimed,
    effort,
    hosts_of,
    on,
    play,
    remembering,
)
from storewarden.flows.harden_status import audit_before, groups_held, holding, status
from storewarden.flows.harden_undo_data import UNDO_MANNER
from storewarden.ports.harden import Deed, Difference, HardenReport, HardenStatus
from storewarden.ports.ledger import Ledger
from storewarden.ports.runner import LeaseMode


def undo(
    parts: HardenParts, request: HardenRequest, watch: HardenWatcher = unwatched
) -> HardenReport:
    """Take back everything of ``request.change`` on its hosts (or those of the limit).

    Raises Refused when there is nothing to take back or the change is closed.
    """
    parts = remembering(parts)
    with claimed(parts, request.change):
        told_leftovers(parts, leftovers(parts, watch).collect(request.change))
        change = parts.at_desk.change(request.change)
        known = status(parts.audit.ledger, change.number)
        hosts = _targets(parts, request, change, known)
        request = on(request, hosts)
        report = _report(parts, request, change)
        session = _begun(parts, report, hosts)
        watch(HardenProgress(step=Step.BEGUN, session=session.name, total=len(hosts)))
        gathered = _run(parts, request, session, groups_held(known), watch)
        report = _with_hosts(replace(report, session=session.name), gathered)
        if not report.interrupted:
            report = _compared(parts, request, report, known, watch)
        left = holding(status(parts.audit.ledger, change.number))
        report = concluded(parts, request, replace(report, left_over=left), session, change)
        watch(HardenProgress(step=Step.ENDED, session=session.name, total=len(hosts)))
        return report


def _targets(
    parts: HardenParts, request: HardenRequest, change: Change, known: HardenStatus
) -> tuple[str, ...]:
    """The hosts to go to. Raises Refused."""
    wanted = hosts_of(parts, request, change) if request.audit.limit else change.hosts
    refusal = undo_refusal(change, wanted)
    if refusal is not None:
        raise Refused(refusal.reason, where=change.number, hint=refusal.hint)
    held = set(holding(known))
    hosts = tuple(host for host in wanted if host in held)
    if not hosts:
        raise Refused(
            "nothing of it is left on these hosts",
            where=change.number,
            hint=f"storewarden harden status --change {change.number}",
        )
    return hosts


def _report(parts: HardenParts, request: HardenRequest, change: Change) -> HardenReport:
    audit = request.audit
    return HardenReport(
        deed=Deed.UNDO,
        at=parts.audit.clock.now(),
        change=change.number,
        controls=parts.audit.content.controls(audit.selection, extra=audit.extra_controls),
        state=change.state.value,
        site=audit.site,
        by=parts.at_desk.person.id,
        version=audit.version,
        zone=audit.zone,
    )


def _begun(parts: HardenParts, report: HardenReport, hosts: tuple[str, ...]) -> Session:
    return HardenJournal(parts.audit.ledger).begin(
        Beginning(
            change=report.change,
            deed=Deed.UNDO,
            by=report.by,
            at=report.at,
            hosts=hosts,
            before="",
            wanted={},
        )
    )


def _run(
    parts: HardenParts,
    request: HardenRequest,
    session: Session,
    groups: int,
    watch: HardenWatcher,
) -> Gathered:
    audit = request.audit
    found = audit.fixed or parts.audit.inventory.resolve(
        audit.sources, limit=audit.limit, vault_password=audit.secrets.vault_password
    )
    run = play(
        request,
        found.only(session.hosts),
        {"baseline_undo_change": session.change, "baseline_undo_epoch": session.epoch},
        playbook=UNDO,
        timeout=effort(request, len(session.hosts), max(groups, 1)).longest,
        lease=LeaseMode.EXCLUSIVE,
        owner=OWNER,
        label=session.name,
    )
    gathering = Gathering(
        runner=parts.audit.runner,
        clock=parts.audit.clock,
        journal=HardenJournal(parts.audit.ledger),
        session=session,
        hosts=session.hosts,
        watch=watch,
        contact=parts.contact,
        manner=UNDO_MANNER,
    )
    with parts.audit.interruption() as stop:
        return gathering.run(run, pace(audit, stop))


def _with_hosts(report: HardenReport, gathered: Gathered) -> HardenReport:
    troubles = [f"the run failed: {gathered.trouble}"] if gathered.trouble else []
    if gathered.unrecorded is not None:
        troubles.append(f"not recorded: {gathered.unrecorded}")
    return replace(
        report,
        hosts=gathered.hosts,
        interrupted=gathered.interrupted,
        troubles=tuple(troubles),
    )


def _compared(
    parts: HardenParts,
    request: HardenRequest,
    report: HardenReport,
    known: HardenStatus,
    watch: HardenWatcher,
) -> HardenReport:
    """The audit afterwards beside the one before the change."""
    names = sorted({audit_before(known, host.host) for host in report.hosts} - {""})
    try:
        after = run_audit(parts.audit, request.audit, audits_shown(watch, "after"))
        after = parts.audited(after)
        report = replace(report, after=after, interrupted=after.interrupted)
        before = _findings(parts.audit.ledger, known, [host.host for host in report.hosts])
    except StorewardenError as error:
        told = f"the audit afterwards: {error}"
        return replace(report, troubles=(*report.troubles, told))
    return replace(report, earlier=", ".join(names), differences=_differences(report, before))


def _findings(
    ledger: Ledger, known: HardenStatus, hosts: Sequence[str]
) -> dict[str, dict[str, Finding]]:
    """What each host was like before the change touched it."""
    found: dict[str, dict[str, Finding]] = {}
    for name in {audit_before(known, host) for host in hosts} - {""}:
        audit = ledger.audit(name)
        for host in audit.hosts if audit is not None else ():
            if host.state is AuditState.AUDITED and audit_before(known, host.host) == name:
                found[host.host] = {finding.control: finding for finding in host.findings}
    return found


def _differences(
    report: HardenReport, before: Mapping[str, Mapping[str, Finding]]
) -> tuple[Difference, ...]:
    """Controls that both audits looked at and that are not as they were."""
    hosts = report.after.audit.hosts if report.after is not None else ()
    return tuple(
        Difference(
            host=host.host,
            control=now.control,
            before=then.verdict,
            now=now.verdict,
            value_before=then.value,
            value_now=now.value,
        )
        for host in hosts
        for now in host.findings
        if (then := before.get(host.host, {}).get(now.control)) is not None and differs(then, now)
    )
