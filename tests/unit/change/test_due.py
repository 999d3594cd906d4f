# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock: who is reminded when, and when it has to look again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from storewarden.domain.change.commands import Approve, Cancel, Close, Start
from storewarden.domain.change.due import due, next_due
from storewarden.domain.change.events import EventKind
from storewarden.domain.change.people import CLOCKWORK
from storewarden.domain.change.record import Kind, Outcome, Risk, Span, State
from tests.unit.change.story import (
    HEAD,
    LI,
    NIGHT,
    Story,
    approved,
    begun,
    draft,
    kinds,
    restarting,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(("risk", "hours"), [(Risk.HIGH, 2), (Risk.MEDIUM, 4), (Risk.LOW, 4)])
def test_approvers_are_reminded_when_their_time_is_over(risk: Risk, hours: int) -> None:
    story = Story(draft(risk=risk))
    assert next_due(story.change, story.rules) == NIGHT + hours * HOUR
    assert kinds(story.passes(hours * HOUR - timedelta(minutes=1))) == []
    reminder = story.passes(timedelta(minutes=1)).events[0]
    assert (reminder.kind, reminder.by) == (EventKind.REMINDED, CLOCKWORK)
    assert reminder.data["about"] == "approvals"
    assert str(reminder.data["what"]).startswith("waits for approval by: ")
    assert next_due(story.change, story.rules) == NIGHT + hours * HOUR + DAY


@pytest.mark.parametrize(("risk", "hours"), [(Risk.LOW, 72)])
def test_the_owner_is_reminded_to_begin(risk: Risk, hours: int) -> None:
    story = approved(draft(risk=risk))
    reminder = story.passes(hours * HOUR).events[0]
    assert (reminder.data["about"], reminder.data["count"]) == ("start", 1)
    assert kinds(story.passes(HOUR)) == []


def test_nobody_is_reminded_to_begin_before_the_window() -> None:
    window = Span(starts=NIGHT + 5 * DAY, ends=NIGHT + 6 * DAY)
    story = approved(draft(window=window))
    assert kinds(story.passes(4 * DAY)) == []
    assert kinds(story.passes(1 * DAY)) == [EventKind.REMINDED]


def test_after_an_approval_ran_out_people_are_reminded_anew() -> None:
    story = approved()
    while story.state is State.APPROVED:
        moment = next_due(story.change, story.rules)
        assert moment is not None
        story.passes(moment - story.now)
    assert story.now - NIGHT == 7 * DAY + timedelta(minutes=1)
    assert [e.data["about"] for e in story.passes(timedelta(0)).events] == ["approvals"]
    story.does(HEAD, Approve())
    assert story.change.reminders == {}


def test_an_expired_approval_names_whose_it_was() -> None:
    event = approved().passes(7 * DAY).events[0]
    assert (event.kind, event.by, event.data["person"]) == (EventKind.EXPIRED, CLOCKWORK, "head")


def test_nothing_is_due_for_what_is_over_or_runs_well() -> None:
    over = begun().does(LI, Close(outcome=Outcome.SUCCESSFUL))
    withdrawn = Story(draft()).does(LI, Cancel())
    for story in (over, withdrawn, begun()):
        assert next_due(story.change, story.rules) is None
        assert due(story.change, NIGHT + 900 * DAY, story.rules).events == ()


@pytest.mark.parametrize(
    "story",
    [
        Story(draft()),
        Story(draft(risk=Risk.HIGH)),
        approved(),
        approved(restarting(10 * DAY)),
        Story(restarting(10 * DAY)),
        Story(draft(Kind.EMERGENCY)).does(LI, Start()),
        begun().does(LI, Close(outcome=Outcome.PARTIAL, reason="line", left=("pos-1",))),
    ],
)
def test_the_clock_may_sleep_until_next_due_and_has_work_then(story: Story) -> None:
    for _ in range(12):
        moment = next_due(story.change, story.rules)
        if moment is None:
            return
        if moment > story.now:
            just_before = moment - timedelta(microseconds=1)
            assert due(story.change, max(story.now, just_before), story.rules).events == ()
        assert story.passes(max(timedelta(0), moment - story.now)).events != ()
