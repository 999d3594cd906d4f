# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done about alerts: the one place where healing's decisions are made.

Pure: the world is in ``World``, the clock is ``now``. First every alert gets its rule and its host,
and is counted; then the guards are asked on facts; then those that may act get their places one
after the other, the most urgent first. The order in which alerts are given does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from storewarden.domain.healing.guards.failure_breaker import goes_alone
from storewarden.domain.healing.look import Look, Objection
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.record import Decision, Occurrence, Stage, Verdict
from storewarden.domain.healing.round import (
    blocks,
    budget_objections,
    decision_of,
    decision_of_settled,
    objections,
    settle,
    sighting,
    weigh_redundancy,
)
from storewarden.domain.healing.rule import Impact, Rule
from storewarden.domain.healing.tally import Batch, Tally
from storewarden.domain.healing.world import World

UNDECIDED = frozenset({Stage.RECEIVED, Stage.WAITING, Stage.ASKING, Stage.SUPPRESSED})
"""Stages in which an occurrence is decided about."""

_URGENCY = (Impact.HIGH, Impact.MEDIUM, Impact.LOW)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairPlan:
    """A repair to be opened: one action on a few hosts. ``change`` is its standing change."""

    action: str
    rule: str
    change: str
    hosts: tuple[str, ...]
    occurrences: tuple[str, ...]
    options: Mapping[str, object] = field(default_factory=dict)
    disruptive: bool = False
    canary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """``decisions`` by the key of the occurrence; each ACT is in exactly one of ``repairs``."""

    decisions: Mapping[str, Decision]
    repairs: tuple[RepairPlan, ...] = ()


def decide(
    occurrences: Iterable[Occurrence],
    rules: Sequence[Rule],
    world: World,
    policy: HealPolicy,
    now: datetime,
) -> Decisions:
    """One decision for each occurrence that is not decided yet; others are left out.

    ValueError when two of them have one key.
    """
    tally = Tally(world=world, policy=policy, now=now)
    made: dict[str, Decision] = {}
    looks: list[Look] = []
    for occurrence in _open(occurrences):
        found = settle(occurrence, rules, tally)
        if isinstance(found, Look):
            looks.append(found)
        else:
            made[occurrence.key] = decision_of_settled(found, tally)
    tally.see((*world.recent, *map(sighting, looks)))
    made |= _weighed(sorted(looks, key=_urgency), tally)
    return Decisions(decisions=dict(sorted(made.items())), repairs=_plans(tally))


def _open(occurrences: Iterable[Occurrence]) -> list[Occurrence]:
    found = [each for each in occurrences if each.stage in UNDECIDED]
    if len({each.key for each in found}) != len(found):
        raise ValueError("the same occurrence is given twice")
    return found


def _urgency(look: Look) -> tuple[int, datetime, int, str]:
    occurrence = look.occurrence
    place = _URGENCY.index(look.rule.impact)
    return place, occurrence.received_at, occurrence.number, occurrence.key


def _weighed(looks: Sequence[Look], tally: Tally) -> dict[str, Decision]:
    made: dict[str, Decision] = {}
    willing: list[tuple[Look, list[Objection]]] = []
    for look in looks:
        told = objections(look)
        if any(blocks(look, each) for each in told):
            made[look.occurrence.key] = decision_of(look, told)
        else:
            willing.append((look, told))
    weigh_redundancy((look for look, _ in willing), tally)
    for look, told in willing:
        made[look.occurrence.key] = _placed(look, told, tally)
    return made


def _placed(look: Look, told: list[Objection], tally: Tally) -> Decision:
    """A place in a repair, or what is against it."""
    batch = tally.taken.get(look.host)
    if batch is not None and batch.bundle == look.bundle:
        batch.occurrences.append(look.occurrence.key)
        return decision_of(look, told)
    told = [*told, *budget_objections(look)]
    decision = decision_of(look, told)
    if decision.verdict is not Verdict.ACT:
        return decision
    tally.take(look.host, look.occurrence.key, _batch(look, tally))
    return decision


def _batch(look: Look, tally: Tally) -> Batch:
    alone = goes_alone(look)
    found = None if alone else tally.open_for(look.bundle)
    return found or Batch(
        bundle=look.bundle,
        options=look.options,
        disruptive=look.action.disruptive,
        canary=alone,
    )


def _plans(tally: Tally) -> tuple[RepairPlan, ...]:
    return tuple(
        RepairPlan(
            action=batch.bundle[0],
            rule=batch.bundle[1],
            change=batch.bundle[3],
            hosts=tuple(batch.hosts),
            occurrences=tuple(batch.occurrences),
            options=batch.options,
            disruptive=batch.disruptive,
            canary=batch.canary,
        )
        for batch in tally.batches
    )
