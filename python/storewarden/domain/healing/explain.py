# SPDX-License-Identifier: GPL-3.0-or-later
"""Why, step by step: every rule that was tried, the host, every guard's answer, the outcome.

Made by the same code that decides, on the same facts: an explanation that is worked out otherwise
is a second opinion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from storewarden.domain.healing.alert import Signal
from storewarden.domain.healing.choosing import Fit, Trial, trials
from storewarden.domain.healing.decide import RepairPlan, decide
from storewarden.domain.healing.guards.table import BUDGETS, GUARDS, Guard
from storewarden.domain.healing.look import Look
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.record import Decision, Occurrence, Stage, Verdict
from storewarden.domain.healing.round import settle, sighting, weigh_redundancy
from storewarden.domain.healing.rule import Rule
from storewarden.domain.healing.tally import Tally
from storewarden.domain.healing.world import World


class Mark(StrEnum):
    """How a step came out."""

    YES = "yes"  # nothing against it
    NO = "no"  # this speaks against it
    INFO = "info"  # told for completeness


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of an explanation; ``about`` is "alert", "rule", "target", "guard" or "outcome"."""

    about: str
    mark: Mark
    en: str
    zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The steps, and what they lead to: ``repair`` is what would be opened, when it would act."""

    steps: tuple[Step, ...]
    decision: Decision
    repair: RepairPlan | None = None

    def lines(self, language: str = "en") -> tuple[str, ...]:
        """One line per step, for a terminal."""
        signs = {Mark.YES: "+", Mark.NO: "-", Mark.INFO: " "}
        chinese = language == "zh"
        return tuple(f"{signs[each.mark]} {each.zh if chinese else each.en}" for each in self.steps)


VERDICTS = {
    Verdict.ACT: ("repair now", "立即修复"),
    Verdict.ASK: ("ask a person first", "先征求人工批准"),
    Verdict.WAIT: ("wait", "等待"),
    Verdict.OBSERVE: ("observe only", "仅观察"),
    Verdict.SUPPRESS: ("do nothing: suppressed", "抑制，不处理"),
    Verdict.REFUSE: ("do nothing: refused", "拒绝，不处理"),
    Verdict.ESCALATE: ("call a person", "上报人工处理"),
    Verdict.DROP: ("do nothing: it is over", "已恢复，不处理"),
}
"""Every verdict in words, English and Chinese."""


def explain(
    occurrence: Occurrence,
    rules: Sequence[Rule],
    world: World,
    policy: HealPolicy,
    now: datetime,
) -> Explanation:
    """What would be done about it, were it decided now and alone, and why."""
    afresh = replace(occurrence, stage=Stage.RECEIVED) if _closed(occurrence) else occurrence
    decided = decide((afresh,), rules, world, policy, now)
    decision = decided.decisions[afresh.key]
    steps = (
        _alert(afresh),
        *map(_trial, trials(afresh.alert, rules)),
        *_answers(afresh, rules, Tally(world=world, policy=policy, now=now)),
        *_outcome(decision),
    )
    repair = decided.repairs[0] if decided.repairs else None
    return Explanation(steps=steps, decision=decision, repair=repair)


def foretell(
    occurrence: Occurrence,
    rules: Sequence[Rule],
    world: World,
    policy: HealPolicy,
    now: datetime,
) -> tuple[Decision, Explanation]:
    """What is decided when an alert comes now, and what would be when its hold-down is over and it
    fires still: people ask for the second one, and the first is nearly always "wait"."""
    first = explain(occurrence, rules, world, policy, now)
    waits = [policy.hold_down, *(each.hold_down or timedelta() for each in rules)]
    came = occurrence.received_at - max(waits)
    over = came if occurrence.resolved_at is not None else None
    held = replace(occurrence, received_at=came, resolved_at=over)
    later = explain(held, rules, world, policy, now)
    if first.decision.verdict is Verdict.WAIT:
        later = replace(later, steps=(_first(first.decision), *later.steps))
    return first.decision, later


def _first(decision: Decision) -> Step:
    reason = decision.reasons[0]
    return Step(
        about="outcome",
        mark=Mark.INFO,
        en=f"first: {reason.en}; when it fires still then:",
        zh=f"首先：{reason.zh}；届时若仍在触发：",
    )


def recorded(occurrence: Occurrence, language: str = "en") -> tuple[str, ...]:
    """What was decided, and all reasons, from the record: for a history."""
    if occurrence.decision is None:
        return ()
    chinese = language == "zh"
    return tuple(each.zh if chinese else each.en for each in _outcome(occurrence.decision))


def _closed(occurrence: Occurrence) -> bool:
    return occurrence.stage not in (Stage.RECEIVED, Stage.WAITING, Stage.ASKING)


def _alert(occurrence: Occurrence) -> Step:
    alert = occurrence.alert
    begin = f"{alert.starts_at:%Y-%m-%d %H:%M:%S} UTC"
    return Step(
        about="alert",
        mark=Mark.INFO,
        en=f"alert {alert.name} from {alert.source}, {alert.signal.value} since {begin}",
        zh=f"告警 {alert.name}，来源 {alert.source}，{_SIGNALS[alert.signal]}，始于 {begin}",
    )


_SIGNALS = {Signal.FIRING: "触发中", Signal.RESOLVED: "已恢复", Signal.NOTED: "已被确认或静默"}

type _Words = Callable[[str], tuple[str, str]]

_FITS: dict[Fit, tuple[Mark, _Words]] = {
    Fit.CHOSEN: (Mark.YES, lambda _: ("it answers this alert", "处理该告警")),
    Fit.SHADOWED: (
        Mark.INFO,
        lambda first: (f"it matches too, but {first} comes first", f"也匹配，但 {first} 在前"),
    ),
    Fit.DISABLED: (Mark.INFO, lambda _: ("it is switched off", "已停用")),
    Fit.LABELS: (
        Mark.INFO,
        lambda matcher: (f"{matcher} does not match", f"{matcher} 不匹配"),
    ),
    Fit.CONDITION: (
        Mark.INFO,
        lambda text: (f"its condition is not true: {text}", f"条件不成立：{text}"),
    ),
    Fit.BROKEN: (
        Mark.NO,
        lambda why: (f"its condition cannot be evaluated: {why}", f"条件无法计算：{why}"),
    ),
}


def _trial(trial: Trial) -> Step:
    mark, words = _FITS[trial.fit]
    en, zh = words(trial.detail)
    name = trial.rule.name
    return Step(about="rule", mark=mark, en=f"rule {name}: {en}", zh=f"规则 {name}：{zh}")


def _answers(occurrence: Occurrence, rules: Sequence[Rule], tally: Tally) -> Iterator[Step]:
    look = settle(occurrence, rules, tally)
    if not isinstance(look, Look):
        reason = look.objection.reason
        yield Step(about="target", mark=Mark.NO, en=reason.en, zh=reason.zh)
        return
    yield _target(look)
    tally.see((*tally.world.recent, sighting(look)))
    weigh_redundancy((look,), tally)
    for guard in (*GUARDS, *BUDGETS):
        yield _answer(guard, look)


def _target(look: Look) -> Step:
    told = ", ".join(f"{key}={value!r}" for key, value in sorted(look.options.items()))
    options, options_zh = (f" with {told}", f"，选项 {told}") if told else ("", "")
    return Step(
        about="target",
        mark=Mark.YES,
        en=f"host {look.host}: action {look.action.name}{options}",
        zh=f"主机 {look.host}：动作 {look.action.name}{options_zh}",
    )


def _answer(guard: Guard, look: Look) -> Step:
    found = guard.ask(look)
    if found is None:
        return Step(about="guard", mark=Mark.YES, en=f"{guard.en}: fine", zh=f"{guard.zh}：通过")
    verdict = VERDICTS[found.verdict]
    return Step(
        about="guard",
        mark=Mark.NO,
        en=f"{guard.en}: {found.reason.en} -> {verdict[0]}",
        zh=f"{guard.zh}：{found.reason.zh} -> {verdict[1]}",
    )


def _outcome(decision: Decision) -> Iterator[Step]:
    en, zh = VERDICTS[decision.verdict]
    until = f" ({decision.due:%Y-%m-%d %H:%M:%S} UTC)" if decision.due is not None else ""
    mark = Mark.YES if decision.verdict is Verdict.ACT else Mark.NO
    yield Step(about="outcome", mark=mark, en=f"outcome: {en}{until}", zh=f"结论：{zh}{until}")
    for reason in decision.reasons:
        yield Step(about="outcome", mark=Mark.INFO, en=f"  {reason.en}", zh=f"  {reason.zh}")
