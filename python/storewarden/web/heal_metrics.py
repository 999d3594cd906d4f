# SPDX-License-Identifier: GPL-3.0-or-later
"""What monitoring may know of healing: alerts by stage, repairs by their end, incidents and their
clocks. A few cheap questions: counts, what is open, the repairs of a day."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client.core import GaugeMetricFamily, Metric

from storewarden.domain.healing.incident import IncidentState
from storewarden.domain.healing.record import End, Stage
from storewarden.domain.healing.rule import Impact
from storewarden.flows.heal_pause import holding
from storewarden.flows.incident_view import Mark, look_at
from storewarden.wiring import Site
from storewarden.wiring.incidents import incident_policy

_DAY = timedelta(days=1)
_OPEN = tuple(each for each in IncidentState if each is not IncidentState.CLOSED)
_RUNNING = (Mark.RUNNING, Mark.WARNED, Mark.BREACHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class HealCounts:
    """Numbers of one moment. ``repaired`` counts hosts of the repairs of the last day, by end;
    ``incidents`` by priority and state, ``clocks`` those that run, by clock and mark."""

    stages: Mapping[Stage, int]
    repaired: Mapping[End, int]
    incidents: Mapping[tuple[Impact, IncidentState], int]
    clocks: Mapping[tuple[str, Mark], int]
    pauses: int


def heal_counts(site: Site, now: datetime) -> HealCounts:
    """Count. Raises LedgerConflict and AdapterError."""
    book, policy = site.ledger.alerts, incident_policy(site)
    looks = [look_at(each, policy, now) for each in site.ledger.incidents.open_ones()]
    ends = (end for repair in book.repairs(since=now - _DAY) for end in repair.ends)
    running = (clock for look in looks for clock in look.clocks if clock.runs)
    return HealCounts(
        stages=book.counts(),
        repaired=Tally(each.end for each in ends),
        incidents=Tally((look.incident.priority, look.incident.state) for look in looks),
        clocks=Tally((each.clock.value, each.mark) for each in running),
        pauses=len(holding(site.ledger.heal_pauses, now)),
    )


def heal_metrics(counts: HealCounts) -> Iterator[Metric]:
    """The same as metrics; what there is none of is 0, so that an alert on it can be written."""
    alerts = GaugeMetricFamily("storewarden_alerts", "Alerts by stage.", labels=("stage",))
    for stage in Stage:
        alerts.add_metric((stage.value,), counts.stages.get(stage, 0))
    yield alerts
    about = "Hosts of the repairs of the last 24 h, by their end."
    repaired = GaugeMetricFamily("storewarden_repairs_day", about, labels=("end",))
    for end in End:
        repaired.add_metric((end.value,), counts.repaired.get(end, 0))
    yield repaired
    about = "Incidents that are not closed."
    open_ = GaugeMetricFamily("storewarden_incidents_open", about, labels=("priority", "state"))
    for priority in Impact:
        for state in _OPEN:
            found = counts.incidents.get((priority, state), 0)
            open_.add_metric((priority.value, state.value), found)
    yield open_
    yield _clocks(counts)
    about = "Rules, actions and sources that people have paused."
    yield GaugeMetricFamily("storewarden_heal_pauses", about, value=float(counts.pauses))


def _clocks(counts: HealCounts) -> Metric:
    about = "Promises of open incidents that are still to be kept."
    family = GaugeMetricFamily("storewarden_incident_clocks", about, labels=("clock", "state"))
    for clock in ("answer", "solve"):
        for mark in _RUNNING:
            family.add_metric((clock, mark.value), counts.clocks.get((clock, mark), 0))
    return family
