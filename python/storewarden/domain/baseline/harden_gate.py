# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether hosts may be hardened on a change at this moment.

The change's own rules (approvals, its way back, a test) are asked when it starts; here is what
hardening adds: the hosts are its configuration items, its operation class covers such work, what
two people have to do before is done, and there is time for all of it, the undo included.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from storewarden.domain.change.record import Change, KeyStep, Kind, State
from storewarden.domain.maintenance.grounds import OperationClass

AUDITED_IN = timedelta(minutes=1)
"""Longest time of one audit round (the module's own limit is 30 s)."""

PER_GROUP = timedelta(seconds=20)
"""Time that one apply group takes on one host: capture, arm, apply, reload, two connections."""

WAITED_FOR = timedelta(minutes=2)
"""How long a play waits beyond the deadline for a host that was lost (the module's default)."""

STEP = "harden"
"""A key step whose name begins so is the hardening itself; those before it come first."""

COVERED = frozenset(
    {
        OperationClass.CONFIGURATION,
        OperationClass.PORT_CHANGE,
        OperationClass.PATCH,
        OperationClass.SERVICE_RESTART,
        OperationClass.POS,
        OperationClass.EMERGENCY,
    }
)
"""Operation classes whose windows hardening may use."""

_SHOWN = 3
_HINTS = {
    State.REQUESTED: "have it approved: storewarden change show {number}",
    State.PAUSED: "look, then storewarden change resume {number}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why not, and what to do."""

    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much there is to do: ``rounds`` is how many hosts one after the other, in one lane."""

    rounds: int
    groups: int
    deadline: timedelta

    @property
    def needs(self) -> timedelta:
        """Two audits, all groups of all rounds, and at the end a host that undoes by itself."""
        return 2 * AUDITED_IN + self.rounds * self.groups * PER_GROUP + self.deadline

    @property
    def longest(self) -> timedelta:
        """After so much time a run is stuck: every group waited for two deadlines and more."""
        each = 2 * self.deadline + WAITED_FOR + 3 * PER_GROUP
        return max(self.rounds * max(self.groups, 1) * each, AUDITED_IN)


def rounds(hosts: int, lanes: int) -> int:
    """How many hosts one lane goes through when ``lanes`` are worked on at a time."""
    return max(1, -(-hosts // max(lanes, 1)))


def start_refusal(change: Change, hosts: Collection[str]) -> Refusal | None:
    """Why ``hosts`` cannot be hardened on this change, whatever the time; None when they can."""
    return _state(change) or _foreign(change, hosts) or _operation(change) or _steps(change)


def time_refusal(change: Change, needs: timedelta, now: datetime, zone: tzinfo) -> Refusal | None:
    """Why there is not enough left of the change's own window."""
    window = change.draft.window
    if window is None or change.draft.kind is Kind.EMERGENCY:
        return None
    if now < window.starts:
        return Refusal(reason=f"its window begins at {_clock(window.starts, zone)}", hint="wait")
    if now + needs <= window.ends:
        return None
    return Refusal(
        reason=f"the work may take {minutes(needs)} min, its undo included, and its window ends"
        f" at {_clock(window.ends, zone)}",
        hint="fewer hosts with --limit, fewer controls, a shorter --deadline, or a longer window",
    )


def undo_refusal(change: Change, hosts: Collection[str]) -> Refusal | None:
    """Why nothing of this change can be taken back now. No window is asked: the way back is
    always open."""
    if change.state in (State.IN_PROGRESS, State.PAUSED, State.DONE):
        return _foreign(change, hosts)
    if change.standing is not None and change.state is State.APPROVED:
        return _foreign(change, hosts)
    hint = "open another change" if change.state is State.CLOSED else "nothing was done on it"
    return Refusal(reason=f"it is {change.state.value}", hint=hint)


def minutes(span: timedelta) -> int:
    """Whole minutes, rounded up."""
    return -(-int(span.total_seconds()) // 60)


def _state(change: Change) -> Refusal | None:
    if change.standing is not None or change.state in (State.APPROVED, State.IN_PROGRESS):
        return None
    return Refusal(
        reason=f"it is {change.state.value}, and to harden it must be approved or in progress",
        hint=_HINTS.get(change.state, "open another change").format(number=change.number),
    )


def _foreign(change: Change, hosts: Collection[str]) -> Refusal | None:
    if not hosts:
        return Refusal(reason="no host is left to work on", hint="look at --limit")
    foreign = sorted(set(hosts) - set(change.hosts))
    if not foreign:
        return None
    more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
    return Refusal(
        reason=f"none of its configuration items: {', '.join(foreign[:_SHOWN])}{more}",
        hint="a --limit inside of the change, or another change",
    )


def _operation(change: Change) -> Refusal | None:
    name = change.draft.operation
    if not name or OperationClass(name) in COVERED:
        return None
    known = ", ".join(sorted(each.value for each in COVERED))
    return Refusal(
        reason=f"its operation class {name} does not cover hardening", hint=f"one of: {known}"
    )


def _steps(change: Change) -> Refusal | None:
    for step in change.steps:
        if step.name.casefold().startswith(STEP):
            return None
        if step.two_person and not (step.done_by and step.checked_by):
            return _missing_step(change, step)
    return None


def _missing_step(change: Change, step: KeyStep) -> Refusal:
    verb = f"storewarden change step {change.number}"
    if step.done_by:
        return Refusal(
            reason=f"its key step {step.name!r} is not checked by a second person",
            hint=f"another person than {step.done_by}: {verb} NAME --check",
        )
    begin = "storewarden change start first; " if change.state is State.APPROVED else ""
    return Refusal(reason=f"its key step {step.name!r} is not done", hint=f"{begin}{verb} NAME")


def harden_step(change: Change) -> KeyStep | None:
    """The key step that is the hardening itself, when nobody has done it yet."""
    named = (step for step in change.steps if step.name.casefold().startswith(STEP))
    return next((step for step in named if not step.done_by), None)


def _clock(at: datetime, zone: tzinfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M} ({zone})"
