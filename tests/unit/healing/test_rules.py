# SPDX-License-Identifier: GPL-3.0-or-later
"""The first rule that matches is the only one."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from storewarden.domain.healing.choosing import Fit, choose, trials
from storewarden.domain.healing.record import Verdict
from storewarden.domain.healing.rule import facts_of, truthy
from tests.unit.healing.scenes import alert, decided, heard, only, rule


def says(found: object) -> object:
    """A condition that always finds the same."""
    return lambda _data: found


def broken(_data: Mapping[str, object]) -> object:
    """A condition that cannot work."""
    raise ValueError("contains(): a number is no text")


def test_the_first_rule_wins_and_later_ones_are_shadowed() -> None:
    first = rule("first", matchers='alertname="pos-down"')
    other = rule("other", matchers='alertname="disk-full"')
    second = rule("second", matchers='alertname=~"pos.*"')
    off = rule("off", matchers='alertname="pos-down"', enabled=False)
    found = trials(alert(), (off, other, first, second))
    assert [(each.rule.name, each.fit) for each in found] == [
        ("off", Fit.DISABLED),
        ("other", Fit.LABELS),
        ("first", Fit.CHOSEN),
        ("second", Fit.SHADOWED),
    ]
    assert found[3].detail == "first"
    chosen = choose(alert(), (off, other, first, second))
    assert chosen is not None
    assert chosen.rule is first


@pytest.mark.parametrize("found", [None, False, "", [], {}])
def test_what_jmespath_calls_false_does_not_match(found: object) -> None:
    decision = only(heard(), rules=(rule(condition=says(found), expression="x"),))
    assert decision.verdict is Verdict.REFUSE
    assert not truthy(found)


@pytest.mark.parametrize("found", [True, 0, 0.0, 1, "x", [0], {"a": None}])
def test_what_jmespath_calls_true_matches(found: object) -> None:
    decision = only(heard(), rules=(rule(condition=says(found), expression="x"),))
    assert decision.verdict is Verdict.ACT


def test_a_condition_that_cannot_work_calls_a_person_instead_of_the_next_rule() -> None:
    rules = (
        rule("careful", matchers='alertname="pos-down"', condition=broken, expression="x"),
        rule("any", matchers='alertname=~".+"'),
    )
    decision = only(heard(), rules=rules)
    assert decision.verdict is Verdict.ESCALATE
    assert decision.rule == "careful"
    assert "a number is no text" in decision.reasons[0].en


def test_a_condition_sees_the_alert() -> None:
    seen = []
    watching = rule(condition=lambda data: seen.append(data) or True, expression="x")
    only(heard(), rules=(watching,))
    assert seen == [facts_of(heard().alert)]
    assert seen[0]["labels"] == {"alertname": "pos-down", "host": "pos-001-1"}


def test_an_alert_without_a_rule_is_refused() -> None:
    decision = only(heard(name="unheard-of"))
    assert decision.verdict is Verdict.REFUSE
    assert decision.rule == ""
    assert "no rule answers unheard-of" in decision.reasons[0].en


def test_a_rule_whose_action_is_not_installed_calls_a_person() -> None:
    decision = only(heard(), rules=(rule(action="nowhere"),))
    assert decision.verdict is Verdict.ESCALATE
    assert not decided(heard(), rules=(rule(action="nowhere"),)).repairs
