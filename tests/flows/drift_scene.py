# SPDX-License-Identifier: GPL-3.0-or-later
"""A site of fakes that is audited day by day, with everything that follows from audits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from storewarden.domain.baseline.compliance import Registered
from storewarden.domain.baseline.drift_ticket import DriftTicket
from storewarden.domain.baseline.waiver import Waiver
from storewarden.domain.baseline.workdays import monday_to_friday
from storewarden.flows.audit_report import ReportRequest, recorded_report
from storewarden.flows.compliance import ComplianceParts
from storewarden.flows.drift_tickets import DriftParts, judge_pending
from storewarden.ports.reports import AuditReport
from storewarden.testing.ledger import MemoryLedger
from tests.flows.audit_site import Site, answered

ZONE = ZoneInfo("Asia/Shanghai")
BAD_A = {"A01": ("fail", "8")}
BAD_B = {"B01": ("fail", ["yes"])}


class Scene(Site):
    """``known`` is the ledger in memory; ``gone`` are hosts that left the inventory."""

    def __init__(self, hosts: int = 2) -> None:
        super().__init__(hosts=hosts)
        self.known = MemoryLedger(self.clock)
        self.ledger = self.known
        self.gone: set[str] = set()

    def _waivers(self, *_catalogue_and_estate: object) -> tuple[Waiver, ...]:
        return self.waivers  # also after a control was removed

    def fails(self, host: str, verdicts: Mapping[str, tuple[str, object]]) -> None:
        """What the host answers from now on, where it differs from all is well."""
        self.answers[host] = answered(verdicts)

    def look(self, days: float = 1, **changes: object) -> AuditReport:
        """An audit ``days`` later, without what follows from it."""
        self.clock.advance(timedelta(days=days))
        return self.audit(zone=ZONE, **changes)

    def day(self, days: float = 1, **changes: object) -> AuditReport:
        """An audit ``days`` later, judged."""
        report = self.look(days, **changes)
        judge_pending(self.drift)
        return report

    def report(self, audit: str) -> AuditReport:
        """A recorded audit again."""
        return recorded_report(self.ledger, self.content, ReportRequest(audit=audit, zone=ZONE))

    @property
    def drift(self) -> DriftParts:
        """What judging takes."""
        return DriftParts(
            ledger=self.known,
            book=self.known.drift_tickets,
            audits=self.known.compliance,
            report=self.report,
            works=lambda: monday_to_friday,
            clock=self.clock,
            zone=ZONE,
        )

    @property
    def months(self) -> ComplianceParts:
        """What months take."""
        return ComplianceParts(
            ledger=self.known,
            book=self.known.compliance,
            drift=self.known.drift_tickets,
            report=self.report,
            registered=self.registered,
            works=lambda: monday_to_friday,
            clock=self.clock,
            zone=ZONE,
        )

    def registered(self) -> Sequence[Registered]:
        """The inventory of today."""
        names = (f"h{n}" for n in range(self.inventory.count))
        return [Registered(host=name, item=name.upper()) for name in names if name not in self.gone]

    @property
    def open(self) -> tuple[DriftTicket, ...]:
        """Tickets that are open."""
        return self.known.drift_tickets.open_tickets()

    def told(self) -> list[tuple[str, str]]:
        """Host and control of what is open."""
        return sorted((each.key.host, each.key.control) for each in self.open)
