# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift tickets and closed months in memory, on the journal of a ``MemoryLedger``.

They keep the promises of the real ones; ``conformance_drift`` says which.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from storewarden.domain.baseline.compliance import FleetMonth, Month
from storewarden.domain.baseline.drift_ticket import (
    ENTRY,
    DriftTicket,
    TicketEvent,
    TicketKey,
    closed_body,
    fold_ticket,
    mirrored_body,
    opened_body,
)
from storewarden.domain.baseline.finding import Audit, AuditState, Verdict
from storewarden.domain.baseline.ticket_rules import LOOKED
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.drift_tickets import TicketEnd
from storewarden.ports.ledger import JournalEntry
from storewarden.testing.records import Writing

MONTH_CLOSED = "compliance month closed"

type EndedAudits = Callable[[], Sequence[Audit]]
"""All audits in the order in which they began; those under way as well."""


class MemoryDriftTickets:
    """The tickets without a database."""

    def __init__(self, ledger: Writing, audits: EndedAudits) -> None:
        self._ledger = ledger
        self._audits = audits
        self._tickets: dict[str, DriftTicket] = {}

    def settle(
        self, opened: Sequence[DriftTicket], ended: Sequence[TicketEnd]
    ) -> tuple[DriftTicket, ...]:
        """Close and open in one step; the tickets that it changed, as they are now."""
        with self._ledger.lock:
            changed = [self._end(each) for each in ended]
            changed += [self._open(each) for each in opened]
        return tuple(each for each in changed if each is not None)

    def mirrored(self, number: str, system: str, ticket: str) -> DriftTicket:
        """Note under which id a ticket system has it; once per system and id."""
        with self._ledger.lock:
            there = self._tickets.get(number)
            if there is None:
                raise ConfigInvalid("there is no such drift ticket", where=number)
            if there.tickets.get(system) == ticket:
                return there
            step, body = f"ticket {system} {ticket}", mirrored_body(system, ticket)
            return self._write(number, TicketEvent.MIRRORED, step, body)

    def ticket(self, number: str) -> DriftTicket | None:
        """One ticket; None when there is none."""
        return self._tickets.get(number)

    def open_tickets(self, hosts: Collection[str] = ()) -> tuple[DriftTicket, ...]:
        """Those that are open (of ``hosts``, when any are named), by due date, then number."""
        found = [
            each
            for each in self._tickets.values()
            if each.open and (not hosts or each.key.host in hosts)
        ]
        return tuple(sorted(found, key=lambda each: (each.due, each.number)))

    def tickets(
        self, *, host: str = "", since: datetime | None = None, limit: int = 0
    ) -> tuple[DriftTicket, ...]:
        """All, newest first; those of one device, opened since."""
        found = [
            each
            for each in reversed(self._tickets.values())
            if (not host or each.key.host == host) and (since is None or each.opened_at >= since)
        ]
        return tuple(found[:limit] if limit else found)

    def closed_by(self, source: str) -> int:
        """How many tickets the audit (or month) ``source`` has closed."""
        return sum(each.closed_by == source for each in self._tickets.values())

    def history(self, number: str) -> tuple[JournalEntry, ...]:
        """The journal entries of one ticket, in order."""
        mine = self._ledger.entries_of(number)
        return tuple(each for each in mine if each.kind.startswith(ENTRY))

    def earlier(self, host: str, audit: str, controls: Collection[str]) -> Mapping[str, Verdict]:
        """What was last found of these controls before ``audit``, by somebody who could look."""
        found: dict[str, Verdict] = {}
        for past in self._audits():
            if past.id == audit:
                break
            for result in past.hosts:
                if result.host == host and result.state is AuditState.AUDITED:
                    seen = ((f.control, f.verdict) for f in result.findings if f.verdict in LOOKED)
                    found |= {control: verdict for control, verdict in seen if control in controls}
        return found

    def _open(self, wanted: DriftTicket) -> DriftTicket | None:
        if wanted.number in self._tickets or self._open_one(wanted.key):
            return None
        step = TicketEvent.OPENED.value
        return self._write(wanted.number, TicketEvent.OPENED, step, opened_body(wanted))

    def _end(self, wanted: TicketEnd) -> DriftTicket | None:
        there = self._open_one(wanted.key)
        if there is None:
            return None
        body = closed_body(wanted.because, wanted.by)
        return self._write(there.number, TicketEvent.CLOSED, TicketEvent.CLOSED.value, body)

    def _open_one(self, key: TicketKey) -> DriftTicket | None:
        mine = (each for each in self._tickets.values() if each.open and each.key == key)
        return next(mine, None)

    def _write(
        self, number: str, event: TicketEvent, step: str, body: Mapping[str, object]
    ) -> DriftTicket:
        entry = self._ledger.write(ENTRY + event.value, body, number, step)
        before = self._tickets.get(number)
        after = fold_ticket(before, number, entry.kind, entry.at, entry.body)
        self._tickets[number] = after
        return after


class MemoryComplianceMonths:
    """The months without a database."""

    def __init__(self, ledger: Writing, audits: EndedAudits, ended: Callable[[], set[str]]) -> None:
        """``ended`` gives the ids of audits that are over."""
        self._ledger = ledger
        self._audits = audits
        self._ended = ended
        self._months: dict[Month, FleetMonth] = {}

    def audits(self, starts: datetime, ends: datetime) -> tuple[str, ...]:
        """Ids of the audits that began in that time and have ended, in the journal's order."""
        return tuple(each.id for each in self._over() if starts <= each.at < ends)

    def audited(self, audit: str) -> frozenset[str]:
        """The hosts of which that audit has findings."""
        mine = (each for each in self._audits() if each.id == audit)
        hosts = (host for each in mine for host in each.hosts)
        return frozenset(host.host for host in hosts if host.state is AuditState.AUDITED)

    def first_audit(self) -> datetime | None:
        """When the oldest audit that has ended began; None without any."""
        return min((each.at.astimezone(UTC) for each in self._over()), default=None)

    def close_month(self, fleet: FleetMonth) -> FleetMonth:
        """Record a month for good; the month as it stands in the ledger."""
        with self._ledger.lock:
            if fleet.month not in self._months:
                body: dict[str, object] = {
                    "month": str(fleet.month),
                    "registered": fleet.registered,
                    "audited": fleet.audited,
                    "compliant": fleet.compliant,
                    "devices": [
                        {"host": each.device.host, "standing": each.standing.value}
                        for each in fleet.devices
                    ],
                }
                entry = self._ledger.write(MONTH_CLOSED, body, "compliance", str(fleet.month))
                self._months[fleet.month] = replace(fleet, closed_at=entry.at)
            return self._months[fleet.month]

    def month(self, month: Month) -> FleetMonth | None:
        """A closed month; None when it was not closed."""
        return self._months.get(month)

    def months(self) -> tuple[Month, ...]:
        """All closed months, oldest first."""
        return tuple(sorted(self._months))

    def _over(self) -> list[Audit]:
        over = self._ended()
        return [each for each in self._audits() if each.id in over]
