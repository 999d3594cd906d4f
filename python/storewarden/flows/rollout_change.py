# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change says to the rollout that works on it: may it go on, and is it approved at all.

The rollout never decides that anew: approvals, windows of the change itself, key steps of two
people and pauses are the change's, and the change's own rules are asked when its work begins.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, tzinfo

from storewarden.domain.change.clauses import STATES
from storewarden.domain.change.record import Change, KeyStep, Kind, Span, State
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


type Why = tuple[str, str]
"""A reason in English and Chinese; ``NOTHING`` when there is none."""

NOTHING: Why = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """``against`` is why the rollout must not go on; ``over`` why it never will; ``outside`` why
    the change's own window lets nothing begin now, and ``ends`` when that window is over (None
    where it has none)."""

    against: Why
    approved: bool
    over: Why = NOTHING
    outside: Why = NOTHING
    ends: datetime | None = None


def saying(change: Change | None, now: datetime, zone: tzinfo) -> Saying:
    """What the change says at this moment."""
    if change is None:
        return Saying(against=("its change is gone", "其变更单已不存在"), approved=False)
    emergency = change.draft.kind is Kind.EMERGENCY
    window = None if emergency else change.draft.window
    return Saying(
        against=_against(change),
        approved=change.state in _APPROVED or (emergency and change.state is State.REQUESTED),
        over=_is(change) if change.state in _OVER else NOTHING,
        outside=NOTHING if window is None else outside(window, now, zone),
        ends=None if window is None else window.ends,
    )


def outside(window: Span, now: datetime, zone: tzinfo) -> Why:
    """Why a change's own window lets nothing begin at ``now``."""
    if now < window.starts:
        at = f"{window.starts.astimezone(zone):%Y-%m-%d %H:%M}"
        return f"the change's window begins at {at}", f"变更窗口 {at} 才开始"
    if now >= window.ends:
        at = f"{window.ends.astimezone(zone):%Y-%m-%d %H:%M}"
        return f"the change's window ended at {at}", f"变更窗口已于 {at} 结束"
    return NOTHING


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


def irreversible(change: Change, reversibility: Reversibility) -> Why:
    """Why what cannot be taken back must not begin: two people have to have approved it."""
    people = {each.person for each in change.approvals if not each.expired}
    if reversibility is not Reversibility.NONE or len(people) >= _TWO:
        return NOTHING
    return "it cannot be taken back, so two people have to approve it", "无法回退，须由两人批准"


def own_step(change: Change) -> KeyStep | None:
    """The key step that is the rollout itself, when nobody has done it yet."""
    named = (step for step in change.steps if step.name.casefold().startswith(STEP))
    return next((step for step in named if not step.done_by), None)


def _against(change: Change) -> Why:
    emergency = change.draft.kind is Kind.EMERGENCY
    if change.state is State.PAUSED:
        return (
            f"the change is paused: {change.reason or 'no reason given'}",
            f"变更单已暂停：{change.reason or '未说明原因'}",
        )
    if change.state not in _WORKING and not (emergency and change.state is State.REQUESTED):
        return _is(change)
    return NOTHING if emergency else _steps(change)


def _is(change: Change) -> Why:
    state = change.state.value
    return f"the change is {state}", f"变更单{STATES.get(state, state)}"


def _steps(change: Change) -> Why:
    """What two people have to do before is done."""
    for step in change.steps:
        if step.name.casefold().startswith(STEP):
            break
        if step.two_person and not (step.done_by and step.checked_by):
            return (
                f"the change's key step {step.name!r} is not done and checked",
                f"变更单的关键步骤 {step.name!r} 尚未完成并复核",
            )
    return NOTHING
