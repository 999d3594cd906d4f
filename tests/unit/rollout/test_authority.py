# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may give which order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storewarden.domain.change.people import Person
from storewarden.domain.change.record import Change, Draft, Item, Kind, Risk, State
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.rollout.authority import (
    GOING_BACK,
    STOPPING,
    SUPERSEDE,
    answering,
    authority_refusal,
)
from storewarden.domain.rollout.orders import ORDERS, Leave, order, refusal_of
from storewarden.domain.rollout.spec import GateSpec
from tests.unit.rollout.chain import NIGHT, Driver, R, spec

CHANGE = Change(
    number="GMBG-20260601-001",
    version=1,
    state=State.IN_PROGRESS,
    draft=Draft(
        summary="patch", kind=Kind.STANDARD, risk=Risk.LOW, reason="a leak",
        items=(Item(host="s1-pos-1", ci="POS", store="000001"),),
    ),
    requester="zhang",
    owner="li",
    opened_at=NIGHT,
)  # fmt: skip
RULES = ApprovalRules()
WHO = answering(CHANGE, RULES)
STRANGER = Person(id="wang", name="Wang", roles=frozenset({"cashier_support"}))
HEAD = Person(id="chen", name="Chen", roles=frozenset({"department_head"}))
SECURITY = Person(id="zhao", name="Zhao", roles=frozenset({"security_lead"}))
GUARDED = (set(ORDERS) | {SUPERSEDE}) - STOPPING


def _refused(word: str, person: Person, **more: object) -> tuple[str, str] | None:
    return authority_refusal(word, person, spec(**more), WHO)


@pytest.mark.parametrize("word", sorted(STOPPING))
def test_everybody_may_stop(word: str) -> None:
    assert _refused(word, STRANGER) is None


@pytest.mark.parametrize("word", sorted(GUARDED))
def test_nobody_else_may_do_anything_else(word: str) -> None:
    refusal = _refused(word, STRANGER)
    assert refusal is not None
    assert refusal[0] == (
        f"wang may not {word} it: that is for {_those(word)} (to pause is open to everybody)"
    )
    assert "部门负责人" in refusal[1] and "任何人均可暂停" in refusal[1]


def _those(word: str) -> str:
    if word in GOING_BACK:
        return (
            "zhang, li, department head, operations lead, security lead, business, IT"
            " or system owner"
        )
    return "zhang, li or department head"


@pytest.mark.parametrize("word", sorted(GUARDED))
@pytest.mark.parametrize("person", ["zhang", "li", "chen"])
def test_requester_owner_and_who_approves_such_a_change_may(word: str, person: str) -> None:
    known = HEAD if person == "chen" else Person(id=person, name=person)
    assert _refused(word, known) is None


def test_whoever_approves_any_change_may_have_it_taken_back_and_nothing_more() -> None:
    """The security lead approves changes of higher risk."""
    assert {word for word in GUARDED if _refused(word, SECURITY) is None} == GOING_BACK
    high = replace(CHANGE, draft=replace(CHANGE.draft, risk=Risk.HIGH))
    who = answering(high, RULES)
    assert authority_refusal("promote", SECURITY, spec(), who) is None


def test_a_wave_that_waits_for_named_people_is_promoted_by_these_alone() -> None:
    """Not even by who asked for the change: the gate is there to ask somebody else."""
    named = {"people": ["wang"], "roles": ["security_lead"]}
    gates = (GateSpec(kind="approval", name="boss", settings=named),)
    assert _refused("promote", STRANGER, gates=gates) is None
    assert _refused("promote", SECURITY, gates=gates) is None
    for person in (HEAD, Person(id="zhang", name="Zhang")):
        refusal = _refused("promote", person, gates=gates)
        assert refusal is not None
        assert "that is for wang or security lead" in refusal[0]
        assert _refused("release", person, gates=gates) is None


def test_the_rollout_of_a_change_that_is_gone_can_still_be_taken_back() -> None:
    who = answering(None, RULES)
    assert authority_refusal("abort", SECURITY, spec(), who) is None
    assert authority_refusal("abort", STRANGER, spec(), who) is not None


def test_what_the_clock_began_makes_it_no_person() -> None:
    begun = replace(CHANGE, started_by="storewarden")
    assert "storewarden" not in answering(begun, RULES).people


def test_a_refusal_is_recorded_and_changes_nothing() -> None:
    driver = Driver()
    driver.tick()
    against = _refused("abort", STRANGER)
    leave = Leave(against=against)
    events = order(driver.rollout, "abort", "wang", "I do not like it", driver.now, leave=leave)
    refused = refusal_of(events)
    assert refused is not None and len(events) == 1
    assert (refused.refusal, refused.refusal_zh) == against
    driver.take(events)
    assert driver.rollout.state is R.RUNNING


def test_what_cannot_be_now_is_said_before_who_may() -> None:
    driver = Driver()
    against = _refused("abort", STRANGER)
    leave = Leave(against=against)
    events = order(driver.rollout, "abort", "wang", "no", driver.now, leave=leave)
    refused = refusal_of(events)
    assert refused is not None and "has not begun" in refused.refusal
