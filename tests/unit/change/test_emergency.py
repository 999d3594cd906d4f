# SPDX-License-Identifier: GPL-3.0-or-later
"""An emergency acts first, and what it skipped is owed, listed, reminded and counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from storewarden.domain.change.commands import Approve, Attach, Close, Plan, Settle, Start
from storewarden.domain.change.debts import count_debts, debts
from storewarden.domain.change.events import EventKind
from storewarden.domain.change.record import (
    DebtKind,
    EvidenceKind,
    Kind,
    Outcome,
    Risk,
    RollbackPlan,
    Span,
    State,
)
from storewarden.domain.maintenance.grounds import OperationClass
from tests.unit.change.story import (
    BACK,
    HEAD,
    LI,
    NIGHT,
    OPS,
    SEC,
    ZHANG,
    Story,
    approved,
    draft,
    kinds,
)

HOUR = timedelta(hours=1)
TEST = Attach(
    kind=EvidenceKind.TEST, name="t.txt", media_type="text/plain", size=1, digest="cd" * 32
)
ALL = (DebtKind.APPROVAL, DebtKind.PAPERWORK, DebtKind.TEST)


def _fire(risk: Risk = Risk.HIGH, **more: object) -> Story:
    """Everything is down; Li acts."""
    bare = draft(Kind.EMERGENCY, risk, reason="", plan="", rollback=RollbackPlan())
    return Story(replace(bare, **more)).does(LI, Start())  # type: ignore[arg-type]


def test_it_begins_without_anything_and_owes_everything() -> None:
    story = _fire()
    assert story.state is State.IN_PROGRESS
    due = {debt.kind: debt.due - story.now for debt in story.change.debts}
    assert due == {
        DebtKind.APPROVAL: 24 * HOUR,
        DebtKind.PAPERWORK: 24 * HOUR,
        DebtKind.TEST: 48 * HOUR,
    }
    approval = story.owes(DebtKind.APPROVAL)
    assert approval is not None
    assert approval.what == "operations lead, security lead"


def test_a_port_change_writes_its_paperwork_within_the_hour() -> None:
    debt = _fire(operation=OperationClass.PORT_CHANGE.value).owes(DebtKind.PAPERWORK)
    assert debt is not None
    assert debt.due == NIGHT + HOUR + timedelta(minutes=1)


def test_its_own_window_does_not_hold_it_up() -> None:
    later = Span(starts=NIGHT + 5 * HOUR, ends=NIGHT + 6 * HOUR)
    assert _fire(window=later).state is State.IN_PROGRESS


def test_later_approvals_pay_for_those_it_went_without() -> None:
    story = _fire().does(OPS, Approve())
    assert story.owes(DebtKind.APPROVAL) is not None
    decision = story.ask(SEC, Approve())
    assert kinds(decision) == [EventKind.APPROVED, EventKind.SETTLED]
    assert story.owes(DebtKind.APPROVAL) is None
    assert "owes no approval" in story.why_not(replace(SEC, id="sec2"), Approve())


def test_approvals_before_the_start_count() -> None:
    story = Story(draft(Kind.EMERGENCY, Risk.HIGH)).does(OPS, Approve()).does(LI, Start())
    debt = story.owes(DebtKind.APPROVAL)
    assert debt is not None
    assert debt.what == "security lead"
    assert story.does(SEC, Approve()).owes(DebtKind.APPROVAL) is None


def test_who_acted_cannot_approve_afterwards() -> None:
    story = Story(draft(Kind.EMERGENCY, Risk.HIGH)).does(OPS, Start())
    assert "ops started it" in story.why_not(OPS, Approve())
    requester = replace(ZHANG, roles=frozenset({"operations_lead"}))
    assert "zhang requested it" in story.why_not(requester, Approve())


def test_the_test_is_paid_by_its_evidence_even_after_closing() -> None:
    story = _fire().does(LI, Close(outcome=Outcome.SUCCESSFUL))
    assert "paid by attaching" in story.why_not(LI, Settle(debt=DebtKind.TEST, what="trust me"))
    story.does(LI, TEST)
    assert story.owes(DebtKind.TEST) is None
    assert story.state is State.CLOSED


def test_paperwork_is_paid_when_all_of_it_is_there() -> None:
    story = _fire()
    why = "nobody has written plan, the rollback plan's trigger"
    story.does(LI, Plan(reason="tills down"))
    assert why in story.why_not(LI, Settle(debt=DebtKind.PAPERWORK, what="written"))
    decision = story.ask(LI, Plan(plan="restarted all", rollback=BACK))
    assert kinds(decision) == [EventKind.PLANNED, EventKind.SETTLED]
    assert story.owes(DebtKind.PAPERWORK) is None
    assert story.change.draft.reason == "tills down"


def test_window_and_steps_are_no_paperwork() -> None:
    later = Span(starts=NIGHT + HOUR, ends=NIGHT + 2 * HOUR)
    assert "leave them out" in str(_fire().ask(LI, Plan(window=later)).hint)


def test_approvals_are_not_settled_by_word() -> None:
    story = _fire()
    refused = story.ask(LI, Settle(debt=DebtKind.APPROVAL, what="they agreed"))
    assert "paid by approving" in refused.refusal
    assert refused.hint == "waits for approval by: operations lead, security lead"


def test_one_that_was_approved_tested_and_written_first_owes_nothing() -> None:
    story = approved(draft(Kind.EMERGENCY)).does(LI, TEST, Start())
    assert story.change.debts == ()


def test_one_that_acted_first_owes_an_account_even_when_its_plan_was_written() -> None:
    story = Story(draft(Kind.EMERGENCY)).does(LI, TEST, Start())
    debt = story.owes(DebtKind.PAPERWORK)
    assert debt is not None
    assert debt.what == "an account of what was done"
    story.does(LI, Settle(debt=DebtKind.PAPERWORK, what="two tills restarted, see notes"))
    assert story.owes(DebtKind.PAPERWORK) is None


def test_an_emergency_approval_that_expired_unused_is_owed_again() -> None:
    story = approved(draft(Kind.EMERGENCY))
    story.now += timedelta(days=9)
    decision = story.ask(LI, Start())
    assert kinds(decision)[:2] == [EventKind.EXPIRED, EventKind.STARTED]
    assert story.owes(DebtKind.APPROVAL) is not None


def test_debts_are_listed_by_urgency_until_paid() -> None:
    story = _fire(Risk.LOW)
    listed = debts([story.change], story.now)
    assert [owed.debt.kind for owed in listed] == list(ALL)
    assert {(owed.number, owed.owner, owed.overdue) for owed in listed} == {
        (story.change.number, "li", False)
    }
    assert listed[-1].left == 48 * HOUR
    story.does(HEAD, Approve())
    late = debts([story.change], NIGHT + 30 * HOUR)
    assert [(owed.debt.kind, owed.overdue) for owed in late] == [
        (DebtKind.PAPERWORK, True),
        (DebtKind.TEST, False),
    ]


def test_debts_are_counted_also_when_paid_late() -> None:
    story = _fire(Risk.LOW)
    story.now += 30 * HOUR
    story.does(HEAD, Approve())
    counted = {count.kind: count for count in count_debts([story.change], story.now)}
    approval, paperwork = counted[DebtKind.APPROVAL], counted[DebtKind.PAPERWORK]
    assert (approval.open, approval.settled, approval.settled_late) == (0, 1, 1)
    assert (paperwork.open, paperwork.overdue, paperwork.settled) == (1, 1, 0)
    assert counted[DebtKind.ITEMS].open == 0


def test_reminders_come_before_when_and_daily_after_a_debt_is_due() -> None:
    story = _fire(Risk.LOW).does(LI, TEST, Plan(reason="x", plan="y", rollback=BACK))
    story.now = NIGHT
    assert kinds(story.passes(19 * HOUR)) == []
    told = []
    for _ in range(5 * 24):
        told += [(e.data["about"], e.data["count"]) for e in story.passes(HOUR).events]
    assert told == [("approval", count) for count in range(1, 7)]
    assert story.owes(DebtKind.APPROVAL).reminded == 6  # type: ignore[union-attr]


def test_a_controller_that_was_away_reminds_once() -> None:
    story = _fire(Risk.LOW).does(HEAD, Approve())
    first = story.passes(timedelta(days=5))
    assert kinds(first) == [EventKind.REMINDED] * 2
    assert kinds(story.passes(HOUR)) == []
