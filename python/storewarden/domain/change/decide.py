# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door for everything asked of a change.

First the clock: approvals that ran out unused are marked before anything else is
looked at, so that nobody acts on one between two ticks. Then the table of states.
Then the command's own rules (``approving``, ``working``, ``recording``). A refusal
records that it was tried and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from storewarden.domain.change import approving, overriding, recording, working
from storewarden.domain.change.approvals import run_out
from storewarden.domain.change.asking import Asking
from storewarden.domain.change.commands import (
    Approve,
    ApproveOverride,
    AskOverride,
    Attach,
    Cancel,
    Close,
    Command,
    Finish,
    Note,
    Pause,
    Plan,
    Reject,
    Resume,
    Run,
    Settle,
    Start,
    StepCheck,
    StepDone,
    Ticket,
)
from storewarden.domain.change.events import ChangeEvent, Decision, EventKind
from storewarden.domain.change.machine import allows, fold
from storewarden.domain.change.people import CLOCKWORK, Person
from storewarden.domain.change.plain import stamp
from storewarden.domain.change.record import Approval, Change, State
from storewarden.domain.change.rules import ApprovalRules


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How a command is answered: its event's kind (any of them must be allowed), its word."""

    kinds: tuple[EventKind, ...]
    verb: str
    answer: Callable[[Asking, Any], Decision]


_WAYS: Mapping[type, _Way] = {
    Approve: _Way(kinds=(EventKind.APPROVED,), verb="approve", answer=approving.approve),
    Reject: _Way(kinds=(EventKind.REJECTED,), verb="reject", answer=approving.reject),
    Cancel: _Way(kinds=(EventKind.CANCELLED,), verb="cancel", answer=approving.cancel),
    Plan: _Way(kinds=(EventKind.PLANNED,), verb="plan", answer=recording.plan),
    Start: _Way(kinds=(EventKind.STARTED,), verb="start", answer=working.start),
    Pause: _Way(kinds=(EventKind.PAUSED,), verb="pause", answer=working.pause),
    Resume: _Way(kinds=(EventKind.RESUMED,), verb="resume", answer=working.resume),
    StepDone: _Way(kinds=(EventKind.STEP_DONE,), verb="do a step", answer=working.step_done),
    StepCheck: _Way(
        kinds=(EventKind.STEP_CHECKED,), verb="check a step", answer=working.step_checked
    ),
    Note: _Way(kinds=(EventKind.NOTED,), verb="note", answer=recording.note),
    Attach: _Way(kinds=(EventKind.EVIDENCE,), verb="attach evidence", answer=recording.attach),
    Finish: _Way(kinds=(EventKind.FINISHED,), verb="finish", answer=working.finish),
    Close: _Way(kinds=(EventKind.CLOSED, EventKind.FINISHED), verb="close", answer=working.close),
    Settle: _Way(kinds=(EventKind.SETTLED,), verb="settle a debt", answer=recording.settle),
    Run: _Way(kinds=(EventKind.RAN,), verb="record a run", answer=recording.run),
    Ticket: _Way(kinds=(EventKind.TICKET,), verb="note a ticket", answer=recording.ticket),
    AskOverride: _Way(
        kinds=(EventKind.OVERRIDE_ASKED,), verb="ask for an override", answer=overriding.ask
    ),
    ApproveOverride: _Way(
        kinds=(EventKind.OVERRIDE_APPROVED,),
        verb="approve the override",
        answer=overriding.approve,
    ),
}


def decide(
    change: Change, command: Command, person: Person, rules: ApprovalRules, now: datetime
) -> Decision:
    """What follows when ``person`` asks ``command`` of ``change`` at ``now``.

    The events can all be folded over ``change`` in their order. Never raises for what people
    ask; a "no" is a decision with a refusal.
    """
    way = _WAYS[type(command)]
    expired = expiries(change, now)
    current = change
    for event in expired:
        current = fold(current, event)
    asking = Asking(change=current, person=person, rules=rules, now=now, verb=way.verb)
    if not any(allows(current.state, kind) for kind in way.kinds):
        return _not_there(asking, way, command)
    decision = way.answer(asking, command)
    if decision.refusal:
        return decision
    return Decision(events=(*expired, *decision.events), hint=decision.hint)


def _not_there(asking: Asking, way: _Way, command: Command) -> Decision:
    states = [each for each in State if any(allows(each, kind) for kind in way.kinds)]
    where = " or ".join(each.value for each in states)
    reason = f"it is {asking.change.state.value}, and to {way.verb} it must be {where}"
    if isinstance(command, Run):  # what happened on the hosts must not be lost with the refusal
        return asking.refuse(reason, "find out who ran it", run=command)
    return asking.refuse(reason)


def expiries(change: Change, now: datetime) -> tuple[ChangeEvent, ...]:
    """EXPIRED for each approval that ran out unused; a standing change runs out as a whole."""
    if change.standing is not None or not allows(change.state, EventKind.EXPIRED):
        return ()
    return tuple(expiry(change, each, now) for each in run_out(change, now))


def expiry(change: Change, approval: Approval, now: datetime) -> ChangeEvent:
    """The end of one unused approval."""
    data = {"person": approval.person, "approved_at": stamp(approval.at)}
    return ChangeEvent(
        number=change.number, kind=EventKind.EXPIRED, at=now, by=CLOCKWORK, data=data
    )
