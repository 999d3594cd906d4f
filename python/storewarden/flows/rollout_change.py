# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change says to the rollout that works on it: may it go on, and is it approved at all.

The rollout never decides that anew: approvals, windows of the change itself, key steps of two
people and pauses are the change's, and the change's own rules are asked when its work begins.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, tzinfo

from storewarden.domain.change.record import Change, KeyStep, Kind, State
from storewarden.domain.maintenance.grounds import NEEDS_WINDOW, OperationClass
from storewarden.domain.rollout.spec import PayloadClass, Reversibility
from storewarden.flows.change_windows import operation_of

STEP = "rollout"
"""A key step whose name begins so is the rollout itself; those before it come first."""

OPERATIONS = {
    PayloadClass.PACKAGES: OperationClass.PATCH,
    PayloadClass.RELEASE: OperationClass.RELEASE,
    PayloadClass.CONTENT: OperationClass.CONFIGURATION,
    PayloadClass.CONFIG: OperationClass.CONFIGURATION,
    PayloadClass.BASELINE: OperationClass.CONFIGURATION,
}
"""The class of work that windows are asked for when the change names none."""

_TWO = 2  # people (reference: rollouts, "Rollback pack", class D)
_COVERING = NEEDS_WINDOW | {OperationClass.EMERGENCY}
_WORKING = (State.APPROVED, State.IN_PROGRESS)
_OVER = (State.REJECTED, State.CANCELLED, State.DONE, State.CLOSED)
_APPROVED = (State.APPROVED, State.IN_PROGRESS, State.PAUSED, State.DONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """``against`` is why the rollout must not go on, "" when it may; ``over`` why it never will."""

    against: str
    approved: bool
    over: str = ""


def saying(change: Change | None, now: datetime, zone: tzinfo) -> Saying:
    """What the change says at this moment."""
    if change is None:
        return Saying(against="its change is gone", approved=False)
    emergency = change.draft.kind is Kind.EMERGENCY
    approved = change.state in _APPROVED or (emergency and change.state is State.REQUESTED)
    over = f"the change is {change.state.value}" if change.state in _OVER else ""
    return Saying(against=_against(change, now, zone), approved=approved, over=over)


def operation(change: Change, payload: PayloadClass) -> OperationClass:
    """The class that windows are asked for."""
    if change.draft.operation or change.draft.kind is Kind.EMERGENCY:
        return operation_of(change.draft)
    return OPERATIONS[payload]


def scope_refusal(change: Change, hosts: Collection[str]) -> str:
    """Why a rollout over ``hosts`` is none of this change's business; "" when it is."""
    if change.standing is not None:
        return "a standing change covers small repeated actions, not a rollout"
    if change.state in _OVER:
        return f"it is {change.state.value}"
    foreign = sorted(set(hosts) - set(change.hosts))
    if foreign:
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        return f"none of its configuration items: {', '.join(foreign[:3])}{more}"
    name = change.draft.operation
    if name and OperationClass(name) not in _COVERING:
        return f"its operation class {name} does not cover a rollout"
    return ""


def irreversible(change: Change, reversibility: Reversibility) -> str:
    """Why what cannot be taken back must not begin: two people have to have approved it."""
    people = {each.person for each in change.approvals if not each.expired}
    if reversibility is not Reversibility.NONE or len(people) >= _TWO:
        return ""
    return "it cannot be taken back, so two people have to approve it"


def own_step(change: Change) -> KeyStep | None:
    """The key step that is the rollout itself, when nobody has done it yet."""
    named = (step for step in change.steps if step.name.casefold().startswith(STEP))
    return next((step for step in named if not step.done_by), None)


def _against(change: Change, now: datetime, zone: tzinfo) -> str:
    emergency = change.draft.kind is Kind.EMERGENCY
    if change.state is State.PAUSED:
        return f"the change is paused: {change.reason or 'no reason given'}"
    if change.state not in _WORKING and not (emergency and change.state is State.REQUESTED):
        return f"the change is {change.state.value}"
    return "" if emergency else _outside(change, now, zone) or _steps(change)


def _outside(change: Change, now: datetime, zone: tzinfo) -> str:
    window = change.draft.window
    if window is not None and now < window.starts:
        return f"the change's window begins at {window.starts.astimezone(zone):%Y-%m-%d %H:%M}"
    if window is not None and now >= window.ends:
        return f"the change's window ended at {window.ends.astimezone(zone):%Y-%m-%d %H:%M}"
    return ""


def _steps(change: Change) -> str:
    """What two people have to do before is done."""
    for step in change.steps:
        if step.name.casefold().startswith(STEP):
            return ""
        if step.two_person and not (step.done_by and step.checked_by):
            return f"the change's key step {step.name!r} is not done and checked"
    return ""
