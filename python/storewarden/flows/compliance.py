# SPDX-License-Identifier: GPL-3.0-or-later
"""How a month was, from the audits of the ledger and the devices of the inventory.

Of each registered device the last audit counts that looked at all controls. Read backwards
from the newest audit, that takes as many audits as there are devices that were hard to reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from storewarden.domain.baseline.compliance import (
    FleetMonth,
    Judged,
    Month,
    Registered,
    judge_month,
    month_of,
    unclosed,
)
from storewarden.domain.baseline.control import Severity
from storewarden.domain.baseline.drift_ticket import (
    ClosedBecause,
    DriftTicket,
    TicketKey,
    TicketKind,
    ticket_number,
)
from storewarden.domain.baseline.finding import HostAudit, Verdict
from storewarden.domain.baseline.workdays import BY_SEVERITY, Works, due_on
from storewarden.flows.audit_context import STEP as CONTEXT
from storewarden.flows.audit_context import context_of
from storewarden.ports.clock import Clock
from storewarden.ports.compliance import ComplianceBook
from storewarden.ports.drift_tickets import DriftBook, TicketEnd
from storewarden.ports.ledger import Ledger
from storewarden.ports.reports import THIS_MACHINE, AuditReport


@dataclass(frozen=True, slots=True, kw_only=True)
class HostWords:
    """What a ticket about a device says, by language."""

    title: Mapping[str, str]
    reason: Mapping[str, str]


_UNAUDITED = HostWords(
    title={"en": "device not audited", "zh": "设备未审计"},
    reason={
        "en": "it was not audited for a whole month, which counts as not compliant",
        "zh": "整月未审计，按不合规计",
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplianceParts:
    """What a month takes.

    ``registered`` reads the inventory; ``report`` makes a recorded audit's report again;
    ``works`` reads the site's calendar.
    """

    ledger: Ledger
    book: ComplianceBook
    drift: DriftBook
    report: Callable[[str], AuditReport]
    registered: Callable[[], Sequence[Registered]]
    works: Callable[[], Works]
    clock: Clock
    zone: tzinfo
    tickets: bool = True
    """Whether the site wants drift tickets."""


def fleet_month(parts: ComplianceParts, month: Month) -> FleetMonth:
    """A month as it was closed; one that is not closed as it stands now."""
    closed = parts.book.month(month)
    return closed or _judged(parts, month, parts.registered())


def close_months(parts: ComplianceParts) -> tuple[FleetMonth, ...]:
    """Close all months that are over; those that were closed now, oldest first.

    Devices that nobody could look at for the month get a ticket, and those that left the
    inventory lose theirs.
    """
    first = parts.book.first_audit()
    if first is None:
        return ()
    now = month_of(parts.clock.now(), parts.zone)
    waiting = unclosed(month_of(first, parts.zone), parts.book.months(), now)
    if not waiting:
        return ()
    registered = parts.registered()
    closed = []
    for month in waiting:
        fleet = _judged(parts, month, registered)
        if parts.tickets:  # first: a month that is closed is not looked at again
            _tickets(parts, fleet)
        closed.append(parts.book.close_month(fleet))
    return tuple(closed)


def _judged(parts: ComplianceParts, month: Month, registered: Sequence[Registered]) -> FleetMonth:
    wanted = {device.host for device in registered}
    found: dict[str, Judged] = {}
    for audit in _full_audits(parts, month):
        looked_at = parts.book.audited(audit) & wanted
        if looked_at:
            found |= _of(parts.report(audit), looked_at)
            wanted -= looked_at
        if not wanted:
            break
    return judge_month(month, registered, found, _before(parts, month, registered))


def _full_audits(parts: ComplianceParts, month: Month) -> Iterator[str]:
    """The month's audits of all controls, newest first."""
    for audit in reversed(parts.book.audits(*month.span(parts.zone))):
        entry = parts.ledger.entry(audit, CONTEXT)
        context = context_of(entry.body) if entry else None
        local = context and context.texts.get("scope", "").startswith(THIS_MACHINE)
        if context and not context.selected and not local:
            yield audit


def _of(report: AuditReport, hosts: frozenset[str]) -> dict[str, Judged]:
    scores = {score.host: score for score in report.scores.hosts}
    return {
        host.host: Judged(
            audit=report.audit.id, score=scores[host.host], failing=_failing(report, host)
        )
        for host in report.audit.hosts
        if host.host in hosts
    }


def _failing(report: AuditReport, host: HostAudit) -> tuple[str, ...]:
    """Controls that failed and that nobody answers for."""
    return tuple(
        finding.control
        for finding in host.findings
        if finding.verdict is Verdict.FAIL and not report.waivers.decide(host.host, finding).waived
    )


def _before(
    parts: ComplianceParts, month: Month, registered: Sequence[Registered]
) -> Mapping[str, int]:
    """Bad months in a row until ``month``; one before it that is over and not closed yet is
    judged as it will be."""
    earlier = parts.book.month(month.before)
    if earlier is None:
        first, known = parts.book.first_audit(), parts.book.months()
        begun = first is not None and month_of(first, parts.zone) <= month.before
        if not begun or not known or known[-1] >= month.before:
            return {}
        earlier = _judged(parts, month.before, registered)
    return {each.device.host: each.bad_months for each in earlier.devices}


def _tickets(parts: ComplianceParts, fleet: FleetMonth) -> None:
    """One for each device that nobody looked at; none for devices that are gone."""
    month = str(fleet.month)
    there = {each.device.host for each in fleet.devices}
    gone = [ticket for ticket in parts.drift.open_tickets() if ticket.key.host not in there]
    ended = [TicketEnd(key=each.key, because=ClosedBecause.GONE, by=month) for each in gone]
    made = host_tickets(parts, fleet.month)
    unaudited = [each.device for each in fleet.devices if not each.audit]
    opened = [made.ticket(TicketKind.UNAUDITED, device, _UNAUDITED) for device in unaudited]
    parts.drift.settle(opened, ended)


def host_tickets(parts: ComplianceParts, month: Month) -> HostTickets:
    """What makes the tickets that follow from closing ``month``."""
    return HostTickets(month=month, zone=parts.zone, clock=parts.clock, works=parts.works())


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTickets:
    """Makes tickets about devices as a whole, because of a month that was closed.

    They are numbered by the day after the month, so that the same month closed again after a
    crash makes the same ones.
    """

    month: Month
    zone: tzinfo
    clock: Clock
    works: Works

    def ticket(self, kind: TicketKind, device: Registered, words: HostWords) -> DriftTicket:
        """The ticket; its severity is high."""
        key, now = TicketKey(kind=kind, host=device.host), self.clock.now()
        numbered = self.month.next.starts(self.zone).astimezone(self.zone).date()
        today = now.astimezone(self.zone).date()
        return DriftTicket(
            number=ticket_number(key, str(self.month), numbered),
            key=key,
            severity=Severity.HIGH,
            opened_at=now,
            due=due_on(today, BY_SEVERITY[Severity.HIGH], self.works),
            audit=str(self.month),
            title=dict(words.title),
            reason=dict(words.reason),
            item=device.item,
            store=device.store,
            region=device.region,
        )
