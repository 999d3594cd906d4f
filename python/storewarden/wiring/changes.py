# SPDX-License-Identifier: GPL-3.0-or-later
"""The desk of one site: its book, its rules, its inventory and its windows, joined."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from storewarden.flows.change_desk import DeskParts
from storewarden.flows.change_items import EstateItems
from storewarden.flows.change_windows import ChangeWindows

if TYPE_CHECKING:
    from storewarden.domain.change.rules import ApprovalRules
    from storewarden.wiring.site import Site


def change_rules(site: Site) -> ApprovalRules:
    """The site's rules; whether they are fit was asked when the settings were read."""
    return replace(site.config.changes.rules, zone=ZoneInfo(site.config.site.timezone))


def estate_items(site: Site) -> EstateItems:
    """What turns hosts and patterns into configuration items; made once, it remembers."""
    return EstateItems(
        site.inventory,
        site.config.inventory,
        clock=site.clock,
        zone_known=available_timezones().__contains__,
        vault_password=site.config.secrets.vault_password_file,
    )


def change_windows(site: Site) -> ChangeWindows:
    """What windows say to changes."""
    from storewarden.wiring.windows import almanac  # noqa: PLC0415 - holidays cost 0.1 s

    return ChangeWindows(lambda: site.items.devices(("all",)), lambda: almanac(site))


def desk_parts(site: Site) -> DeskParts:
    """What every desk of the site works with."""
    windows = change_windows(site)
    return DeskParts(
        book=site.changes,
        index=site.change_index,
        evidence=site.evidence,
        clock=site.clock,
        rules=change_rules(site),
        items=site.items,
        zone=ZoneInfo(site.config.site.timezone),
        prefix=site.config.changes.prefix,
        judge_start=windows.judge_start,
        next_window=windows.next_window,
        is_person=lambda name: site.people.person(name) is not None,
    )
