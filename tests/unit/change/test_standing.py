# SPDX-License-Identifier: GPL-3.0-or-later
"""One approval for many small runs, until a day."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from storewarden.domain.change.commands import Approve, Cancel, Close, Run, Start
from storewarden.domain.change.due import next_due
from storewarden.domain.change.events import EventKind
from storewarden.domain.change.people import CLOCK
from storewarden.domain.change.record import Outcome, State
from storewarden.domain.change.recording import run_refusal
from tests.unit.change.story import HEAD, LI, NIGHT, Story, approved, kinds, restarting

DAY = timedelta(days=1)


def _run(began: datetime, *hosts: str, succeeded: bool = True) -> Run:
    return Run(run="run-1", hosts=hosts or ("pos-1",), began=began, succeeded=succeeded)


def test_runs_are_counted_with_their_failures() -> None:
    story = approved(restarting())
    for succeeded in (True, False, True):
        began = story.now
        story.does(CLOCK, _run(began, succeeded=succeeded))
    standing = story.change.standing
    assert standing is not None
    assert (standing.runs, standing.failures, standing.last_run) == (3, 1, began)
    assert story.state is State.APPROVED


def test_its_approval_lasts_as_long_as_it() -> None:
    story = approved(restarting())
    story.now += 60 * DAY
    assert kinds(story.passes(timedelta(0))) == []
    story.does(CLOCK, _run(story.now))


def test_no_run_without_approval() -> None:
    story = Story(restarting())
    why = run_refusal(story.change, ("pos-1",), story.rules, story.now)
    assert why == "waits for approval by: department head"
    refused = story.ask(CLOCK, _run(story.now))
    assert kinds(refused) == [EventKind.REFUSED]
    assert refused.events[0].data["run"]["hosts"] == ["pos-1"]  # type: ignore[index]


def test_no_run_that_began_before_the_approval() -> None:
    story = approved(restarting())
    assert story.why_not(CLOCK, _run(NIGHT)) == "the run began before the last approval"
    assert story.change.standing is not None
    assert story.change.standing.runs == 0


def test_no_run_elsewhere() -> None:
    story = approved(restarting())
    why = story.why_not(CLOCK, _run(story.now, "pos-1", "till-9"))
    assert why == "none of its configuration items: till-9"


def test_no_run_after_its_end_or_cancelling() -> None:
    story = approved(restarting(10 * DAY))
    assert "ended at" in run_refusal(story.change, ("pos-1",), story.rules, NIGHT + 10 * DAY)
    story.does(LI, Cancel(reason="a better way"))
    assert "it is cancelled" in run_refusal(story.change, ("pos-1",), story.rules, story.now)
    refused = story.ask(CLOCK, _run(story.now))
    assert refused.events[0].data["run"]["run"] == "run-1"  # type: ignore[index]


def test_no_run_in_the_future() -> None:
    story = approved(restarting())
    assert "before it began" in story.why_not(CLOCK, _run(story.now + DAY))


def test_a_run_that_began_in_time_may_be_told_a_little_later() -> None:
    story = approved(restarting(10 * DAY))
    end = NIGHT + 10 * DAY
    story.now = end + timedelta(minutes=5)
    assert kinds(story.passes(timedelta(0))) == []
    story.does(CLOCK, _run(end - timedelta(minutes=1)))


def test_it_is_never_started_or_closed_by_hand() -> None:
    story = approved(restarting())
    assert "never started" in story.why_not(LI, Start())
    assert "nothing was done" in story.why_not(LI, Close(outcome=Outcome.SUCCESSFUL))


def test_no_approval_once_it_has_run_out() -> None:
    story = Story(restarting(DAY))
    story.now += DAY
    assert "run out" in story.why_not(HEAD, Approve())


def test_it_closes_itself_with_what_its_runs_say() -> None:
    for failures, outcome in ((1, Outcome.SUCCESSFUL), (2, Outcome.FAILED)):
        story = approved(restarting(10 * DAY))
        for place in range(20):
            story.does(CLOCK, _run(story.now, succeeded=place >= failures))
        moment = next_due(story.change, story.rules)
        assert moment == NIGHT + 10 * DAY + timedelta(hours=1)
        assert kinds(story.passes(moment - story.now)) == [EventKind.CLOSED]
        assert (story.state, story.change.outcome) == (State.CLOSED, outcome)
        assert story.change.reason == f"ran out; {failures} of 20 runs failed"


def test_unused_or_unapproved_it_is_cancelled_at_its_end() -> None:
    unused, unapproved = approved(restarting(DAY)), Story(restarting(DAY))
    unused.passes(2 * DAY)
    unapproved.passes(2 * DAY)
    assert unused.change.reason == "ran out and was never used"
    assert unapproved.change.reason == "ran out before it was approved"
    assert unused.state is unapproved.state is State.CANCELLED


def test_the_share_of_failures_is_a_setting() -> None:
    story = approved(restarting(DAY)).does(
        CLOCK, _run(NIGHT + timedelta(minutes=1), succeeded=False)
    )
    story.rules = replace(story.rules, failing_share=1.0)
    story.passes(2 * DAY)
    assert story.change.outcome is Outcome.SUCCESSFUL
