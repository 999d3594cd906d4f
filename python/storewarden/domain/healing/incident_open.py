# SPDX-License-Identifier: GPL-3.0-or-later
"""From decisions to incidents: one per fault, joined by every further alert of it.

What was refused, observed or over by itself is nobody's work, and opens nothing. A storm and a
store's fault open one incident for all their alerts, whatever was decided about each of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from storewarden.domain.estate.device import Device
from storewarden.domain.healing.incident import Incident, IncidentState, Joined, Needs, Opened
from storewarden.domain.healing.record import Decision, Occurrence, Reason, Verdict
from storewarden.domain.healing.rule import Impact, Kind, Rule

_WORK = frozenset({Verdict.ACT, Verdict.ASK, Verdict.ESCALATE})
_RANK = (Impact.HIGH, Impact.MEDIUM, Impact.LOW)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of a round of decisions, with everything that its incident needs."""

    name: str
    rule: str
    kind: Kind
    priority: Impact
    began_at: datetime
    hosts: tuple[str, ...]
    items: tuple[str, ...]
    occurrences: tuple[str, ...]
    summary: Reason | None
    needs: Needs = Needs.NOBODY


def is_shared(name: str) -> bool:
    """Whether a fault is one of many alerts at once: a storm, or a store's."""
    return name.startswith(("store:", "storm:"))


def incident_name(decision: Decision) -> str:
    """The fault that a decision speaks of; "" when it is nobody's work."""
    if decision.incident and decision.verdict in _WORK | {Verdict.SUPPRESS}:
        return decision.incident
    if decision.verdict not in _WORK:
        return ""
    where = ",".join(decision.hosts) or "?"
    return f"rule:{decision.rule}@{where}"


def faults_of(
    decided: Iterable[tuple[Occurrence, Decision]],
    rules: Iterable[Rule],
    devices: Mapping[str, Device],
) -> tuple[Fault, ...]:
    """The faults of these decisions, by name; alerts in the order of their arrival. ``devices``
    are the estate's, by name."""
    known = {rule.name: rule for rule in rules}
    groups: dict[str, list[tuple[Occurrence, Decision]]] = {}
    for pair in sorted(decided, key=lambda each: (each[0].number, each[0].key)):
        name = incident_name(pair[1])
        if name:
            groups.setdefault(name, []).append(pair)
    return tuple(_fault(name, groups[name], known, devices) for name in sorted(groups))


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentPlan:
    """What is to be told: ``opened`` are new ones, ``joined`` by the number of an open one."""

    opened: tuple[Opened, ...] = ()
    joined: Mapping[str, Joined] = field(default_factory=dict)


def incidents_for(
    faults: Iterable[Fault],
    known: Mapping[str, Incident],
    number: Callable[[], str],
    depends: Callable[[tuple[str, ...]], tuple[str, ...]] = lambda _items: (),
) -> IncidentPlan:
    """``known`` are incidents that are not closed, by name. ``number`` gives the next free number,
    ``depends`` what depends on configuration items (``incident.dependents_of``)."""
    opened: list[Opened] = []
    joined: dict[str, Joined] = {}
    for fault in faults:
        found = known.get(fault.name)
        if found is None or found.over:
            opened.append(_opening(fault, number(), depends(fault.items)))
            continue
        there = set(found.occurrences)
        new = tuple(key for key in fault.occurrences if key not in there)
        back = found.state is IncidentState.SOLVED  # one of its alerts fires again
        if new or back:
            joined[found.number] = Joined(
                occurrences=new or fault.occurrences,
                hosts=fault.hosts,
                items=fault.items,
                dependents=depends(fault.items),
            )
    return IncidentPlan(opened=tuple(opened), joined=joined)


def _opening(fault: Fault, number: str, dependents: tuple[str, ...]) -> Opened:
    return Opened(
        number=number,
        name=fault.name,
        rule=fault.rule,
        kind=fault.kind,
        priority=fault.priority,
        began_at=fault.began_at,
        hosts=fault.hosts,
        items=fault.items,
        dependents=dependents,
        occurrences=fault.occurrences,
        summary=fault.summary,
        needs=fault.needs,
    )


def _fault(
    name: str,
    pairs: list[tuple[Occurrence, Decision]],
    rules: Mapping[str, Rule],
    devices: Mapping[str, Device],
) -> Fault:
    found = [rules[each.rule] for _, each in pairs if each.rule in rules]
    shared = is_shared(name)
    impacts = [rule.impact for rule in found]
    priority = Impact.HIGH if shared else min(impacts, key=_RANK.index, default=Impact.MEDIUM)
    kind = Kind.DOWN if name.startswith("store:") or not found else found[0].kind
    hosts = tuple(dict.fromkeys(host for _, each in pairs for host in each.hosts))
    found_there = (devices.get(host) for host in hosts)
    items = tuple(dict.fromkeys(each.ci for each in found_there if each is not None and each.ci))
    return Fault(
        name=name,
        rule=pairs[0][1].rule,
        kind=kind,
        priority=priority,
        began_at=min(occurrence.began_at for occurrence, _ in pairs),
        hosts=hosts,
        items=items,
        occurrences=tuple(occurrence.key for occurrence, _ in pairs),
        summary=next(iter(pairs[0][1].reasons), None),
        needs=_needs({each.verdict for _, each in pairs}),
    )


def _needs(verdicts: set[Verdict]) -> Needs:
    """What a guard holds back for a storm's or a store's sake is left to a person."""
    if verdicts & {Verdict.ESCALATE, Verdict.SUPPRESS}:
        return Needs.PERSON
    return Needs.ANSWER if Verdict.ASK in verdicts else Needs.NOBODY
