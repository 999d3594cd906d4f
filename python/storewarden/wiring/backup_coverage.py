# SPDX-License-Identifier: GPL-3.0-or-later
"""Coverage and gaps of one site's backups: its estate, its policies, its catalog, its inbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from storewarden.domain.backup.catalog import Catalog, Location, Target
from storewarden.domain.backup.catalog_events import HoldChanged
from storewarden.domain.backup.policy import Method, with_controller
from storewarden.domain.errors import ConfigInvalid
from storewarden.flows.backup_coverage import (
    CoverageParts,
    Wish,
    coverage_of,
    horizon,
    standings_of,
)
from storewarden.flows.backup_duty import split
from storewarden.flows.backup_gaps import GapParts
from storewarden.ports.backup_reports import CoveragePlace, CoverageReport
from storewarden.ports.reports import Language
from storewarden.wiring.backup import groups_by_host, policies
from storewarden.wiring.estate_source import EstateSource
from storewarden.wiring.here import operator

if TYPE_CHECKING:
    from storewarden.adapters.reports.backup_coverage_table import CoverageTable
    from storewarden.config.backup import BackupConfig
    from storewarden.domain.backup.freshness import Standing
    from storewarden.domain.backup.policy import Policy
    from storewarden.domain.estate.device import Device
    from storewarden.wiring.site import Site


def locations_of(config: BackupConfig) -> dict[str, Location]:
    """The site's places for copies, as proofs need them."""
    return {
        name: Location(
            name=name,
            medium=each.medium,
            credentials=each.credentials,
            point=(each.point[0], each.point[1]) if each.point else None,
        )
        for name, each in config.locations.items()
    }


def coverage_parts(site: Site, estate: EstateSource | None = None) -> CoverageParts:
    """What coverage asks. Raises ConfigInvalid, also when the settings name no policies."""
    found = (estate or EstateSource(site))()
    groups, wanted = groups_by_host(found.inventory.groups), policies(site)
    since = site.clock.now() - horizon(wanted)
    network = frozenset(network_targets(found.devices, wanted, groups))
    book = site.ledger.backups

    def catalogs(targets: Sequence[Target]) -> Mapping[Target, Catalog]:
        # A device whose configuration stays the same for years has an old set, seen yesterday.
        devices = [each for each in targets if each in network]
        others = [each for each in targets if each not in network]
        recent = book.catalogs(since=since, targets=others)
        return {**recent, **(split(book.of(devices), devices) if devices else {})}

    return CoverageParts(
        devices=with_controller(found.devices, wanted),
        policies=wanted,
        groups=lambda host: groups.get(host, ()),
        catalogs=catalogs,
        locations=locations_of(site.config.backup),
    )


def network_targets(
    devices: Sequence[Device], wanted: Sequence[Policy], groups: Mapping[str, tuple[str, ...]]
) -> tuple[Target, ...]:
    """Devices whose configuration is read, by policy."""
    return tuple(
        Target(host=device.name, policy=policy.id)
        for policy in wanted
        if policy.method is Method.NETWORK
        for device in devices
        if policy.binds(device, groups.get(device.name, ()))
    )


def coverage(site: Site, wish: Wish) -> CoverageReport:
    """How the targets stand that are asked for. Raises ConfigInvalid for what there is not."""
    parts = coverage_parts(site)
    known = (
        ("--host", wish.host, {each.name for each in parts.devices}),
        ("--store", wish.store, {each.store for each in parts.devices}),
        ("--policy", wish.policy, {each.id for each in parts.policies}),
    )
    for option, asked, there in known:
        if asked and asked not in there:
            raise ConfigInvalid(f"there is no {option[2:]} {asked}", where=option)
    return coverage_of(parts, site.clock.now(), wish)


def coverage_page(site: Site, report: CoverageReport, language: Language) -> str:
    """The report as one HTML file."""
    from storewarden.adapters.reports.backup_coverage_html import render  # noqa: PLC0415 - jinja2

    place = CoveragePlace(
        site=site.config.site.name or "", zone=ZoneInfo(site.config.site.timezone)
    )
    return render(report, place, language)


def coverage_table(
    report: CoverageReport, language: Language, zone: tzinfo, *, everything: bool = False
) -> CoverageTable:
    """The report as tables and lines."""
    from storewarden.adapters.reports import backup_coverage_table as shown  # noqa: PLC0415

    return shown.coverage_table(report, language, zone, everything=everything)


def coverage_data(report: CoverageReport, *, only_bad: bool = False) -> dict[str, Any]:
    """The report as JSON data."""
    from storewarden.adapters.reports import backup_coverage_table as shown  # noqa: PLC0415

    return shown.coverage_data(report, only_bad=only_bad)


def change_hold(site: Site, ident: str, reason: str, *, on: bool) -> bool | None:
    """Put a set under legal hold or release it; whether that changed anything, None when there is
    no such set. Who asks is who the system says it is."""
    book = site.ledger.backups
    found = book.set(ident)
    if found is None:
        return None
    now = site.clock.now()
    book.record([HoldChanged(set=ident, at=now, hold=on, by=operator(), reason=reason)])
    return found.hold is not on


def gap_parts(
    site: Site, estate: EstateSource | None = None, decides: Callable[[], None] = lambda: None
) -> GapParts:
    """What ``flows.backup_gaps.tell_gaps`` takes. Nothing is read yet."""
    source = estate or EstateSource(site)

    def standings(now: datetime) -> Sequence[Standing]:
        return standings_of(coverage_of(coverage_parts(site, source), now))

    return GapParts(standings=standings, inbox=site.ledger.alerts, decides=decides)
