# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has to say yes, whose yes counts, and for how long."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from storewarden.domain.change.approvals import missing, waits_for
from storewarden.domain.change.commands import Approve, Cancel, Plan, Reject, Start
from storewarden.domain.change.events import EventKind
from storewarden.domain.change.people import CLOCK, Person
from storewarden.domain.change.record import Kind, Risk, RollbackPlan, State
from storewarden.domain.change.rules import (
    ApprovalRules,
    approval_table,
    rule_objections,
)
from tests.unit.change.story import (
    BACK,
    BOTH,
    BUSINESS,
    HEAD,
    IT,
    KEEPER,
    LI,
    OPS,
    SEC,
    ZHANG,
    Story,
    approved,
    draft,
    kinds,
)

_ALL = {
    "department_head": HEAD,
    "operations_lead": OPS,
    "security_lead": SEC,
    "business": BUSINESS,
    "it": IT,
    "system_owner": KEEPER,
}
_TWO = ("operations_lead", "security_lead")


@pytest.mark.parametrize(
    ("kind", "risk", "roles"),
    [
        (Kind.STANDARD, Risk.LOW, ("department_head",)),
        (Kind.STANDARD, Risk.MEDIUM, _TWO),
        (Kind.STANDARD, Risk.HIGH, _TWO),
        (Kind.EMERGENCY, Risk.LOW, ("department_head",)),
        (Kind.EMERGENCY, Risk.HIGH, _TWO),
        (Kind.MAJOR, Risk.LOW, ("department_head", "business", "it")),
        (Kind.MAJOR, Risk.HIGH, (*_TWO, "business", "it")),
        (Kind.MINOR, Risk.LOW, ("system_owner",)),
        (Kind.MINOR, Risk.MEDIUM, ("system_owner", *_TWO)),
    ],
)
def test_kind_and_risk_say_who_approves(kind: Kind, risk: Risk, roles: tuple[str, ...]) -> None:
    story = Story(draft(kind, risk))
    for place, role in enumerate(roles):
        assert missing(story.change, story.rules, story.now) == roles[place:]
        assert story.state is State.REQUESTED
        story.does(_ALL[role], Approve(comment="seen"))
    assert story.state is State.APPROVED
    assert story.events[-1].kind is EventKind.AUTHORISED
    assert story.events[-1].data["required"] == list(roles)


def test_a_start_says_whose_approval_is_missing() -> None:
    story = Story(draft(risk=Risk.HIGH)).does(OPS, Approve())
    assert story.why_not(LI, Start()) == "waits for approval by: security lead"


@pytest.mark.parametrize("person", [ZHANG, LI])
def test_nobody_approves_their_own(person: Person) -> None:
    story = Story(draft())
    mighty = replace(person, roles=frozenset(_ALL))
    assert "nobody approves their own change" in story.why_not(mighty, Approve())
    assert story.change.approvals == ()


def test_one_person_with_two_roles_fills_one_of_them() -> None:
    story = Story(draft(risk=Risk.MEDIUM)).does(BOTH, Approve())
    assert story.state is State.REQUESTED
    assert waits_for(story.change, story.rules, story.now) == "operations lead or security lead"
    assert "one person counts once" in story.why_not(BOTH, Approve())
    story.does(OPS, Approve())  # and so BOTH stands for security
    assert story.state is State.APPROVED


def test_the_order_of_approvals_does_not_matter_to_who_fills_what() -> None:
    assert Story(draft(risk=Risk.HIGH)).does(OPS, Approve()).does(BOTH, Approve()).state is (
        State.APPROVED
    )


def test_a_second_yes_for_a_role_that_is_filled_is_not_taken() -> None:
    story = Story(draft(risk=Risk.HIGH)).does(OPS, Approve())
    other = replace(OPS, id="ops2")
    assert "approved already" in story.why_not(other, Approve())


def test_a_yes_without_the_role_is_not_taken_and_says_who_is_asked() -> None:
    story = Story(draft(risk=Risk.HIGH))
    refused = story.ask(HEAD, Approve())
    assert "none of the roles" in refused.refusal
    assert refused.hint == "waits for approval by: operations lead, security lead"


def test_the_clock_approves_nothing() -> None:
    clock = replace(CLOCK, roles=frozenset(_ALL))
    assert "only people" in Story(draft()).why_not(clock, Approve())


def test_a_role_named_twice_needs_two_people() -> None:
    table = approval_table(dict.fromkeys(Risk, ("department_head", "department_head")))
    story = Story(draft(), rules=ApprovalRules(required=table)).does(HEAD, Approve())
    assert story.state is State.REQUESTED
    story.does(replace(HEAD, id="head2"), Approve())
    assert story.state is State.APPROVED


def test_an_approval_that_expired_unused_is_none() -> None:
    story = approved()
    ran_out = story.passes(timedelta(days=7))
    assert kinds(ran_out) == [EventKind.EXPIRED]
    assert story.state is State.REQUESTED
    refusal = story.why_not(LI, Start())
    assert refusal.startswith("waits for approval by: department head")
    assert "head" in refusal.split("(")[1]
    assert story.does(HEAD, Approve()).state is State.APPROVED


def test_an_approval_is_over_even_before_the_clock_has_looked() -> None:
    story = approved()
    story.now += timedelta(days=8)
    assert "waits for approval" in story.why_not(LI, Start())
    assert story.state is State.APPROVED  # a refusal changes nothing, not even that
    decision = story.ask(HEAD, Approve())
    assert kinds(decision) == [EventKind.EXPIRED, EventKind.APPROVED, EventKind.AUTHORISED]


def test_who_is_missing_can_be_asked_for_any_moment() -> None:
    story = approved()
    over = story.now + timedelta(days=7)
    assert missing(story.change, story.rules, over - timedelta(seconds=1)) == ()
    assert missing(story.change, story.rules, over) == ("department_head",)
    assert waits_for(story.change, story.rules, over) == "department head"


def test_one_of_two_expiring_falls_back_to_requested() -> None:
    story = Story(draft(risk=Risk.HIGH)).does(OPS, Approve())
    story.now += timedelta(days=5)
    story.does(SEC, Approve())
    story.passes(timedelta(days=2))
    assert story.state is State.REQUESTED
    assert missing(story.change, story.rules, story.now) == ("operations_lead",)


def test_an_approval_used_in_time_lasts_until_the_end() -> None:
    story = approved().does(LI, Start())
    story.passes(timedelta(days=30))
    assert missing(story.change, story.rules, story.now) == ()
    assert story.state is State.IN_PROGRESS


def test_a_new_plan_wants_new_approvals() -> None:
    story = approved().does(LI, Plan(plan="all tills at once"))
    assert story.state is State.REQUESTED
    assert "waits for approval" in story.why_not(LI, Start())
    assert story.does(HEAD, Approve()).does(LI, Start()).change.draft.plan == "all tills at once"


def test_strangers_do_not_rewrite_a_plan() -> None:
    story = approved()
    assert "written by zhang or li" in story.why_not(SEC, Plan(plan="nothing"))
    assert story.state is State.APPROVED


def test_a_plan_cannot_smuggle_in_what_a_draft_may_not_have() -> None:
    assert "no reason" in Story(draft()).why_not(LI, Plan(reason=" "))
    assert "nothing new" in Story(draft()).why_not(LI, Plan())


def test_those_who_approve_may_also_say_no() -> None:
    story = Story(draft())
    assert "no say" in story.why_not(SEC, Reject(reason="never"))
    assert "needs a reason" in story.why_not(HEAD, Reject(reason=" "))
    story.does(HEAD, Reject(reason="in the sales week?"))
    assert (story.state, story.change.reason) == (State.REJECTED, "in the sales week?")


def test_an_approved_change_can_still_be_rejected() -> None:
    assert approved().does(HEAD, Reject(reason="news")).state is State.REJECTED


def test_it_is_withdrawn_by_its_own_people_or_its_approvers_only() -> None:
    assert "no say" in Story(draft()).why_not(SEC, Cancel())
    for person in (ZHANG, LI, HEAD):
        assert Story(draft()).does(person, Cancel(reason="later")).state is State.CANCELLED


def test_stricter_rules_ask_for_the_missing_people() -> None:
    story = approved()
    story.rules = ApprovalRules(
        required=approval_table(dict.fromkeys(Risk, ("department_head", "security_lead")))
    )
    assert story.why_not(LI, Start()) == "waits for approval by: security lead"
    assert story.does(SEC, Approve()).does(LI, Start()).state is State.IN_PROGRESS


def test_looser_rules_need_no_more_people() -> None:
    story = Story(draft(risk=Risk.HIGH)).does(OPS, Approve())
    story.rules = ApprovalRules(required=approval_table(dict.fromkeys(Risk, ("operations_lead",))))
    assert kinds(story.ask(LI, Start())) == [EventKind.AUTHORISED, EventKind.STARTED]


def test_unfit_rules_are_named() -> None:
    assert rule_objections(ApprovalRules()) == ()
    table = approval_table({**dict.fromkeys(Risk, ("x",)), Risk.LOW: ()})
    found = rule_objections(ApprovalRules(required=table, validity=timedelta(0)))
    assert "nobody has to approve a standard change of low risk" in found
    assert any("validity" in each for each in found)


def test_a_rollback_plan_comes_before_the_start() -> None:
    story = approved(draft(rollback=RollbackPlan(trigger="tills stay dark")))
    refusal = story.why_not(LI, Start())
    assert refusal == "nobody has written the rollback plan's steps, the rollback plan's owner"
    story.does(LI, Plan(rollback=BACK)).does(HEAD, Approve()).does(LI, Start())
    assert story.state is State.IN_PROGRESS
