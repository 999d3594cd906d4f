# SPDX-License-Identifier: GPL-3.0-or-later
"""From the start to the outcome."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from storewarden.domain.change.commands import (
    Approve,
    Attach,
    Circumstances,
    Close,
    Command,
    Finish,
    Note,
    Pause,
    Plan,
    Resume,
    Settle,
    Start,
    StepCheck,
    StepDone,
    Ticket,
)
from storewarden.domain.change.decide import decide
from storewarden.domain.change.events import EventKind
from storewarden.domain.change.people import CLOCK
from storewarden.domain.change.record import (
    DebtKind,
    EvidenceKind,
    KeyStep,
    Kind,
    Outcome,
    Risk,
    Span,
    State,
)
from tests.unit.change.story import (
    BUSINESS,
    HEAD,
    IT,
    LI,
    NIGHT,
    OPS,
    SEC,
    Story,
    approved,
    begun,
    draft,
    kinds,
)

DUMP = KeyStep(name="dump the database", two_person=True)
COPY = KeyStep(name="copy the files")
REPORT = Attach(
    kind=EvidenceKind.TEST,
    name="test.html",
    media_type="text/html",
    size=7,
    digest="ab" * 32,
)


def _major() -> Story:
    return approved(draft(Kind.MAJOR, Risk.HIGH), OPS, SEC, BUSINESS, IT)


def test_a_whole_change() -> None:
    story = begun().does(LI, Note(text="first till done"), Finish())
    assert story.state is State.DONE
    story.does(LI, Close(outcome=Outcome.SUCCESSFUL))
    change = story.change
    assert (change.state, change.outcome) == (State.CLOSED, Outcome.SUCCESSFUL)
    assert change.started_by == "li"
    assert change.started_at is not None
    assert change.ended_at is not None
    assert change.closed_at is not None
    assert change.started_at < change.ended_at < change.closed_at


def test_closing_what_is_under_way_also_finishes_it() -> None:
    decision = begun().ask(LI, Close(outcome=Outcome.SUCCESSFUL))
    assert kinds(decision) == [EventKind.FINISHED, EventKind.CLOSED]


def test_what_was_never_begun_is_cancelled_and_not_closed() -> None:
    close = Close(outcome=Outcome.SUCCESSFUL)
    assert "nothing was done" in approved().why_not(LI, close)
    assert "it is requested, and to close it must be" in Story(draft()).why_not(LI, close)


def test_a_major_change_needs_its_test_and_closed_stores() -> None:
    story = _major()
    assert story.why_not(LI, Start()) == "a major change needs test evidence"
    story.does(LI, REPORT)
    noon = Circumstances(trading=("000101", "000102"))
    assert "open now: 000101, 000102" in story.why_not(LI, Start(circumstances=noon))
    assert story.does(LI, Start()).state is State.IN_PROGRESS


def test_other_evidence_is_no_test() -> None:
    story = _major().does(LI, Attach(**{**_fields(REPORT), "kind": EvidenceKind.AUDIT}))
    assert "needs test evidence" in story.why_not(LI, Start())


def _fields(command: Attach) -> dict[str, object]:
    return {name: getattr(command, name) for name in Attach.__slots__}


def test_a_standard_change_may_begin_while_stores_are_open() -> None:
    story = approved().does(LI, Start(circumstances=Circumstances(trading=("000101",))))
    assert story.state is State.IN_PROGRESS


def test_the_window_questions_no_counts_for_everybody() -> None:
    no = Circumstances(forbidden="network devices: not 09:00-22:00", hint="from 22:00")
    for kind in (Kind.STANDARD, Kind.EMERGENCY):
        story = approved(draft(kind))
        refused = story.ask(LI, Start(circumstances=no))
        assert "not 09:00-22:00" in refused.refusal
        assert refused.hint == "from 22:00"
        assert story.state is State.APPROVED


def test_an_override_stands_in_the_record() -> None:
    around = Circumstances(override="wang and chen: the store stands still")
    decision = approved().ask(LI, Start(circumstances=around))
    assert decision.events[0].data["override"] == "wang and chen: the store stands still"


def test_a_change_begins_inside_its_own_window() -> None:
    hour = timedelta(hours=1)
    span = Span(starts=NIGHT + hour, ends=NIGHT + 3 * hour)
    story = approved(draft(window=span))
    assert "its window begins at 2026-06-01 16:00 (UTC)" in story.why_not(LI, Start())
    story.rules = replace(story.rules, zone=ZoneInfo("Asia/Shanghai"))
    told = "its window begins at 2026-06-02 00:00 (Asia/Shanghai)"
    assert told in story.why_not(LI, Start())
    story.now += hour
    assert _why_not_to_start(story) == ""
    story.now = span.ends
    assert "its window ended at" in story.why_not(LI, Start())
    new = Span(starts=story.now, ends=story.now + hour)
    story.does(LI, Plan(window=new)).does(HEAD, Approve()).does(LI, Start())
    assert story.state is State.IN_PROGRESS


def _why_not_to_start(story: Story) -> str:
    """What would be said, without it happening."""
    return decide(story.change, Start(), LI, story.rules, story.now).refusal


def test_work_that_is_longer_than_its_window_does_not_begin() -> None:
    """Asked for with how long it takes; without that, the window's end is what counts."""
    ends = NIGHT + timedelta(hours=2)
    story = approved(draft(window=Span(starts=NIGHT, ends=ends)))
    story.now = ends - timedelta(minutes=41)
    long = story.ask(LI, Start(needs=timedelta(minutes=41)))
    assert "before the work is done" in long.refusal
    story.now = ends - timedelta(minutes=41)  # asking takes a minute
    assert not story.ask(LI, Start(needs=timedelta(minutes=40))).refusal
    assert story.state is State.IN_PROGRESS


def test_everything_that_is_missing_is_said_at_once() -> None:
    refusal = Story(draft(Kind.MAJOR)).why_not(LI, Start())
    assert "waits for approval by: department head, business, IT" in refusal
    assert "needs test evidence" in refusal


def test_an_anomaly_stops_it_until_a_person_has_looked() -> None:
    story = begun().does(CLOCK, Pause(reason="two tills do not answer"))
    assert (story.state, story.change.reason) == (State.PAUSED, "two tills do not answer")
    assert "only a person" in story.why_not(CLOCK, Resume())
    assert story.does(OPS, Resume(reason="power cut in the mall")).state is State.IN_PROGRESS


def test_a_key_step_is_checked_by_another_person() -> None:
    story = begun(draft(steps=(DUMP, COPY)))
    assert "is not done yet" in story.why_not(HEAD, StepCheck(step=DUMP.name))
    story.does(LI, StepDone(step=DUMP.name), StepDone(step=COPY.name))
    assert "another person" in story.why_not(LI, StepCheck(step=DUMP.name))
    assert "only people" in story.why_not(CLOCK, StepCheck(step=DUMP.name))
    close = Close(outcome=Outcome.SUCCESSFUL)
    assert "not checked by a second person: dump the database" in story.why_not(LI, close)
    story.does(HEAD, StepCheck(step=DUMP.name)).does(LI, close)
    step = story.change.steps[0]
    assert (step.done_by, step.checked_by) == ("li", "head")
    assert story.state is State.CLOSED


def test_steps_left_undone_are_no_success_but_may_be_a_failure() -> None:
    story = begun(draft(steps=(DUMP,)))
    assert "not done: dump" in story.why_not(LI, Close(outcome=Outcome.SUCCESSFUL))
    story.does(LI, Close(outcome=Outcome.ROLLED_BACK, reason="disk full"))
    assert story.change.outcome is Outcome.ROLLED_BACK


@pytest.mark.parametrize("command", [StepDone(step=DUMP.name), StepCheck(step=DUMP.name)])
def test_nothing_is_done_twice(command: Command) -> None:
    story = begun(draft(steps=(DUMP,))).does(LI, StepDone(step=DUMP.name))
    story.does(HEAD, StepCheck(step=DUMP.name))
    assert "already" in story.why_not(HEAD if isinstance(command, StepCheck) else LI, command)


def test_an_unknown_step_names_those_there_are() -> None:
    story = begun(draft(steps=(DUMP, COPY)))
    refused = story.ask(LI, StepDone(step="pray"))
    assert "no key step 'pray'" in refused.refusal
    assert refused.hint == "its key steps: dump the database, copy the files"


def test_no_success_needs_a_reason() -> None:
    assert "needs a reason" in begun().why_not(LI, Close(outcome=Outcome.FAILED))


def test_a_partial_change_owes_what_it_left() -> None:
    story = begun().does(LI, Close(outcome=Outcome.PARTIAL, reason="line", left=("pos-2",)))
    debt = story.owes(DebtKind.ITEMS)
    assert debt is not None
    assert (debt.what, debt.due) == ("pos-2", story.now + timedelta(days=7))
    assert "how it was paid" in story.why_not(LI, Settle(debt=DebtKind.ITEMS))
    story.does(LI, Settle(debt=DebtKind.ITEMS, what="done by GMBG-20260602-003"))
    assert story.owes(DebtKind.ITEMS) is None
    assert story.state is State.CLOSED


def test_what_was_left_must_be_an_item_of_the_change() -> None:
    close = Close(outcome=Outcome.PARTIAL, reason="line", left=("pos-9",))
    assert "pos-9 is none of its" in begun().why_not(LI, close)


def test_closed_is_final() -> None:
    story = begun().does(LI, Close(outcome=Outcome.SUCCESSFUL))
    for command in (
        Approve(),
        Start(),
        Pause(reason="x"),
        Note(text="x"),
        REPORT,
        Plan(plan="x"),
        Close(outcome=Outcome.FAILED, reason="x"),
        Settle(debt=DebtKind.TEST),
    ):
        story.why_not(HEAD if isinstance(command, Approve) else LI, command)
    assert (story.state, story.change.outcome) == (State.CLOSED, Outcome.SUCCESSFUL)


def test_the_plan_stands_once_work_has_begun() -> None:
    assert "stands once the work has begun" in begun().why_not(LI, Plan(plan="another"))


def test_a_ticket_may_come_hours_late() -> None:
    story = begun().does(LI, Close(outcome=Outcome.SUCCESSFUL))
    story.does(CLOCK, Ticket(system="roundup", ticket="issue17"))
    assert story.change.tickets == {"roundup": "issue17"}


def test_evidence_is_kept_with_who_brought_it() -> None:
    story = approved().does(OPS, REPORT)
    (found,) = story.change.evidence
    assert (found.kind, found.name, found.by) == (EvidenceKind.TEST, "test.html", "ops")
    assert (found.size, found.digest) == (7, "ab" * 32)
