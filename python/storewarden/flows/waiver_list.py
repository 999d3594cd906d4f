# SPDX-License-Identifier: GPL-3.0-or-later
"""The site's waivers as they stand today, against the inventory and the controls of today."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from storewarden.domain.baseline.control import Severity
from storewarden.domain.baseline.waiver import Waiver
from storewarden.domain.baseline.waiver_state import WaiverLine, waiver_lines
from storewarden.domain.estate.device import read_estate
from storewarden.flows.audit_ready import device_facts
from storewarden.ports.clock import Clock
from storewarden.ports.content import Content
from storewarden.ports.inventory import Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverListParts:
    """What listing takes. ``read`` raises ConfigInvalid for a waiver that is malformed."""

    inventory: Inventory
    content: Content
    clock: Clock
    read: Callable[[Mapping[str, Severity]], tuple[Waiver, ...]]
    zone_known: Callable[[str], bool]
    sources: Sequence[Path | str]
    extra_controls: tuple[Path, ...]
    vault_password: Path | None
    zone: tzinfo


def list_waivers(parts: WaiverListParts) -> tuple[WaiverLine, ...]:
    """All waivers, the most urgent first.

    Raises ConfigInvalid with file and line for one that is malformed.
    """
    catalogue = parts.content.controls((), extra=parts.extra_controls)
    waivers = parts.read({control.id: control.severity for control in catalogue})
    if not waivers:
        return ()
    found = parts.inventory.resolve(parts.sources, limit="", vault_password=parts.vault_password)
    facts = device_facts(found, read_estate(found.hosts, parts.zone_known))
    today = parts.clock.now().astimezone(parts.zone).date()
    return waiver_lines(waivers, tuple(facts.values()), today)
