# SPDX-License-Identifier: GPL-3.0-or-later
"""How far an action may go alone: observe, then approve, then auto, which has to be earned.

The lowest of three counts: what the site allows the action, what the rule allows at most, and
whether the action has been right often enough with a person watching.
"""

from __future__ import annotations

from storewarden.domain.healing.look import Look, Objection, ask
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.record import Reason, Verdict
from storewarden.domain.healing.rule import Mode
from storewarden.domain.healing.world import Standing


def observed(look: Look) -> Objection | None:
    """OBSERVE where the action, or the rule, may only look."""
    who = _who(look, Mode.OBSERVE)
    if who is None:
        return None
    en = f"{who[0]} is in mode observe: {look.action.name} would run on {look.host}"
    zh = f"{who[1]} 为观察模式：本应在 {look.host} 上执行 {look.action.name}"
    return Objection(verdict=Verdict.OBSERVE, reason=Reason(guard="mode", en=en, zh=zh))


def approved(look: Look) -> Objection | None:
    """ASK where a person decides."""
    who = _who(look, Mode.APPROVE)
    if who is not None:
        said = f"{who[0]} is in mode approve", f"{who[1]} 为审批模式"
        return ask(look, "mode", said)
    standing, policy = look.standing, look.policy
    if earned(standing, policy):
        return None
    name = look.action.name
    share = f"{int(policy.promotion_share * 100)} %"
    en = (
        f"{name} has not earned mode auto: {standing.verified} of {standing.runs} runs verified, "
        f"{policy.promotion_runs} runs and {share} are asked for"
    )
    zh = (
        f"{name} 尚未达到自动模式要求：{standing.runs} 次执行中 {standing.verified} 次验证通过，"
        f"要求 {policy.promotion_runs} 次且 {share}"
    )
    return ask(look, "mode", (en, zh))


def earned(standing: Standing, policy: HealPolicy) -> bool:
    """Whether an action may act alone, by its record."""
    if standing.runs < policy.promotion_runs:
        return False
    return standing.verified >= policy.promotion_share * standing.runs


def _who(look: Look, mode: Mode) -> tuple[str, str] | None:
    if look.standing.mode is mode:
        return f"action {look.action.name}", f"动作 {look.action.name}"
    if look.rule.mode is mode:
        return f"rule {look.rule.name}", f"规则 {look.rule.name}"
    return None
