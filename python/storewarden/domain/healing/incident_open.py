# SPDX-License-Identifier: GPL-3.0-or-later
"""From decisions to incidents: one per fault, joined by every further alert of it.

What was refused, observed or over by itself is nobody's work, and opens nothing. A storm and a
store's fault open one incident for all their alerts, whatever was decided about each of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from storewarden.domain.healing.incident import Incident, Joined, Opened
from storewarden.domain.healing.record import Decision, Occurrence, Reason, Verdict
from storewarden.domain.healing.rule import Impact, Kind, Rule
from storewarden.domain.healing.world import World

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
    summary: Reason


def incident_name(decision: Decision) -> str:
    """The fault that a decision speaks of; "" when it is nobody's work."""
    if decision.incident and decision.verdict in _WORK | {Verdict.SUPPRESS}:
        return decision.incident
    if decision.verdict not in _WORK:
        return ""
    where = ",".join(decision.hosts) or "?"
    return f"rule:{decision.rule}@{where}"


def faults_of(
    decided: Iterable[tuple[Occurrence, Decision]], rules: Iterable[Rule], world: World
) -> tuple[Fault, ...]:
    """The faults of these decisions, by name; alerts in the order of their arrival."""
    known = {rule.name: rule for rule in rules}
    groups: dict[str, list[tuple[Occurrence, Decision]]] = {}
    for pair in sorted(decided, key=lambda each: (each[0].number, each[0].key)):
        name = incident_name(pair[1])
        if name:
            groups.setdefault(name, []).append(pair)
    return tuple(_fault(name, groups[name], known, world) for name in sorted(groups))


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
        new = tuple(key for key in fault.occurrences if key not in set(found.occurrences))
        if new:
            joined[found.number] = Joined(
                occurrences=new,
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
    )


def _fault(
    name: str,
    pairs: list[tuple[Occurrence, Decision]],
    rules: Mapping[str, Rule],
    world: World,
) -> Fault:
    found = [rules[each.rule] for _, each in pairs if each.rule in rules]
    shared = name.startswith(("store:", "storm:"))
    impacts = [rule.impact for rule in found]
    priority = Impact.HIGH if shared else min(impacts, key=_RANK.index, default=Impact.MEDIUM)
    kind = Kind.DOWN if name.startswith("store:") or not found else found[0].kind
    hosts = tuple(dict.fromkeys(host for _, each in pairs for host in each.hosts))
    devices = (world.devices.get(host) for host in hosts)
    items = tuple(dict.fromkeys(each.ci for each in devices if each is not None and each.ci))
    return Fault(
        name=name,
        rule=pairs[0][1].rule,
        kind=kind,
        priority=priority,
        began_at=min(occurrence.alert.starts_at for occurrence, _ in pairs),
        hosts=hosts,
        items=items,
        occurrences=tuple(occurrence.key for occurrence, _ in pairs),
        summary=pairs[0][1].reasons[0],
    )
