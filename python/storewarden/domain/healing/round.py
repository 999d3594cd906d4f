# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of one round of decisions, one alert at a time; ``decide.py`` puts them in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from storewarden.domain.capacity.admit import admit
from storewarden.domain.healing.alert import FAULT, OWN
from storewarden.domain.healing.choosing import Fit, choose
from storewarden.domain.healing.guards.over import over
from storewarden.domain.healing.guards.table import BUDGETS, GUARDS
from storewarden.domain.healing.look import Look, Objection, escalate
from storewarden.domain.healing.record import Decision, Occurrence, Reason, Verdict
from storewarden.domain.healing.rule import Rule
from storewarden.domain.healing.tally import Tally
from storewarden.domain.healing.target import aim
from storewarden.domain.healing.template import LabelMissing, fill_data
from storewarden.domain.healing.world import Sighting


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Decided before any guard: nothing to do, or nobody to do it to."""

    occurrence: Occurrence
    objection: Objection
    rule: str = ""
    action: str = ""
    hosts: tuple[str, ...] = ()


def settle(occurrence: Occurrence, rules: Sequence[Rule], tally: Tally) -> Settled | Look:
    """A look with rule, host and options; or what is wrong already."""
    gone = over(occurrence, tally.world)
    if gone is not None:
        return Settled(occurrence=occurrence, objection=gone)
    trial = choose(occurrence.alert, rules)
    if trial is None:
        return _unruled(occurrence, tally)
    if trial.fit is Fit.BROKEN:
        en = f"the condition of rule {trial.rule.name} cannot be evaluated: {trial.detail}"
        zh = f"规则 {trial.rule.name} 的条件无法计算：{trial.detail}"
        return _settled(occurrence, trial.rule, escalate("condition", en, zh))
    return _aimed(occurrence, trial.rule, tally)


def _unruled(occurrence: Occurrence, tally: Tally) -> Settled:
    """Nobody's work; but what we found ourselves is somebody's, and no rule need say so."""
    alert = occurrence.alert
    if alert.source != OWN:
        return Settled(occurrence=occurrence, objection=_refused("rule", *_no_rule(occurrence)))
    told = alert.annotations
    said = escalate("own", told.get("summary", alert.name), told.get("summary_zh", alert.name))
    fault = alert.labels.get(FAULT, alert.fingerprint)
    host = alert.labels.get("host", "")
    return Settled(
        occurrence=occurrence,
        objection=replace(said, incident=f"own:{fault}"),
        hosts=(host,) if host in tally.world.devices else (),
    )


def _aimed(occurrence: Occurrence, rule: Rule, tally: Tally) -> Settled | Look:
    world, labels = tally.world, occurrence.alert.labels
    action = world.actions.get(rule.action)
    if action is None:
        en, zh = f"no action {rule.action} is installed", f"未安装动作 {rule.action}"
        return _settled(occurrence, rule, escalate("action", en, zh))
    found = aim(rule.target, labels, world)
    if found.reason is not None:
        against = Objection(verdict=Verdict.REFUSE, reason=found.reason)
        return _settled(occurrence, rule, against)
    try:
        options = {str(key): fill_data(each, labels) for key, each in rule.options.items()}
    except LabelMissing as missing:
        en = f"the alert has no label {missing}, which an option of rule {rule.name} needs"
        zh = f"告警缺少规则 {rule.name} 的选项所需的标签 {missing}"
        return _settled(occurrence, rule, _refused("options", en, zh))
    return Look(
        occurrence=occurrence,
        rule=rule,
        action=action,
        host=found.host,
        world=world,
        policy=tally.policy,
        now=tally.now,
        tally=tally,
        options=options,
    )


def sighting(look: Look) -> Sighting:
    """What it counts as, for storms and store faults."""
    return Sighting(rule=look.rule.name, host=look.host, at=look.occurrence.received_at)


def objections(look: Look) -> list[Objection]:
    """What the guards say on facts alone, the weightiest first."""
    told: list[Objection] = []
    for guard in GUARDS:
        if guard.dear and any(blocks(look, each) for each in told):
            continue
        found = guard.ask(look)
        if found is not None:
            told.append(found)
    return told


def budget_objections(look: Look) -> list[Objection]:
    """What the guards say that share out places."""
    asked = (guard.ask(look) for guard in BUDGETS)
    return [each for each in asked if each is not None]


def blocks(look: Look, objection: Objection) -> bool:
    """Whether it counts; a question that a person answered with yes does not."""
    return not (objection.verdict is Verdict.ASK and look.agrees(objection.reason.guard))


def weigh_redundancy(looks: Iterable[Look], tally: Tally) -> None:
    """Ask the capacity room once about all hosts that may be disturbed, in their order."""
    world = tally.world
    away = {*world.unavailable, *world.busy, *tally.at_work}
    free = [
        look
        for look in looks
        if look.action.disruptive and look.host not in world.busy and look.host not in tally.at_work
    ]
    said_yes = (look for look in free if look.agrees("redundancy"))
    agreed = {group for look in said_yes for group in world.groups.get(look.host, ())}
    found = admit(
        [look.host for look in free],
        groups={look.host: world.groups.get(look.host, ()) for look in free},
        members=world.members,
        unavailable=away,
        budgets=world.budgets,
        consent={*world.consent, *agreed},
        unreachable=world.unreachable,
        own={look.host for look in free},
    )
    tally.admission = found.refused


def decision_of(look: Look, told: Sequence[Objection]) -> Decision:
    """What follows from everything that was said; to act, when nothing counts against it."""
    against = [each for each in told if blocks(look, each)]
    first = against[0] if against else None
    rest = [each.reason for each in told if each is not first]
    verdict = Verdict.ACT if first is None else first.verdict
    head = [first.reason] if first is not None else _in_favour(look)
    return Decision(
        verdict=verdict,
        at=look.now,
        rule=look.rule.name,
        action=look.action.name,
        hosts=(look.host,),
        options=look.options,
        reasons=(*head, *rest),
        due=first.due if first is not None else None,
        incident=_incident(look, told, verdict),
    )


def decision_of_settled(settled: Settled, tally: Tally) -> Decision:
    """What follows when no guard had to be asked. What is over keeps the rule, host and incident
    that it had: it counts for storms and store faults all the same."""
    before = settled.occurrence.decision
    kept = before if settled.objection.verdict is Verdict.DROP else None
    return Decision(
        verdict=settled.objection.verdict,
        at=tally.now,
        rule=settled.rule or (kept.rule if kept else ""),
        action=settled.action or (kept.action if kept else ""),
        hosts=kept.hosts if kept else settled.hosts,
        incident=kept.incident if kept else settled.objection.incident,
        reasons=(settled.objection.reason,),
        due=settled.objection.due,
    )


def _in_favour(look: Look) -> list[Reason]:
    found = []
    if look.granted:
        who = look.occurrence.granted
        found.append(Reason(guard="approval", en=f"{who} said yes", zh=f"{who} 已批准"))
    en = f"rule {look.rule.name}: nothing speaks against {look.action.name} on {look.host}"
    zh = f"规则 {look.rule.name}：可以在 {look.host} 上执行 {look.action.name}"
    return [*found, Reason(guard="rule", en=en, zh=zh)]


def _incident(look: Look, told: Sequence[Objection], verdict: Verdict) -> str:
    """The name under which people hear of it; a question that ran out keeps the name it had."""
    named = next((each.incident for each in told if each.incident), "")
    before = look.occurrence.decision
    asked = before is not None and before.verdict is Verdict.ASK
    if not named and asked and verdict is Verdict.ESCALATE and before is not None:
        return before.incident
    return named


def _settled(occurrence: Occurrence, rule: Rule, objection: Objection) -> Settled:
    return Settled(occurrence=occurrence, objection=objection, rule=rule.name, action=rule.action)


def _refused(guard: str, en: str, zh: str) -> Objection:
    return Objection(verdict=Verdict.REFUSE, reason=Reason(guard=guard, en=en, zh=zh))


def _no_rule(occurrence: Occurrence) -> tuple[str, str]:
    name = occurrence.alert.name or "this alert"
    return f"no rule answers {name}", f"没有规则处理 {occurrence.alert.name or '该告警'}"
