# SPDX-License-Identifier: GPL-3.0-or-later
"""From audits to drift tickets, once per audit and in the order in which audits began.

The ledger says what is left to do: an audit that has ended and has no entry "drift judged" is
judged now. So it does not matter who does it (the controller's duty, or ``storewarden audit``
at its own end), how often, or where it was killed: each device is one step of the ledger, and
the same step again changes nothing.

An audit that ended late, after a newer one was judged already, speaks only of the devices
that the newer ones did not look at: old findings must not open what was closed since.

A ledger that meets this for the first time begins with its newest audit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo

from storewarden.domain.baseline.control import Control
from storewarden.domain.baseline.drift_ticket import DriftTicket, TicketKey, ticket_number
from storewarden.domain.baseline.finding import AuditState, Finding, HostAudit, Verdict
from storewarden.domain.baseline.ticket_rules import (
    WHY_TOLD,
    HostSights,
    Opening,
    Sight,
    Step,
    tickets_for,
    undecided,
)
from storewarden.domain.baseline.workdays import Works, days_for, due_on
from storewarden.domain.errors import LedgerConflict
from storewarden.domain.outbox.drift_words import JUDGED
from storewarden.ports.clock import Clock
from storewarden.ports.compliance import ComplianceBook
from storewarden.ports.drift_tickets import DriftBook, TicketEnd
from storewarden.ports.ledger import Ledger
from storewarden.ports.reports import AuditReport

NAME = "drift"
STEP = "drift tickets"
"""The step of the entry ``JUDGED`` in the run that is the audit."""

_LOOKED_BACK = timedelta(days=40)
_HOSTS_TOLD = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftParts:
    """What judging needs.

    ``report`` makes a recorded audit's report again; ``works`` reads the site's calendar.
    """

    ledger: Ledger
    book: DriftBook
    audits: ComplianceBook
    report: Callable[[str], AuditReport]
    works: Callable[[], Works]
    clock: Clock
    zone: tzinfo


class DriftTickets:
    """The duty that judges audits when they have ended."""

    def __init__(self, parts: DriftParts) -> None:
        self._parts = parts
        self._judged: set[str] = set()
        self.name = NAME
        self.every = timedelta(hours=1)

    def tick(self, now: datetime) -> datetime | None:  # noqa: ARG002 - the ledger knows
        """Judge what has ended since."""
        judge_pending(self._parts, self._judged)
        return None


def judge_pending(parts: DriftParts, known: set[str] | None = None) -> tuple[str, ...]:
    """Judge all audits that wait for it; their ids. ``known`` remembers those that do not."""
    judged = set() if known is None else known
    now = parts.clock.now()
    order = parts.audits.audits(now - _LOOKED_BACK, now + timedelta(days=1))
    done = []
    for audit in _waiting(parts, order, judged):
        newer = [each for each in order[order.index(audit) + 1 :] if each in judged]
        looked_at = (parts.audits.audited(each) for each in newer)
        judge_audit(parts, parts.report(audit), frozenset().union(*looked_at))
        judged.add(audit)
        done.append(audit)
    return tuple(done)


def judge_audit(
    parts: DriftParts, report: AuditReport, left_out: Iterable[str] = ()
) -> tuple[DriftTicket, ...]:
    """Open and close what this audit says; the tickets that it changed.

    ``left_out`` are devices that a newer audit has looked at.
    """
    skipped, changed = set(left_out), list[DriftTicket]()
    if not report.local:
        judge = _Judge(parts, report)
        for host in report.audit.hosts:
            if host.state is AuditState.AUDITED and host.host not in skipped:
                changed += judge.host(host)
    _note(parts, report)
    return tuple(changed)


class _Judge:
    """One audit on its way into tickets."""

    def __init__(self, parts: DriftParts, report: AuditReport) -> None:
        self._parts = parts
        self._report = report
        self._works = parts.works()
        self._day = report.audit.at.astimezone(parts.zone).date()
        self._controls = {control.id: control for control in report.controls}
        self._compliant = {each.host for each in report.scores.hosts if each.compliant}
        self._open: dict[str, list[TicketKey]] = {}
        for ticket in parts.book.open_tickets():
            self._open.setdefault(ticket.key.host, []).append(ticket.key)

    def host(self, host: HostAudit) -> tuple[DriftTicket, ...]:
        """What this audit of one device changes."""
        there = self._open.get(host.host, [])
        sights = HostSights(
            host=host.host,
            sights=tuple(self._sight(host, finding) for finding in host.findings),
            complete=not self._report.selected,
            compliant=host.host in self._compliant,
        )
        asked = undecided(sights, there)
        audit = self._report.audit.id
        before = self._parts.book.earlier(host.host, audit, asked) if asked else {}
        steps = tickets_for(_with(sights, before), there)
        opened = [self._ticket(host, each) for each in steps if isinstance(each, Opening)]
        return self._parts.book.settle(opened, _ends(steps, audit))

    def _sight(self, host: HostAudit, finding: Finding) -> Sight:
        control = self._controls[finding.control]
        decision = self._report.waivers.decide(host.host, finding)
        return Sight(finding=finding, severity=control.severity, waiver=decision.reason)

    def _ticket(self, host: HostAudit, opening: Opening) -> DriftTicket:
        sight, audit = opening.sight, self._report.audit.id
        control = self._controls[sight.finding.control]
        return DriftTicket(
            number=ticket_number(opening.key, audit, self._day),
            key=opening.key,
            severity=sight.severity,
            opened_at=self._parts.clock.now(),
            due=self._due(control, self._day),
            audit=audit,
            title=dict(control.title),
            reason=dict(WHY_TOLD[opening.why]),
            guide=control.guide_section,
            value=sight.finding.value,
            item=host.item,
            store=host.store,
            region=host.region,
        )

    def _due(self, control: Control, day: date) -> date:
        return due_on(day, days_for(control.guide_section, control.severity), self._works)


def _with(host: HostSights, before: Mapping[str, Verdict]) -> HostSights:
    sights = (replace(each, before=before.get(each.finding.control)) for each in host.sights)
    return replace(host, sights=tuple(sights)) if before else host


def _ends(steps: Sequence[Step], audit: str) -> list[TicketEnd]:
    return [
        TicketEnd(key=each.key, because=each.because, by=audit)
        for each in steps
        if not isinstance(each, Opening)
    ]


def _waiting(parts: DriftParts, order: Sequence[str], judged: set[str]) -> list[str]:
    """Audits behind the oldest one that was judged; the newest alone when none was."""
    for audit in order:
        if audit not in judged and parts.ledger.entry(audit, STEP) is not None:
            judged.add(audit)
    first = next((place for place, audit in enumerate(order) if audit in judged), None)
    if first is None:
        return list(order[-1:])
    return [audit for audit in order[first:] if audit not in judged]


def _note(parts: DriftParts, report: AuditReport) -> None:
    """One entry for all tickets of the audit, from which people are told once."""
    audit = report.audit.id
    if parts.ledger.entry(audit, STEP) is not None:
        return
    today = parts.clock.now().astimezone(parts.zone).date()
    open_ones = parts.book.open_tickets()
    recent = parts.book.tickets(since=report.audit.at)
    opened = [each for each in reversed(recent) if each.audit == audit]
    hosts = list(dict.fromkeys(each.key.host for each in opened))
    body = {
        "opened": len(opened),
        "closed": parts.book.closed_by(audit),
        "open": len(open_ones),
        "overdue": sum(each.overdue(today) for each in open_ones),
        "hosts": hosts[:_HOSTS_TOLD],
    }
    try:
        parts.ledger.append(JUDGED, body, run=audit, step=STEP)
    except LedgerConflict:  # somebody else judged it at the same time, and counted then
        if parts.ledger.entry(audit, STEP) is None:
            raise
