# SPDX-License-Identifier: GPL-3.0-or-later
"""Planning rollouts at one site: its inventory, its calendars, its payloads and gates, joined::

    with open_site(config) as site:
        spec = read_file(Path("tills.yml"))
        report = look_ahead(site, spec, RolloutPlanOptions(limit="region_east"))
        print(report.schedule.done, [kept.deadline for kept in report.missed])

Nothing here starts anything or writes; the ledger is opened for a change alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

import storewarden
from storewarden.domain.change.record import Change
from storewarden.domain.rollout.deadlines import RiskClass
from storewarden.domain.rollout.spec import RolloutSpec
from storewarden.flows.rollout_plan import (
    RolloutPlanParts,
    RolloutPlanRequest,
    plan_rollout,
    wanted_soak,
)
from storewarden.ports.reports import Page
from storewarden.ports.rollout_reports import RolloutPlanFormat, RolloutPlanReport
from storewarden.wiring.baseline import working_days
from storewarden.wiring.windows import almanac

if TYPE_CHECKING:  # what is behind it costs 0.3 s, and --help needs none of it
    from storewarden.wiring.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlanOptions:
    """What one look ahead is asked for beyond its file. ``inventory`` replaces the site's
    sources; ``soak`` and ``emergency`` what the file says; ``start`` is from when on it is
    planned; ``store`` is whose fate is told in full."""

    change: str = ""
    inventory: tuple[Path | str, ...] = ()
    limit: str = ""
    emergency: bool = False
    soak: timedelta | None = None
    start: datetime | None = None
    risk: RiskClass = RiskClass.MEDIUM
    store: str = ""
    consent: frozenset[str] = frozenset()
    file: str = ""
    summary: Mapping[str, str] = field(default_factory=dict)


def look_ahead(site: Site, spec: RolloutSpec, options: RolloutPlanOptions) -> RolloutPlanReport:
    """The plan with its dates. Raises ConfigInvalid for what is not there."""
    config = site.config
    request = RolloutPlanRequest(
        spec=spec,
        sources=options.inventory or config.inventory,
        limit=options.limit,
        change=options.change,
        emergency=options.emergency,
        soak=None if options.soak is None else wanted_soak(options.soak),
        start=options.start,
        risk=options.risk,
        store=options.store,
        consent=options.consent,
        file=options.file,
        summary=options.summary,
        site=config.site.name,
        version=storewarden.__version__,
        zone=ZoneInfo(config.site.timezone),
        vault_password=config.secrets.vault_password_file,
    )
    return plan_rollout(_parts(site), request)


def rendered(report: RolloutPlanReport, shape: RolloutPlanFormat, page: Page) -> str:
    """The text of a plan."""
    from storewarden.adapters.reports.rollout_plan import renderer  # noqa: PLC0415

    return renderer(shape)(report, page)


def _parts(site: Site) -> RolloutPlanParts:
    return RolloutPlanParts(
        inventory=site.inventory,
        clock=site.clock,
        almanac=lambda: almanac(site),
        zone_known=available_timezones().__contains__,
        works=lambda: working_days(site),
        change=lambda number: _change(site, number),
        pos_roles=frozenset(site.config.windows.pos_roles),
    )


def _change(site: Site, number: str) -> Change | None:
    site.require_ledger()
    return site.changes.change(number)
