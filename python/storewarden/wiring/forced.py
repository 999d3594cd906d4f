# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixes by force at one site: who asks for them, and what carries them out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from storewarden.domain.baseline.control import Control
from storewarden.domain.change.people import CLOCK
from storewarden.flows.forced_fix import ForcedFix, ForcedParts
from storewarden.ports.engine import Duty
from storewarden.ports.forced import ForcedOrder, ForcedOutcome
from storewarden.wiring.baseline import compliance_parts
from storewarden.wiring.changes import change_windows

if TYPE_CHECKING:  # what is behind it costs 0.3 s
    from storewarden.wiring.site import Site


class SiteHarden:
    """``storewarden harden start``, asked for by "storewarden" itself."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def refusal(self, order: ForcedOrder) -> str:
        """Why the change does not cover the order now."""
        from storewarden.wiring.harden import standing_refusal  # noqa: PLC0415 - few need it

        return standing_refusal(self._site, order.change, order.hosts)

    def waits(self, order: ForcedOrder) -> str:
        """Why it is not the time for it: the windows of its devices alone."""
        change = self._site.changes.change(order.change)
        if change is None:
            return "there is no such change"
        items = tuple(item for item in change.draft.items if item.host in set(order.hosts))
        narrow = replace(change, draft=replace(change.draft, items=items))
        return change_windows(self._site).judge_start(narrow, self._site.clock.now()).forbidden

    def start(self, order: ForcedOrder) -> ForcedOutcome:
        """Do it as a run of the standing change."""
        from storewarden.wiring.harden import HardenOptions, start  # noqa: PLC0415 - few need it

        options = HardenOptions(
            change=order.change,
            limit=",".join(order.hosts),
            controls=order.controls,
            max_risk=order.max_risk,
            by=CLOCK.id,
        )
        report = start(self._site, options, self._site.change_desk(CLOCK))
        found = report.conclusion
        left = tuple(host for host in found.left if host not in set(found.open))
        said = "; ".join(report.troubles) or report.session
        return ForcedOutcome(well=found.well, left=left, open=found.open, said=said)


def forced_duties(site: Site) -> tuple[Duty, ...]:
    """What the controller does about devices that were bad two months running."""
    config = site.config.compliance
    if not (config.forced_fix and site.config.inventory):
        return ()

    def controls() -> dict[str, Control]:
        found = site.content.controls((), extra=site.config.audit.controls_dirs)
        return {control.id: control for control in found}

    parts = ForcedParts(
        months=compliance_parts(site),
        controls=controls,
        desk=lambda: site.change_desk(CLOCK),
        harden=SiteHarden(site),
        standing=config.standing_change or "",
        owner=config.owner,
    )
    return (ForcedFix(parts),)
