# SPDX-License-Identifier: GPL-3.0-or-later
"""A window's "no" is set aside by two others, for a reason, until an end; never by oneself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from storewarden.domain.change.commands import (
    Approve,
    ApproveOverride,
    AskOverride,
    Attach,
    Circumstances,
    Plan,
    Start,
)
from storewarden.domain.change.events import EventKind
from storewarden.domain.change.machine import fold
from storewarden.domain.change.overriding import in_force, override_of, people_missing
from storewarden.domain.change.people import CLOCK, Person
from storewarden.domain.change.record import EvidenceKind, Kind, Risk
from storewarden.domain.change.rules import ApprovalRules, rule_objections
from storewarden.domain.maintenance.override import Objection, objections
from tests.unit.change.story import (
    BUSINESS,
    HEAD,
    IT,
    LI,
    NIGHT,
    OPS,
    SEC,
    ZHANG,
    Story,
    approved,
    begun,
    draft,
    restarting,
)

HOUR = timedelta(hours=1)
END = NIGHT + 6 * HOUR
ASK = AskOverride(reason="the tills do not sell", expires=END)
STRANGER = Person(id="stranger", name="Stranger", roles=frozenset({"cashier"}))


def asked(story: Story | None = None) -> Story:
    return (story or approved()).does(LI, ASK)


def test_two_people_who_may_approve_changes_make_it_count() -> None:
    story = asked()
    assert people_missing(story.change) == 2
    story.does(OPS, ApproveOverride(comment="seen"))
    assert (people_missing(story.change), in_force(story.change, story.now)) == (1, None)
    story.does(SEC, ApproveOverride())
    override = story.change.override
    assert override is not None
    assert [(each.person, each.roles) for each in override.approvals] == [
        ("ops", ("operations_lead",)), ("sec", ("security_lead",)),
    ]  # fmt: skip
    counted = in_force(story.change, story.now)
    assert counted is not None
    assert (counted.people, counted.reason, counted.expires) == (("ops", "sec"), ASK.reason, END)
    assert people_missing(story.change) == 0


@pytest.mark.parametrize(
    ("person", "why"),
    [
        (ZHANG, "zhang requested it"),
        (LI, "li is its owner"),
        (CLOCK, "only people approve"),
        (STRANGER, "none of the roles that approve changes"),
    ],
)
def test_who_cannot_approve_it(person: Person, why: str) -> None:
    assert why in asked().why_not(person, ApproveOverride())


def test_who_asked_for_it_does_not_approve_it_and_nobody_counts_twice() -> None:
    story = approved().does(OPS, ASK)
    assert "ops asked for it" in story.why_not(OPS, ApproveOverride())
    story.does(SEC, ApproveOverride())
    assert "one person counts once" in story.why_not(SEC, ApproveOverride())
    story.does(HEAD, ApproveOverride())
    assert "2 people have approved" in story.why_not(BUSINESS, ApproveOverride())


def test_roles_of_the_requester_are_of_no_use() -> None:
    """Whoever holds an approving role still does not approve their own."""
    lead = replace(OPS, id="zhang")
    story = Story(draft(owner="li"), by=lead)
    assert "requested it" in asked(story).why_not(lead, ApproveOverride())


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (AskOverride(reason=" ", expires=END), "needs a reason"),
        (AskOverride(reason="x", expires=NIGHT), "must end in the future"),
        (AskOverride(reason="x", expires=NIGHT + timedelta(days=8)), "after 7 days at most"),
    ],
)
def test_what_is_no_override(command: AskOverride, why: str) -> None:
    story = approved()
    assert why in story.why_not(LI, command)
    assert story.change.override is None


def test_who_may_ask_and_when() -> None:
    assert "none of the roles" in approved().why_not(STRANGER, ASK)
    assert "only people" in approved().why_not(CLOCK, ASK)
    assert "must be requested or approved" in begun().why_not(LI, ASK)
    assert "never started" in approved(restarting()).why_not(LI, ASK)
    assert asked(Story(draft())).change.override is not None
    assert "nobody has asked" in approved().why_not(OPS, ApproveOverride())


def test_asking_anew_voids_the_approvals_so_far() -> None:
    story = asked().does(OPS, ApproveOverride()).does(SEC, ApproveOverride())
    story.does(LI, replace(ASK, reason="it takes longer", expires=END + HOUR))
    override = story.change.override
    assert override is not None
    assert (override.reason, override.approvals) == ("it takes longer", ())
    assert in_force(story.change, story.now) is None
    story.does(OPS, ApproveOverride())


def test_a_new_plan_voids_them_too_but_not_the_question() -> None:
    story = asked().does(OPS, ApproveOverride()).does(SEC, ApproveOverride())
    story.does(LI, Plan(plan="quite another one"))
    assert in_force(story.change, story.now) is None
    story.does(OPS, ApproveOverride()).does(SEC, ApproveOverride())
    assert in_force(story.change, story.now) is not None


def test_it_ends_by_itself() -> None:
    story = asked().does(OPS, ApproveOverride())
    story.now = END
    assert "ended at 2026-06-01 21:00 UTC" in story.why_not(SEC, ApproveOverride())
    complete = asked().does(OPS, ApproveOverride()).does(SEC, ApproveOverride())
    override = override_of(complete.change)
    assert override is not None
    assert objections(override, END) == (Objection.EXPIRED,)
    assert in_force(complete.change, END) is None


def test_the_start_records_what_was_set_aside() -> None:
    story = asked().does(OPS, ApproveOverride()).does(SEC, ApproveOverride())
    told = "ops, sec: the tills do not sell; set aside: opening hours"
    story.does(LI, Start(circumstances=Circumstances(override=told)))
    assert story.events[-1].data["override"] == told


def major() -> Story:
    story = Story(draft(Kind.MAJOR, Risk.LOW))
    for person in (HEAD, BUSINESS, IT):
        story.does(person, Approve())
    return story


def test_a_major_change_under_an_override_need_not_wait_until_stores_have_closed() -> None:
    test = Attach(
        kind=EvidenceKind.TEST, name="t", media_type="text/plain", size=1, digest="ab" * 32
    )
    trading = Start(circumstances=Circumstances(trading=("000101",)))
    story = asked(major().does(LI, test)).does(OPS, ApproveOverride())
    assert "outside opening hours; open now: 000101" in story.why_not(LI, trading)
    story.does(SEC, ApproveOverride()).does(LI, trading)
    (started,) = [each for each in story.events if each.kind is EventKind.STARTED]
    assert started.data["override"] == (
        "ops, sec: the tills do not sell (until 2026-06-01 21:00 UTC); set aside: opening hours"
    )


def test_a_start_that_needed_no_override_names_none() -> None:
    story = asked().does(OPS, ApproveOverride()).does(SEC, ApproveOverride())
    story.does(LI, Start())
    assert story.events[-1].data["override"] == ""


def test_it_is_no_approval() -> None:
    story = asked(Story(draft())).does(OPS, ApproveOverride()).does(SEC, ApproveOverride())
    assert "waits for approval by: department head" in story.why_not(LI, Start())


def test_an_approval_of_nothing_is_no_history() -> None:
    story = approved()
    yes = replace(asked().does(OPS, ApproveOverride()).events[-1], number=story.change.number)
    with pytest.raises(ValueError, match="nobody has asked for an override"):
        fold(story.change, yes)


def test_every_approving_role_of_the_table_may_override() -> None:
    assert ApprovalRules().approving == (
        "department_head", "operations_lead", "security_lead", "business", "it", "system_owner",
    )  # fmt: skip
    assert rule_objections(ApprovalRules(override_longest=timedelta(0))) == (
        "override_longest must be longer than nothing",
    )
