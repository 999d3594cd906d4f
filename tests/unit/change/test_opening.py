# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be asked for at all; the rest is on record as rejected by rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from storewarden.domain.change.events import EventKind
from storewarden.domain.change.people import CLOCKWORK
from storewarden.domain.change.record import Draft, KeyStep, Kind, Span, Standing, State
from tests.unit.change.story import NIGHT, NUMBER, ZHANG, Story, draft, kinds, restarting

_DAY = timedelta(days=1)
_STANDING = Standing(action="heal_printing", until=NIGHT + _DAY)


def test_a_change_begins_requested_by_the_one_who_asks() -> None:
    story = Story(draft())
    assert story.opened.refusal == ""
    change = story.change
    assert (change.number, change.state, change.version) == (NUMBER, State.REQUESTED, 1)
    assert (change.requester, change.owner, change.hosts) == ("zhang", "li", ("pos-1", "pos-2"))
    assert (change.opened_at, change.updated_at) == (NIGHT, NIGHT)


def test_who_asks_owns_it_unless_somebody_else_is_named() -> None:
    assert Story(draft(owner="")).change.owner == ZHANG.id


def test_without_configuration_items_it_is_rejected_by_rule_and_stays_on_record() -> None:
    story = Story(draft(hosts=()))
    assert "no configuration item" in story.opened.refusal
    assert kinds(story.opened) == [EventKind.OPENED, EventKind.REJECTED]
    assert story.opened.events[1].by == CLOCKWORK
    assert story.state is State.REJECTED
    assert "no configuration item" in story.change.reason
    assert story.change.requester == "zhang"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (draft(hosts=("pos-1", "pos-1")), "pos-1 is attached twice"),
        (draft(hosts=(" ",)), "has no host"),
        (draft(reason=" "), "no reason"),
        (replace(draft(), summary=""), "no summary"),
        (draft(window=Span(starts=NIGHT + _DAY, ends=NIGHT + _DAY)), "ends before it begins"),
        (draft(window=Span(starts=NIGHT - _DAY, ends=NIGHT)), "over already"),
        (draft(steps=(KeyStep(name="dump"), KeyStep(name="dump"))), "'dump' is there twice"),
        (draft(steps=(KeyStep(name=""),)), "no name"),
        (draft(steps=(KeyStep(name="dump", two_person=True, checked_by="sec"),)), "marked as done"),
        (draft(Kind.MAJOR, standing=_STANDING), "only a standard change"),
        (draft(standing=replace(_STANDING, until=NIGHT)), "end in the future"),
        (draft(standing=replace(_STANDING, until=NIGHT + 400 * _DAY)), "366 days"),
        (draft(standing=replace(_STANDING, action="")), "names no action"),
        (draft(standing=replace(_STANDING, runs=3)), "without runs"),
        (draft(standing=_STANDING, steps=(KeyStep(name="dump"),)), "steps of its own"),
    ],
)
def test_a_draft_that_breaks_a_rule_says_which(asked: Draft, says: str) -> None:
    story = Story(asked)
    assert says in story.opened.refusal
    assert story.state is State.REJECTED


def test_all_that_is_wrong_is_said_at_once() -> None:
    refusal = Story(draft(hosts=(), reason="")).opened.refusal
    assert "no reason" in refusal
    assert "no configuration item" in refusal


def test_an_emergency_may_say_why_later() -> None:
    assert Story(draft(Kind.EMERGENCY, reason="")).state is State.REQUESTED


def test_a_standing_change_is_opened_like_any_other() -> None:
    story = Story(restarting())
    assert story.state is State.REQUESTED
    assert story.change.standing is not None
    assert story.change.standing.runs == 0
