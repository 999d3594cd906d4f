# SPDX-License-Identifier: GPL-3.0-or-later
"""Incidents and pauses of one site: what is asked of them, joined with the ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from storewarden.domain.healing.sla import IncidentPolicy
from storewarden.flows.heal_figures import HealFigures, figures
from storewarden.flows.heal_pause import Known, PauseOrders
from storewarden.flows.incident_duty import INCIDENTS
from storewarden.flows.incident_orders import IncidentParts
from storewarden.flows.incident_view import IncidentLook, whole_look
from storewarden.wiring.changes import change_rules
from storewarden.wiring.healing import Healing

if TYPE_CHECKING:
    from datetime import datetime

    from storewarden.domain.change.people import Person
    from storewarden.domain.healing.incident import Incident
    from storewarden.wiring.site import Site


def incident_policy(site: Site) -> IncidentPolicy:
    """What the site's incidents are held to."""
    return site.config.healing.incidents.policy


def incident_parts(site: Site, wake: Callable[[str], None] = lambda _duty: None) -> IncidentParts:
    """What people's orders to incidents take."""
    return IncidentParts(
        book=site.ledger.incidents,
        clock=site.clock,
        rules=change_rules(site),
        policy=incident_policy(site),
        language=site.config.site.language,
        wake=lambda: wake(INCIDENTS),
    )


def whole_incident(site: Site, incident: Incident) -> IncidentLook:
    """One incident with its alerts and repairs, as it stands now."""
    policy, now = incident_policy(site), site.clock.now()
    return whole_look(incident, site.ledger.alerts, policy, now)


def pause_orders(site: Site, person: Person) -> PauseOrders:
    """A person's word about pauses. Nothing is read before a name is asked for, so that a mistake
    in the rules does not keep anybody from pausing an action or a source."""
    healing = Healing(site)
    known: Known = {
        "rule": lambda: {each.name for each in healing.rules},
        "action": lambda: set(healing.actions),
        "source": lambda: set(site.config.healing.sources),
    }
    return PauseOrders(site.ledger.heal_pauses, known, site.clock, person)


def heal_figures(site: Site, begin: datetime) -> HealFigures:
    """How healing did from ``begin`` until now, and who has earned mode auto."""
    from storewarden.domain.healing.statistics import promotions  # noqa: PLC0415

    healing, now = Healing(site), site.clock.now()
    earned = promotions(healing.standings(now), healing.policy)
    return figures(site.ledger.alerts, begin, now, earned)
