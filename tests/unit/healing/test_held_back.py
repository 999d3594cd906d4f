# SPDX-License-Identifier: GPL-3.0-or-later
"""What is held back: how often it is looked at, when it is fresh again, and what a yes answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from storewarden.domain.healing.breaker import breaker_of
from storewarden.domain.healing.explain import explain
from storewarden.domain.healing.record import Decision, Occurrence, Reason, Stage, Verdict
from storewarden.domain.healing.rule import Mode
from storewarden.domain.healing.world import Busy, Maintenance, Recheck, Said, WindowAnswer
from tests.unit.healing.scenes import (
    ACTIONS,
    NOON,
    POLICY,
    RULES,
    TRUSTED,
    granted,
    guards,
    heard,
    minutes,
    only,
    repaired,
    rule,
    world,
)

SECOND = timedelta(seconds=1)


def after(occurrence: Occurrence, decision: Decision) -> Occurrence:
    """The occurrence with what was decided about it."""
    held = decision.due if decision.verdict is Verdict.SUPPRESS else occurrence.fresh
    return replace(occurrence, decision=decision, due=decision.due, fresh=held)


def test_what_waits_for_nothing_in_particular_is_looked_at_ever_less_often() -> None:
    occurrence, now = heard(), NOON
    there = world(rechecks={occurrence.key: Recheck.SILENT})
    waited = []
    for _look in range(5):
        decision = only(occurrence, there=there, now=now)
        assert decision.due is not None
        waited.append((decision.due - now).total_seconds())
        occurrence, now = after(occurrence, decision), decision.due
    assert waited == [30, 60, 120, 240, 240]


def test_another_guard_begins_with_a_short_wait_again() -> None:
    occurrence = heard()
    away = world(rechecks={occurrence.key: Recheck.SILENT})
    later = after(occurrence, only(occurrence, there=away))
    busy = world(busy={"pos-001-1": Busy(who="rollout R-1")})
    decision = only(later, there=busy, now=NOON + minutes(0.5))
    assert decision.due == NOON + minutes(1)


def test_the_last_look_is_just_before_it_is_stale() -> None:
    """It is not given up eight minutes early because waits have grown long."""
    occurrence = heard()
    before = Decision(
        verdict=Verdict.WAIT,
        at=NOON + minutes(8.5),
        reasons=(Reason(guard="hold-down", en="x", zh="某"),),
        due=NOON + minutes(12.5),
    )
    there = world(rechecks={occurrence.key: Recheck.SILENT})
    decision = only(after(occurrence, before), there=there, now=NOON + minutes(12.5))
    assert (decision.verdict, decision.due) == (Verdict.WAIT, NOON + minutes(15) - SECOND)


def test_a_stores_fault_is_looked_at_again_and_holds_while_half_of_it_is_held_back() -> None:
    alerts = [heard(f"pos-001-{till}", number=till) for till in range(1, 5)]
    recent = world(faults={"001": NOON + minutes(5)})
    decision = only(alerts[0], there=recent)
    assert (decision.verdict, decision.due) == (Verdict.SUPPRESS, NOON + minutes(5))
    assert decision.incident == "store:001"
    again = only(after(alerts[0], decision), there=world(), now=NOON + minutes(5))
    assert again.verdict is Verdict.ACT, "the store is back: the till is broken by itself"


def test_what_was_held_back_is_as_fresh_as_if_it_had_just_begun() -> None:
    held = heard(fresh=NOON + minutes(40), stage=Stage.SUPPRESSED)
    assert only(held, now=NOON + minutes(41)).verdict is Verdict.ACT
    assert guards(only(held, now=NOON + minutes(56)))[0] == "staleness"


def test_after_a_day_it_is_held_back_for_good() -> None:
    there = world(faults={"001": NOON + timedelta(days=2)})
    late = only(heard(fresh=NOON + timedelta(days=1)), there=there, now=NOON + timedelta(days=1))
    assert (late.verdict, late.due) == (Verdict.SUPPRESS, None)


def test_a_maintenance_is_over_when_its_grace_and_the_hosts_turn_are() -> None:
    work = Maintenance(why="x", starts=NOON - minutes(5), ends=NOON + minutes(30))
    decision = only(heard(), there=world(maintenance={"pos-001-1": work}))
    assert decision.due is not None
    assert NOON + minutes(40) <= decision.due <= NOON + minutes(45)


def test_what_its_sender_has_silenced_is_held_back() -> None:
    occurrence = heard()
    decision = only(occurrence, there=world(rechecks={occurrence.key: Recheck.NOTED}))
    assert (decision.verdict, decision.due) == (Verdict.SUPPRESS, NOON + minutes(0.5))
    again = only(
        after(occurrence, decision),
        there=world(rechecks={occurrence.key: Recheck.NOTED}),
        now=NOON + minutes(0.5),
    )
    assert again.due == NOON + minutes(1.5)


def test_an_alert_that_comes_too_late_is_stale_and_not_held_down() -> None:
    patient = (rule(hold_down=minutes(2)),)
    for age in (14, 20):
        late = heard(began=NOON - minutes(age), at=NOON)
        decision = only(late, rules=patient)
        assert (decision.verdict, guards(decision)[0]) == (Verdict.ESCALATE, "staleness")
    early = heard(began=NOON - minutes(12), at=NOON)
    assert only(early, rules=patient).verdict is Verdict.WAIT


def test_a_yes_answers_what_was_asked_and_nothing_else() -> None:
    """Somebody allowed one till; three minutes later its whole release turns out to be bad."""
    there = world(standings=dict.fromkeys(ACTIONS, replace(TRUSTED, mode=Mode.APPROVE)))
    yes = replace(granted(heard(), NOON + minutes(30)), agreed=("mode",))
    assert only(yes, there=there).verdict is Verdict.ACT
    stormy = replace(there, storms={"pos-down": NOON + minutes(30)})
    decision = only(yes, there=stormy)
    assert (decision.verdict, guards(decision)[0]) == (Verdict.ASK, "storm")
    both = replace(yes, agreed=("mode", "storm"))
    assert only(both, there=stormy).verdict is Verdict.ACT


def test_a_yes_of_before_names_no_guard_and_answers_all() -> None:
    there = world(storms={"pos-down": NOON + minutes(30)}, protected={"pos-001-1": ("payment",)})
    assert only(granted(heard(), NOON + minutes(30)), there=there).verdict is Verdict.ACT


def test_a_freeze_of_the_class_calls_a_person() -> None:
    def shut(_host: str, _operation: object) -> WindowAnswer:
        said = Said(en="Spring Festival", zh="春节")
        return WindowAnswer(allowed=False, reason=said, opens=NOON + minutes(2), frozen=True)

    decision = only(heard(), there=world(windows=shut))
    assert (decision.verdict, guards(decision)[0]) == (Verdict.ESCALATE, "freeze")
    assert "Spring Festival" in decision.reasons[0].en


def test_a_canary_that_is_being_verified_is_still_the_canary() -> None:
    """Its run has ended; whether it helped is not known yet."""
    failed = [repaired(f"pos-00{n}-1", NOON - minutes(90 - n), verified=False) for n in (1, 2, 3)]
    canary = replace(
        repaired("pos-004-1", NOON - minutes(5), verified=None), verifying=True, canary=True
    )
    assert breaker_of([*failed, canary], POLICY).trying == "pos-004-1"
    nothing_to_do = replace(canary, verifying=False)
    assert breaker_of([*failed, nothing_to_do], POLICY).trying == ""


def test_what_is_over_counts_for_storms_all_the_same() -> None:
    """A release that makes every till flap: each alert is over before the next one comes."""
    before = Decision(
        verdict=Verdict.WAIT,
        at=NOON,
        rule="pos-down",
        action="service",
        hosts=("pos-001-1",),
        due=NOON + minutes(1),
        incident="storm:pos-down",
    )
    over = heard(decision=before, resolved_at=NOON + minutes(0.5), stage=Stage.WAITING)
    decision = only(over, now=NOON + minutes(0.5))
    assert decision.verdict is Verdict.DROP
    assert (decision.rule, decision.hosts, decision.incident) == (
        "pos-down",
        ("pos-001-1",),
        "storm:pos-down",
    )


@pytest.mark.parametrize("stage", [Stage.SUPPRESSED, Stage.ESCALATED])
def test_what_is_held_back_can_be_explained(stage: Stage) -> None:
    found = explain(heard(stage=stage), RULES, world(), POLICY, NOON)
    assert found.decision.verdict is Verdict.ACT
