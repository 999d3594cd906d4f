# SPDX-License-Identifier: GPL-3.0-or-later
"""Incidents are opened in the step that decides: "a person is called" is never said of an alert
that has no incident.

Whoever decides about alerts lets its decision go through ``calling``: what was decided, what ended
with a person and what a person took over is looked at under the same lock, and the incident of each
fault is opened, or joined, with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from storewarden.domain.estate.device import Device
from storewarden.domain.healing.events import STOREWARDEN, AlertEvent, Decided, Denied, Moved
from storewarden.domain.healing.incident import (
    Happening,
    Incident,
    IncidentEvent,
    IncidentState,
    dependents_of,
)
from storewarden.domain.healing.incident_open import (
    faults_of,
    incident_name,
    incidents_for,
    is_shared,
)
from storewarden.domain.healing.record import Decision, Occurrence, Reason, Stage, Verdict
from storewarden.domain.healing.rule import Rule
from storewarden.ports.healing import DecideAlerts, Numbers, Settled


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFacts:
    """What an incident says beyond its alerts: rules give kind and priority, ``devices`` (by name)
    the configuration items, and ``depends`` what depends on an item. Asked when there is one."""

    rules: Callable[[], tuple[Rule, ...]] = lambda: ()
    devices: Callable[[], Mapping[str, Device]] = dict
    depends: Callable[[], Mapping[str, Sequence[str]]] = dict


def read_ahead(facts: IncidentFacts) -> IncidentFacts:
    """The same, with the devices read now: an inventory takes long, and everybody waits for whoever
    holds the ledger's lock."""
    devices = facts.devices()
    return replace(facts, devices=lambda: devices)


def calling(decide: DecideAlerts, facts: IncidentFacts) -> DecideAlerts:
    """The same decision, with the incidents that follow from it."""

    def decided(there: Mapping[str, Occurrence], numbers: Numbers) -> Settled:
        settled = decide(there, numbers)
        told = tuple(_followed(there, settled.events, numbers, facts))
        return replace(settled, incidents=(*settled.incidents, *told)) if told else settled

    return decided


def _followed(
    there: Mapping[str, Occurrence],
    events: Sequence[AlertEvent],
    numbers: Numbers,
    facts: IncidentFacts,
) -> Iterator[IncidentEvent]:
    found = (pair for event in events for pair in _pair(there.get(event.key), event))
    pairs = [pair for pair in found if incident_name(pair[1])]
    if not pairs:  # nobody's work: most alerts of a storm of strangers
        return
    known, now = numbers.open_incidents(), max(event.at for event in events)
    left = _without(pairs, known.values())
    faults = faults_of(left, facts.rules(), facts.devices()) if left else ()
    depends = facts.depends()
    plan = incidents_for(
        faults, known, numbers.incident, lambda items: dependents_of(items, depends)
    )
    for opened in plan.opened:
        yield _event(opened.number, opened, now)
    for number, joined in plan.joined.items():
        yield _event(number, joined, now)


def _pair(
    occurrence: Occurrence | None, event: AlertEvent
) -> Iterator[tuple[Occurrence, Decision]]:
    """What was decided about an alert, as far as it makes an incident."""
    if occurrence is None:
        return
    what = event.what
    if isinstance(what, Decided):
        yield occurrence, _named(occurrence, what.decision)
    elif isinstance(what, Moved) and what.stage is Stage.ESCALATED:
        reason = Reason(guard="repair", en=what.reason, zh=what.reason_zh or what.reason)
        yield occurrence, _called(occurrence, reason, event.at)
    elif isinstance(what, Denied):
        reason = Reason(
            guard="person", en=f"{event.by}: {what.reason}", zh=f"{event.by}：{what.reason}"
        )
        yield occurrence, _called(occurrence, reason, event.at)


def _called(occurrence: Occurrence, reason: Reason, at: datetime) -> Decision:
    """A person has it: the decision that it comes to."""
    before = occurrence.decision or Decision(verdict=Verdict.ESCALATE, at=at)
    called = replace(before, verdict=Verdict.ESCALATE, at=at, reasons=(reason,), due=None)
    return _named(occurrence, called)


def _named(occurrence: Occurrence, decision: Decision) -> Decision:
    """The same, with a fault's name for a person's work that no rule gives one: else all alerts
    that nobody can decide about would be one fault."""
    if decision.rule or not incident_name(decision) or decision.incident:
        return decision
    return replace(decision, incident=f"alert:{occurrence.alert.name}")


def _without(
    pairs: Sequence[tuple[Occurrence, Decision]], known: Iterable[Incident]
) -> list[tuple[Occurrence, Decision]]:
    """Those that have to open or join an incident.

    An alert that people work on already needs no other incident, except that of a storm or a
    store's fault; of one that was held for solved, it is the same incident that is open again. An
    alert that is held back still for the same fault says nothing new: it does not open what a
    person has solved.
    """
    mine = {key: each for each in known for key in each.occurrences}
    found = list[tuple[Occurrence, Decision]]()
    for occurrence, decision in pairs:
        there = mine.get(occurrence.key)
        if there is not None and _held_still(occurrence, decision, there):
            continue
        if there is None or is_shared(incident_name(decision)):
            found.append((occurrence, decision))
        elif there.state is IncidentState.SOLVED:
            found.append((occurrence, replace(decision, incident=there.name)))
    return found


def _held_still(occurrence: Occurrence, decision: Decision, there: Incident) -> bool:
    held = occurrence.stage is Stage.SUPPRESSED and decision.verdict is Verdict.SUPPRESS
    # What its alerts solved was over: one that is held back again after that fires again.
    return held and there.name == incident_name(decision) and there.solved_by != STOREWARDEN


def _event(number: str, what: Happening, now: datetime) -> IncidentEvent:
    return IncidentEvent(number=number, at=now, what=what)
