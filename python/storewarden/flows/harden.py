# SPDX-License-Identifier: GPL-3.0-or-later
"""Harden hosts on a change: look, ask whether it may be, fix, look again, tell the change.

Order matters. Whatever can be refused is refused before a host is touched. The audit before says
what is to be fixed on each host, so that nothing else is; the change is started only when there is
something to do. Then what hosts say is journaled as it comes; after that nothing that goes wrong
(a full disk, a service that is away) is an error any more: it is a line in the report.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC
from fractions import Fraction

from storewarden.domain.baseline.finding import AuditState
from storewarden.domain.baseline.harden import HostFix, HostState
from storewarden.domain.baseline.harden_choice import Wanted, choose, expected
from storewarden.domain.baseline.score import score_audit
from storewarden.domain.change.record import Change
from storewarden.domain.errors import StorewardenError
from storewarden.flows.audit import run_audit
from storewarden.flows.harden_close import concluded, told_leftovers
from storewarden.flows.harden_collect import (
    OWNER,
    PLAN_OWNER,
    Gathered,
    Gathering,
    Leftovers,
    pace,
)
from storewarden.flows.harden_journal import Beginning, HardenJournal, Session
from storewarden.flows.harden_progress import (
    HardenProgress,
    HardenWatcher,
    Step,
    audits_shown,
    unwatched,
)
from storewarden.flows.harden_ready import (
    FIX,
    HardenParts,
    HardenRequest,
    begun,
    claimed,
    effort,
    groups_at_most,
    hosts_of,
    on,
    play,
    remembering,
    require_deadline,
    require_gate,
)
from storewarden.flows.harden_undo_data import UNDO_MANNER
from storewarden.ports.harden import Deed, HardenReport
from storewarden.ports.reports import AuditReport
from storewarden.ports.runner import FrozenInventory, LeaseMode

_SELECTIONS = ("baseline_fix_controls", "baseline_audit_controls")
"""What the playbook fixes on a host, and what it looks at around that."""


def plan(
    parts: HardenParts, request: HardenRequest, watch: HardenWatcher = unwatched
) -> HardenReport:
    """What hardening would do, without doing it. Raises what an audit raises."""
    require_deadline(request.deadline)
    parts = remembering(parts)
    change = parts.at_desk.change(request.change) if request.change else None
    request = on(request, hosts_of(parts, request, change)) if change else request
    before = _audited(parts, request, watch, "before")
    report = _report(parts, request, before, deed=Deed.PLAN)
    wanted = Wanted(choices=report.choices)
    if not wanted.hosts or before.interrupted:
        return replace(report, interrupted=before.interrupted)
    gathered = _looked(parts, request, report, wanted, watch)
    needs = effort(request, len(wanted.hosts), wanted.groups, canary=True).needs
    report = _with_hosts(report, gathered)
    hopeless = {host.host: host.cannot for host in report.hosts}
    return replace(
        report,
        needs=needs,
        expected=_promised(before, wanted, hopeless),
        ended=parts.audit.clock.now(),
    )


def start(
    parts: HardenParts, request: HardenRequest, watch: HardenWatcher = unwatched
) -> HardenReport:
    """Harden on ``request.change``. Raises the leaves of ``domain.errors`` before a host was
    touched; afterwards what goes wrong is in the report."""
    require_deadline(request.deadline)
    parts = remembering(parts)
    with claimed(parts, request.change):
        told_leftovers(parts, leftovers(parts, watch).collect(request.change))
        change = parts.at_desk.change(request.change)
        hosts = hosts_of(parts, request, change)
        controls = parts.audit.content.controls(
            request.audit.selection, extra=request.audit.extra_controls
        )
        groups = groups_at_most(controls, request.max_risk)
        most = effort(request, len(hosts), groups, canary=True)
        require_gate(parts, change, hosts, most.needs)
        request = on(request, hosts)
        before = _audited(parts, request, watch, "before")
        report = replace(_report(parts, request, before, deed=Deed.FIX), needs=most.needs)
        wanted = Wanted(choices=report.choices)
        if before.interrupted or before.unrecorded is not None or not wanted.hosts:
            return _nothing(report, before, change)
        change = begun(parts, change)
        return _fixed(parts, request, report, change, watch)


def _audited(
    parts: HardenParts, request: HardenRequest, watch: HardenWatcher, which: str
) -> AuditReport:
    return parts.audited(run_audit(parts.audit, request.audit, audits_shown(watch, which)))


def leftovers(parts: HardenParts, watch: HardenWatcher) -> Leftovers:
    """What collects what cut off hardenings left."""
    return Leftovers(
        runner=parts.audit.runner,
        clock=parts.audit.clock,
        journal=HardenJournal(parts.audit.ledger),
        watch=watch,
        contact=parts.contact,
        claims=parts.audit.claims,
        manners={Deed.UNDO.value: UNDO_MANNER},
    )


def _report(
    parts: HardenParts, request: HardenRequest, before: AuditReport, *, deed: Deed
) -> HardenReport:
    """All that is known before a host is touched."""
    controls = {control.id: control for control in before.controls}
    wanted = choose(before.audit, controls, before.waivers, request.max_risk)

    by = parts.desk.person.id if parts.desk is not None else request.audit.by
    return HardenReport(
        deed=deed,
        at=before.audit.at,
        change=request.change,
        hosts=tuple(_untouched(before, wanted, host.host) for host in before.audit.hosts),
        choices=wanted.choices,
        controls=before.controls,
        max_risk=request.max_risk,
        before=before,
        expected=_promised(before, wanted),
        site=before.site,
        by=by,
        version=before.version,
        zone=before.zone,
    )


def _promised(
    before: AuditReport, wanted: Wanted, hopeless: Mapping[str, Collection[str]] | None = None
) -> Fraction | None:
    """The fleet's effective score when all that can be fixed is."""
    score = score_audit(
        expected(before.audit, wanted, hopeless),
        {control.id: control.severity for control in before.controls},
        lambda host, finding: before.waivers.decide(host.host, finding).waived,
    )
    return score.fleet.score.effective


def _untouched(before: AuditReport, wanted: Wanted, host: str) -> HostFix:
    """A host before anything was begun."""
    found = next(each for each in before.audit.hosts if each.host == host)
    if found.state is not AuditState.AUDITED:
        return HostFix(host=host, state=HostState.NOT_AUDITED, message=found.message)
    if wanted.fixes(host):
        return HostFix(host=host, state=HostState.SKIPPED, message="not begun")
    return HostFix(host=host, state=HostState.NOTHING)


def _nothing(report: HardenReport, before: AuditReport, change: Change) -> HardenReport:
    """Nothing was touched: nothing to do, or stopped before."""
    troubles = (f"not recorded: {before.unrecorded}",) if before.unrecorded else ()
    return replace(
        report,
        interrupted=before.interrupted,
        troubles=troubles,
        state=change.state.value,
        ended=before.ended,
    )


def _looked(
    parts: HardenParts,
    request: HardenRequest,
    report: HardenReport,
    wanted: Wanted,
    watch: HardenWatcher,
) -> Gathered:
    """The fix module's own plan of every host; reads only, so it runs beside other readers."""
    name = f"harden-plan-{report.at.astimezone(UTC):%Y%m%dT%H%M%S}.{report.at.microsecond:06d}Z"
    taken = parts.audit.claims.take(name)
    run = play(
        request,
        _inventory(parts, request, wanted),
        {**_variables(request), "baseline_fix_plan_only": True},
        playbook=FIX,
        timeout=effort(request, len(wanted.hosts), 1).longest,
        lease=LeaseMode.SHARED,
        owner=PLAN_OWNER,
        label=name,
    )
    try:
        with parts.audit.interruption() as stop:
            return _gathering(parts, None, wanted, watch).run(run, pace(request.audit, stop))
    finally:
        if taken:
            parts.audit.claims.drop(name)


def _fixed(
    parts: HardenParts,
    request: HardenRequest,
    report: HardenReport,
    change: Change,
    watch: HardenWatcher,
) -> HardenReport:
    """From the first touch to the last word."""
    journal, wanted = HardenJournal(parts.audit.ledger), Wanted(choices=report.choices)
    session = journal.begin(
        Beginning(
            change=change.number,
            deed=Deed.FIX,
            by=report.by,
            at=parts.audit.clock.now(),
            hosts=wanted.hosts,
            before="" if report.before is None else report.before.audit.id,
            wanted={host: wanted.fixes(host) for host in wanted.hosts},
        )
    )
    watch(HardenProgress(step=Step.BEGUN, session=session.name, total=len(wanted.hosts)))
    with parts.audit.interruption() as stop:
        gathered = _run(parts, request, (session, wanted), stop, watch)
    report = replace(_with_hosts(report, gathered), session=session.name, state=change.state.value)
    if not report.interrupted:
        report = looked_again(parts, request, report, session, watch)
    report = concluded(parts, request, report, session, change)
    done = len(report.hosts)
    watch(HardenProgress(step=Step.ENDED, session=session.name, done=done, total=done))
    return report


def _run(
    parts: HardenParts,
    request: HardenRequest,
    work: tuple[Session, Wanted],
    stop: threading.Event,
    watch: HardenWatcher,
) -> Gathered:
    session, wanted = work
    longest = effort(request, len(wanted.hosts), wanted.groups).longest
    run = play(
        request,
        _inventory(parts, request, wanted),
        {
            **_variables(request),
            "baseline_fix_change": session.change,
            "baseline_fix_epoch": session.epoch,
        },
        playbook=FIX,
        timeout=longest,
        lease=LeaseMode.EXCLUSIVE,
        owner=OWNER,
        label=session.name,
    )
    return _gathering(parts, session, wanted, watch).run(
        run, pace(request.audit, stop, canary=True)
    )


def _gathering(
    parts: HardenParts, session: Session | None, wanted: Wanted, watch: HardenWatcher
) -> Gathering:
    return Gathering(
        runner=parts.audit.runner,
        clock=parts.audit.clock,
        journal=HardenJournal(parts.audit.ledger),
        session=session,
        hosts=wanted.hosts,
        watch=watch,
        contact=parts.contact,
    )


def _variables(request: HardenRequest) -> dict[str, object]:
    return {
        "baseline_fix_max_risk": request.max_risk.value,
        "baseline_fix_deadline": int(request.deadline.total_seconds()),
        "baseline_fix_summary": False,
    }


def _inventory(parts: HardenParts, request: HardenRequest, wanted: Wanted) -> FrozenInventory:
    """The hosts with something to fix, each told exactly what: nothing else is fixed there."""
    audit = request.audit
    found = audit.fixed or parts.audit.inventory.resolve(
        audit.sources, limit=audit.limit, vault_password=audit.secrets.vault_password
    )
    chosen = found.only(wanted.hosts)
    hosts: Mapping[str, Mapping[str, object]] = {
        name: {**variables, **{key: list(wanted.fixes(name)) for key in _SELECTIONS}}
        for name, variables in chosen.hosts.items()
    }
    return replace(chosen, hosts=hosts)


def _with_hosts(report: HardenReport, gathered: Gathered) -> HardenReport:
    """The report with what came of the hosts that were worked on."""
    found = {host.host: host for host in gathered.hosts}
    troubles = [f"the run failed: {gathered.trouble}"] if gathered.trouble else []
    if gathered.unrecorded is not None:
        troubles.append(f"not recorded: {gathered.unrecorded}")
    return replace(
        report,
        hosts=tuple(found.get(host.host, host) for host in report.hosts),
        interrupted=gathered.interrupted,
        troubles=(*report.troubles, *troubles),
    )


def looked_again(
    parts: HardenParts,
    request: HardenRequest,
    report: HardenReport,
    session: Session,
    watch: HardenWatcher,
) -> HardenReport:
    """The audit after, and its verdicts beside those before, per host in the journal."""
    try:
        after = _audited(parts, request, watch, "after")
        report = _still_failing(replace(report, after=after))
        journal = HardenJournal(parts.audit.ledger)
        for host, verdicts in verdicts_of(report, session).items():
            journal.verified(session, host, verdicts)
    except StorewardenError as error:
        told = f"the audit afterwards: {error}"
        return replace(report, troubles=(*report.troubles, told))
    troubles = () if after.unrecorded is None else (f"not recorded: {after.unrecorded}",)
    return replace(report, interrupted=after.interrupted, troubles=(*report.troubles, *troubles))


def _still_failing(report: HardenReport) -> HardenReport:
    """The hosts with the controls that were to be fixed and do not pass; a host that could not be
    looked at again is a trouble."""
    after, wanted = _verdicts(report.after), Wanted(choices=report.choices)
    hosts, unseen = [], []
    for host in report.hosts:
        seen = after.get(host.host)
        if host.groups and not seen:
            unseen.append(host.host)
        still = [each for each in wanted.fixes(host.host) if (seen or {}).get(each) == "fail"]
        hosts.append(replace(host, still=tuple(still)))
    line = f"not audited afterwards: {', '.join(unseen)}"
    troubles = (*report.troubles, line) if unseen else report.troubles
    return replace(report, hosts=tuple(hosts), troubles=troubles)


def verdicts_of(report: HardenReport, session: Session) -> dict[str, dict[str, tuple[str, str]]]:
    """Host -> control -> verdicts before and after, where one of them is not a pass."""
    before, after = _verdicts(report.before), _verdicts(report.after)
    return {
        host: {
            control: (verdict, after[host].get(control, ""))
            for control, verdict in before[host].items()
            if (verdict, after[host].get(control, "")) != ("pass", "pass")
        }
        for host in session.hosts
        if before.get(host) and after.get(host)
    }


def _verdicts(report: AuditReport | None) -> dict[str, dict[str, str]]:
    if report is None:
        return {}
    return {
        host.host: {finding.control: finding.verdict.value for finding in host.findings}
        for host in report.audit.hosts
    }
