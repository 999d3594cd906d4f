# SPDX-License-Identifier: GPL-3.0-or-later
"""An explanation names every rule, every guard, and what follows, in both languages."""

from __future__ import annotations

from dataclasses import replace

from storewarden.domain.healing.explain import Mark, explain, foretell, recorded
from storewarden.domain.healing.guards.table import BUDGETS, GUARDS
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.record import Occurrence, Stage, Verdict
from storewarden.domain.healing.rule import Mode
from storewarden.domain.healing.world import Said, World
from tests.unit.healing.scenes import NIGHT, NOON, POLICY, RULES, TRUSTED, heard, only, rule, world


def explained(occurrence: Occurrence, there: World | None = None) -> list[str]:
    """Its lines."""
    return list(explain(occurrence, RULES, there or world(), POLICY, NOON).lines())


def test_what_would_be_done_is_explained_step_by_step() -> None:
    found = explain(heard(), RULES, world(), POLICY, NOON)
    assert found.decision.verdict is Verdict.ACT
    assert found.repair is not None
    assert found.repair.hosts == ("pos-001-1",)
    lines = found.lines()
    assert lines[0] == "  alert pos-down from prometheus, firing since 2026-06-01 04:00:00 UTC"
    assert "+ rule pos-down: it answers this alert" in lines
    assert "+ host pos-001-1: action service" in lines
    assert sum(each.about == "guard" for each in found.steps) == len(GUARDS) + len(BUDGETS)
    assert "+ outcome: repair now" in lines


def test_why_not_is_explained() -> None:
    stopped = world(
        stopped=Said(en="power cut", zh="停电"),
        standings={"service": replace(TRUSTED, mode=Mode.APPROVE)},
    )
    lines = explained(heard(), stopped)
    assert "- kill switch: healing is stopped: power cut -> call a person" in lines
    assert "- may it act alone: action service is in mode approve -> ask a person first" in lines
    assert "- outcome: call a person" in lines


def test_rules_that_did_not_match_say_why() -> None:
    first = rule("first", matchers='alertname="pos-down"')
    second = rule("second", matchers='alertname=~"pos.*"')
    third = rule("third", matchers='severity="critical"')
    off = rule("off", enabled=False)
    lines = explain(heard(), (third, off, first, second), world(), POLICY, NOON).lines()
    assert '  rule third: severity="critical" does not match' in lines
    assert "  rule off: it is switched off" in lines
    assert "  rule second: it matches too, but first comes first" in lines


def test_an_unknown_host_is_explained() -> None:
    lines = explained(heard("pos-999-1"))
    assert "- 'pos-999-1' is no host of the inventory (name)" in lines


def test_what_was_decided_long_ago_is_explained_as_if_it_came_now() -> None:
    old = replace(heard(), stage=Stage.REFUSED, due=None)
    assert "+ outcome: repair now" in explained(old)


def test_every_line_exists_in_chinese() -> None:
    stopped = world(stopped=Said(en="power cut", zh="停电"))
    for step in explain(heard("srv-001", "uplink-down"), RULES, stopped, POLICY, NOON).steps:
        assert any("\u4e00" <= sign <= "\u9fff" for sign in step.zh), step
        assert step.en
        assert step.mark in Mark


def test_a_recorded_decision_is_told_again_from_the_record() -> None:
    assert recorded(heard()) == ()
    decision = only(heard(), there=world(stopped=Said(en="power cut", zh="停电")))
    told = replace(heard(), decision=decision)
    assert recorded(told) == ("outcome: call a person", "  healing is stopped: power cut")
    assert recorded(told, "zh") == ("结论：上报人工处理", "  自愈已停止：停电")


def test_it_is_foretold_what_comes_after_the_hold_down() -> None:
    """ "Wait" is true and of no use to anybody who asks what would happen."""
    usual = HealPolicy()
    first, later = foretell(heard(at=NIGHT), RULES, world(), usual, NIGHT)
    assert (first.verdict, later.decision.verdict) == (Verdict.WAIT, Verdict.ACT)
    assert "held down until" in later.lines()[0] and "观察至" in later.lines("zh")[0]


def test_what_is_over_is_foretold_as_over() -> None:
    over = heard(at=NIGHT, resolved_at=NIGHT)
    first, later = foretell(over, RULES, world(), HealPolicy(), NIGHT)
    assert (first.verdict, later.decision.verdict) == (Verdict.DROP, Verdict.DROP)
