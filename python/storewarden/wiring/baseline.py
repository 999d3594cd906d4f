# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from audits at one site: drift tickets, closed months, waivers as they stand.

Both the controller and a single ``storewarden audit`` do what is due: the ledger says what is
left, so it does not matter which of them comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from storewarden.domain.baseline.compliance import FleetMonth, Month, Registered
from storewarden.domain.baseline.waiver_state import WaiverLine
from storewarden.domain.baseline.workdays import Works, monday_to_friday
from storewarden.domain.errors import ConfigInvalid, StorewardenError
from storewarden.domain.maintenance.holiday import DaysOff
from storewarden.flows.compliance import ComplianceParts, close_months, fleet_month
from storewarden.flows.compliance_duty import MonthClosing
from storewarden.flows.drift_tickets import DriftParts, DriftTickets, judge_pending
from storewarden.flows.waiver_list import WaiverListParts, list_waivers
from storewarden.ports.compliance import MonthFormat, MonthsPage
from storewarden.ports.engine import Duty
from storewarden.ports.reports import AuditReport, Remark

if TYPE_CHECKING:  # what is behind them costs 0.3 s, and --help needs none of it
    from storewarden.wiring.site import Site


def drift_parts(site: Site, known: AuditReport | None = None) -> DriftParts:
    """What judging audits takes; ``known`` is a report that need not be made again."""

    def report(audit: str) -> AuditReport:
        return known if known is not None and known.audit.id == audit else site.report(audit)

    return DriftParts(
        ledger=site.ledger,
        book=site.ledger.drift_tickets,
        audits=site.ledger.compliance,
        report=report,
        works=lambda: working_days(site),
        clock=site.clock,
        zone=ZoneInfo(site.config.site.timezone),
    )


def compliance_parts(site: Site) -> ComplianceParts:
    """What a month takes."""
    return ComplianceParts(
        ledger=site.ledger,
        book=site.ledger.compliance,
        drift=site.ledger.drift_tickets,
        report=site.report,
        registered=lambda: registered(site),
        works=lambda: working_days(site),
        clock=site.clock,
        zone=ZoneInfo(site.config.site.timezone),
        tickets=site.config.compliance.drift_tickets,
    )


def baseline_duties(site: Site) -> tuple[Duty, ...]:
    """What the controller does about audits."""
    drift = (DriftTickets(drift_parts(site)),) if site.config.compliance.drift_tickets else ()
    return (*drift, *((MonthClosing(compliance_parts(site)),) if site.config.inventory else ()))


def after_audit(site: Site, report: AuditReport) -> AuditReport:
    """Bring tickets and months up to date; a report that says so when that cannot be done.

    The audit itself is recorded: whatever fails here is done by the next audit or the
    controller.
    """
    if report.unrecorded:
        return report
    try:
        if site.config.compliance.drift_tickets:
            judge_pending(drift_parts(site, report))
        if site.config.inventory:
            close_months(compliance_parts(site))
    except StorewardenError as error:
        late = Remark(key="tickets_late", facts={"error": str(error)})
        return replace(report, warnings=(*report.warnings, late))
    return report


def month_report(site: Site, month: Month) -> FleetMonth:
    """A month as it was closed, or as it stands."""
    return fleet_month(compliance_parts(site), month)


def rendered_months(fleets: Sequence[FleetMonth], shape: MonthFormat, page: MonthsPage) -> str:
    """The text of a report about these months."""
    from storewarden.adapters.reports.months import rendered  # noqa: PLC0415

    return rendered(fleets, shape, page)


def waivers_of(site: Site) -> tuple[WaiverLine, ...]:
    """The site's waivers; ConfigInvalid when it has no folder for them, or one is malformed."""
    from storewarden.adapters.waivers import read_waivers  # noqa: PLC0415

    config, place = site.config, site.config.audit.waivers_dir
    if place is None:
        raise ConfigInvalid(
            "the site keeps no waivers", where="audit.waivers_dir", hint="name a folder for them"
        )
    parts = WaiverListParts(
        inventory=site.inventory,
        content=site.content,
        clock=site.clock,
        read=lambda severities: read_waivers([place], severities),
        zone_known=available_timezones().__contains__,
        sources=config.inventory,
        extra_controls=config.audit.controls_dirs,
        vault_password=config.secrets.vault_password_file,
        zone=ZoneInfo(config.site.timezone),
    )
    return list_waivers(parts)


def registered(site: Site) -> tuple[Registered, ...]:
    """All devices of the inventory, in its order."""
    return tuple(
        Registered(
            host=device.name,
            item=device.ci,
            store=device.store,
            region=device.region,
            role=device.role,
        )
        for device in site.items.devices(("all",))
    )


def working_days(site: Site) -> Works:
    """Whether people work on a day: the holidays of the site's calendar that hold everywhere,
    with the weekend days that are worked for them; Monday to Friday without any."""
    from storewarden.adapters.calendars.folder import CalendarFolder  # noqa: PLC0415 - few need it
    from storewarden.adapters.calendars.public_holidays import CountryHolidays  # noqa: PLC0415

    folder = site.config.windows.windows_dir
    written = CalendarFolder().read(folder).holidays if folder is not None else ()
    requests = [request for request in written if request.scope.everything]
    if not requests:
        return monday_to_friday
    year = site.clock.now().year
    book = CountryHolidays(site.config.site.language)
    known = [book.days_off(request, (year - 1, year, year + 1)) for request in requests]
    return lambda day: _worked(known, day)


def _worked(known: Sequence[DaysOff], day: date) -> bool:
    return not any(days.off(day) for days in known)
