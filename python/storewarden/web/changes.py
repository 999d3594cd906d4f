# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes and their debts. Every writing route names a person and a key, and answers with the
change as it is then; a refusal is recorded and answered with 403."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from storewarden.domain.change.commands import (
    Approve,
    ApproveOverride,
    Cancel,
    Command,
    Finish,
    Note,
    Pause,
    Reject,
    Resume,
    Settle,
    StepCheck,
    StepDone,
)
from storewarden.domain.change.record import Change, State
from storewarden.flows import change_view
from storewarden.flows.change_desk import ChangeDesk
from storewarden.web.bodies import (
    ChangeBody,
    CloseBody,
    CommentBody,
    FinishBody,
    OverrideBody,
    PlanBody,
    ReasonBody,
    RunBody,
    SettleBody,
    StartBody,
    StepNameBody,
    TextBody,
)
from storewarden.web.parts import Desk
from storewarden.web.texts import Key, Line, Moment

router = APIRouter(tags=["changes"])

LIMIT = 200  # rows of a list when nobody says how many


class ChangeAnswer(BaseModel):
    """One change; ``waits_for`` says in words whose yes is missing."""

    change: Change
    waits_for: str


class RowAnswer(BaseModel):
    """One line of a list."""

    number: str
    state: State
    kind: str
    risk: str
    summary: str
    requester: str
    owner: str
    opened_at: datetime
    window: dict[str, datetime] | None
    items: int
    outcome: str | None
    standing: str | None
    open_debts: int
    waits_for: str


class RowsAnswer(BaseModel):
    """A list, newest first."""

    changes: list[RowAnswer]


class EntryAnswer(BaseModel):
    """One journal entry."""

    sequence: int
    at: datetime
    kind: str
    body: dict[str, object]
    hash: str


class EntriesAnswer(BaseModel):
    """A change's journal, in order."""

    entries: list[EntryAnswer]


class DebtAnswer(BaseModel):
    """One open debt."""

    number: str
    summary: str
    owner: str
    kind: str
    due: datetime
    what: str
    reminded: int
    overdue: bool


class DebtsAnswer(BaseModel):
    """Open debts, the most urgent first."""

    debts: list[DebtAnswer]


@router.post("/changes", status_code=201, response_model=ChangeAnswer, summary="Open a change")
def open_change(desk: Desk, key: Key, body: ChangeBody) -> JSONResponse:
    """It gets the next number of the day and its items, frozen."""
    return _answer(desk, desk.open(key, body.request()), 201)


@router.get("/changes", response_model=RowsAnswer, summary="List changes")
def list_changes(
    desk: Desk,
    *,
    state: Annotated[list[State] | None, Query()] = None,
    host: Line = "",
    mine: bool = False,
    since: Moment | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = LIMIT,
) -> JSONResponse:
    """Newest first; ``mine`` are those one has asked for, owns, or may approve now."""
    found = desk.changes(states=state or (), host=host, mine=mine, since=since, limit=limit)
    return JSONResponse({"changes": [change_view.row(desk, each) for each in found]})


@router.get("/changes/{number}", response_model=ChangeAnswer, summary="One change")
def show_change(desk: Desk, number: str) -> JSONResponse:
    """The whole record."""
    return _answer(desk, desk.change(number))


@router.get("/changes/{number}/history", response_model=EntriesAnswer, summary="Its journal")
def history(
    desk: Desk, number: str, after: Annotated[int, Query(ge=0, le=1 << 62)] = 0
) -> JSONResponse:
    """Journal entries with a sequence above ``after``."""
    entries = desk.history(number, after=after)
    return JSONResponse({"entries": [change_view.entry(each) for each in entries]})


@router.get("/debts", response_model=DebtsAnswer, summary="What is owed")
def debts(desk: Desk, overdue: bool = False) -> JSONResponse:
    """Debts of all changes that nobody has settled."""
    owed = desk.debts(overdue=overdue)
    return JSONResponse({"debts": [change_view.debt(each) for each in owed]})


@router.post("/changes/{number}/approve", response_model=ChangeAnswer, summary="Say yes")
def approve(desk: Desk, number: str, key: Key, body: CommentBody) -> JSONResponse:
    """With one's own name; nobody approves their own change."""
    return _done(desk, number, key, Approve(comment=body.comment))


@router.post("/changes/{number}/reject", response_model=ChangeAnswer, summary="Say no")
def reject(desk: Desk, number: str, key: Key, body: ReasonBody) -> JSONResponse:
    """For a reason."""
    return _done(desk, number, key, Reject(reason=body.reason))


@router.post("/changes/{number}/cancel", response_model=ChangeAnswer, summary="Withdraw it")
def cancel(desk: Desk, number: str, key: Key, body: ReasonBody) -> JSONResponse:
    """Before anything was done."""
    return _done(desk, number, key, Cancel(reason=body.reason))


@router.post("/changes/{number}/plan", response_model=ChangeAnswer, summary="Write the plan anew")
def plan(desk: Desk, number: str, key: Key, body: PlanBody) -> JSONResponse:
    """Approvals before it are void; after the start only owed paperwork is taken."""
    return _done(desk, number, key, body.command())


@router.post("/changes/{number}/start", response_model=ChangeAnswer, summary="Begin the work")
def start(desk: Desk, number: str, key: Key, body: StartBody | None = None) -> JSONResponse:
    """Inside its window and with its approvals; an emergency acts first."""
    return _done(desk, number, key, (body or StartBody()).command())


@router.post(
    "/changes/{number}/override", response_model=ChangeAnswer, summary="Ask for an override"
)
def override(desk: Desk, number: str, key: Key, body: OverrideBody) -> JSONResponse:
    """To start although windows forbid it; takes the place of the one before."""
    return _done(desk, number, key, body.command())


@router.post(
    "/changes/{number}/override/approve",
    response_model=ChangeAnswer,
    summary="Say yes to its override",
)
def approve_override(desk: Desk, number: str, key: Key, body: CommentBody) -> JSONResponse:
    """Two people have to, and nobody whose change it is."""
    return _done(desk, number, key, ApproveOverride(comment=body.comment))


@router.post("/changes/{number}/pause", response_model=ChangeAnswer, summary="Stop for now")
def pause(desk: Desk, number: str, key: Key, body: ReasonBody) -> JSONResponse:
    """No new step begins."""
    return _done(desk, number, key, Pause(reason=body.reason))


@router.post("/changes/{number}/resume", response_model=ChangeAnswer, summary="Go on")
def resume(desk: Desk, number: str, key: Key, body: ReasonBody) -> JSONResponse:
    """Somebody has looked."""
    return _done(desk, number, key, Resume(reason=body.reason))


@router.post("/changes/{number}/step-done", response_model=ChangeAnswer, summary="A step is done")
def step_done(desk: Desk, number: str, key: Key, body: StepNameBody) -> JSONResponse:
    """By whoever says so."""
    return _done(desk, number, key, StepDone(step=body.step))


@router.post("/changes/{number}/step-check", response_model=ChangeAnswer, summary="Check a step")
def step_check(desk: Desk, number: str, key: Key, body: StepNameBody) -> JSONResponse:
    """The second person's look."""
    return _done(desk, number, key, StepCheck(step=body.step))


@router.post("/changes/{number}/note", response_model=ChangeAnswer, summary="Write a note")
def note(desk: Desk, number: str, key: Key, body: TextBody) -> JSONResponse:
    """Free text for the record."""
    return _done(desk, number, key, Note(text=body.text))


@router.post("/changes/{number}/finish", response_model=ChangeAnswer, summary="The work has ended")
def finish(desk: Desk, number: str, key: Key, body: FinishBody) -> JSONResponse:
    """The outcome is still to be given."""
    return _done(desk, number, key, Finish(note=body.note))


@router.post("/changes/{number}/close", response_model=ChangeAnswer, summary="End it")
def close(desk: Desk, number: str, key: Key, body: CloseBody) -> JSONResponse:
    """With an outcome."""
    return _done(desk, number, key, body.command())


@router.post("/changes/{number}/settle", response_model=ChangeAnswer, summary="Pay a debt")
def settle(desk: Desk, number: str, key: Key, body: SettleBody) -> JSONResponse:
    """Approvals and tests are paid by approving and testing."""
    return _done(desk, number, key, Settle(debt=body.debt, what=body.what))


@router.post("/changes/{number}/runs", response_model=ChangeAnswer, summary="A standing run")
def run(desk: Desk, number: str, key: Key, body: RunBody) -> JSONResponse:
    """One run of a standing change."""
    return _done(desk, number, key, body.command())


def _done(desk: ChangeDesk, number: str, key: str, command: Command) -> JSONResponse:
    return _answer(desk, desk.act(number, key, command))


def _answer(desk: ChangeDesk, change: Change, status: int = 200) -> JSONResponse:
    return JSONResponse(change_view.whole(desk, change), status_code=status)
