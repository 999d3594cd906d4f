# SPDX-License-Identifier: GPL-3.0-or-later
"""From the first touch of a machine to the outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from storewarden.domain.change.approvals import missing, required, waits_for
from storewarden.domain.change.asking import Asking, lacking, no_way_back
from storewarden.domain.change.commands import (
    Circumstances,
    Close,
    Finish,
    Pause,
    Resume,
    Start,
    StepCheck,
    StepDone,
)
from storewarden.domain.change.events import ChangeEvent, Decision, EventKind
from storewarden.domain.change.overriding import in_force, override_told
from storewarden.domain.change.people import CLOCKWORK
from storewarden.domain.change.record import (
    DebtKind,
    EvidenceKind,
    KeyStep,
    Kind,
    Outcome,
    State,
)

_Reason = tuple[str, str]  # why not, and what to do


def start(asking: Asking, command: Start) -> Decision:
    """Begin. An emergency goes without approvals, plan, test and window, and owes them."""
    change = asking.change
    if change.standing is not None:
        return asking.refuse("a standing change is never started", "its runs are recorded")
    emergency = change.draft.kind is Kind.EMERGENCY
    reasons = [] if emergency else [*_unready(asking), *_outside(asking, command)]
    if command.circumstances.forbidden:
        reasons.append((command.circumstances.forbidden, command.circumstances.hint))
    if reasons:
        hints = dict.fromkeys(hint for _, hint in reasons if hint)
        return asking.refuse("; ".join(reason for reason, _ in reasons), "; ".join(hints))
    return asking.record(*_begun(asking, _set_aside(asking, command.circumstances)))


def _begun(asking: Asking, override: str) -> tuple[ChangeEvent, ...]:
    change = asking.change
    open_roles = missing(change, asking.rules, asking.now)
    found = [asking.event(EventKind.STARTED, authorised=not open_roles, override=override)]
    if change.state is State.REQUESTED and not open_roles:
        # the site's rules ask for fewer people than when the last one said yes
        needed = required(change, asking.rules)
        found.insert(0, asking.event(EventKind.AUTHORISED, required=needed))
    emergency = change.draft.kind is Kind.EMERGENCY
    return (*found, *(_debts(asking) if emergency else ()))


def _unready(asking: Asking) -> list[_Reason]:
    """What a change that is no emergency must have before its start."""
    change, found = asking.change, list[_Reason]()
    if missing(change, asking.rules, asking.now):
        waits = waits_for(change, asking.rules, asking.now)
        found.append((f"waits for approval by: {waits}{_ran_out(asking)}", "have it approved"))
    gaps = no_way_back(change)
    if gaps:
        found.append((f"nobody has written {', '.join(gaps)}", "write it, then have it approved"))
    if change.draft.kind in asking.rules.tested and not _tested(asking):
        found.append(
            (f"a {change.draft.kind.value} change needs test evidence", "attach the test's result")
        )
    return found


def _ran_out(asking: Asking) -> str:
    gone = [each for each in asking.change.approvals if each.expired]
    people = ", ".join(dict.fromkeys(each.person for each in gone))
    return f" (no longer valid: {people})" if people else ""


def _tested(asking: Asking) -> bool:
    return any(each.kind is EvidenceKind.TEST for each in asking.change.evidence)


def _outside(asking: Asking, command: Start) -> list[_Reason]:
    """Why the moment is wrong, as far as the change itself says it."""
    draft, now, around = asking.change.draft, asking.now, command.circumstances
    found = list(_own_window(asking, command.needs))
    if _trades(asking, around) and in_force(asking.change, now) is None:
        stores = ", ".join(around.trading[:5]) + (", ..." if len(around.trading) > 5 else "")
        found.append(
            (
                f"a {draft.kind.value} change begins outside opening hours; open now: {stores}",
                "start it when they have closed",
            )
        )
    return found


def _own_window(asking: Asking, needs: timedelta) -> Iterator[_Reason]:
    """Why it does not begin now, by the window that the change itself names."""
    window, now = asking.change.draft.window, asking.now
    if window is None:
        return
    anew, ends = "write a plan with a new window", _clock(asking, window.ends)
    if now < window.starts:
        yield f"its window begins at {_clock(asking, window.starts)}", "wait for it"
    elif now >= window.ends:
        yield f"its window ended at {ends}", anew
    elif now + needs > window.ends:
        yield f"its window ends at {ends}, before the work is done", anew


def _trades(asking: Asking, around: Circumstances) -> bool:
    """Whether it is one that waits until its stores have closed, and they have not."""
    return asking.change.draft.kind in asking.rules.outside_hours and bool(around.trading)


def _set_aside(asking: Asking, around: Circumstances) -> str:
    """Who set a "no" of this start aside, and why; "" when there was none."""
    override = in_force(asking.change, asking.now)
    if around.override or override is None or not _trades(asking, around):
        return around.override
    return f"{override_told(override)}; set aside: opening hours"


def _clock(asking: Asking, at: datetime) -> str:
    zone = asking.rules.zone
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M} ({zone})"


def _debts(asking: Asking) -> tuple[ChangeEvent, ...]:
    """What an emergency owes from the moment it acts (guide 2.5.1, 1.3.6)."""
    rules, change, found = asking.rules, asking.change, list[ChangeEvent]()
    waits = waits_for(change, rules, asking.now)
    if waits:
        found.append(_debt(asking, DebtKind.APPROVAL, rules.approval_due, waits))
    gaps = lacking(change)
    if waits or gaps:
        what = ", ".join(gaps) or "an account of what was done"
        due = rules.paperwork(change.draft.operation)
        found.append(_debt(asking, DebtKind.PAPERWORK, due, what))
    if change.draft.kind in rules.tested and not _tested(asking):
        found.append(_debt(asking, DebtKind.TEST, rules.test_due, "the test's result"))
    return tuple(found)


def _debt(asking: Asking, kind: DebtKind, time: timedelta, what: str) -> ChangeEvent:
    return asking.event(EventKind.OWES, debt=kind, due=asking.now + time, what=what)


def pause(asking: Asking, command: Pause) -> Decision:
    """Never refused for lack of words: stopping is always right (guide 2.5.2)."""
    return asking.record(asking.event(EventKind.PAUSED, reason=command.reason))


def resume(asking: Asking, command: Resume) -> Decision:
    """Only a person, who has looked."""
    if asking.person.id == CLOCKWORK:
        return asking.refuse("only a person lets a paused change go on", "look, then resume it")
    return asking.record(asking.event(EventKind.RESUMED, reason=command.reason))


def step_done(asking: Asking, command: StepDone) -> Decision:
    """Each step once."""

    def undone(step: KeyStep) -> _Reason | None:
        return (f"{step.done_by} has done {step.name!r} already", "") if step.done_by else None

    return _step(asking, command.step, EventKind.STEP_DONE, undone)


def step_checked(asking: Asking, command: StepCheck) -> Decision:
    """By a person, and never by the one who did it (guide 2.5.2)."""

    def unchecked(step: KeyStep) -> _Reason | None:
        who = asking.person.id
        if not step.done_by:
            return f"{step.name!r} is not done yet", "do it first"
        if who == CLOCKWORK:
            return "only people check each other's steps", "have somebody look"
        if who == step.done_by:
            return f"{who} did {step.name!r}: another person checks it", "have somebody look"
        checked = f"{step.checked_by} has checked {step.name!r} already"
        return (checked, "") if step.checked_by else None

    return _step(asking, command.step, EventKind.STEP_CHECKED, unchecked)


def _step(
    asking: Asking, name: str, kind: EventKind, objection: Callable[[KeyStep], _Reason | None]
) -> Decision:
    step = next((each for each in asking.change.steps if each.name == name), None)
    if step is None:
        known = ", ".join(each.name for each in asking.change.steps)
        hint = f"its key steps: {known}" if known else "it has no key steps at all"
        return asking.refuse(f"it has no key step {name!r}", hint)
    against = objection(step)
    if against is not None:
        return asking.refuse(*against)
    return asking.record(asking.event(kind, step=name))


def finish(asking: Asking, command: Finish) -> Decision:
    """The work has ended; how it ended is said when it is closed."""
    return asking.record(asking.event(EventKind.FINISHED, note=command.note))


def close(asking: Asking, command: Close) -> Decision:
    """End it. What is left behind becomes a debt."""
    change = asking.change
    if change.state is State.APPROVED:
        return asking.refuse("nothing was done yet", "cancel it instead")
    reasons = [*_unsuccessful(asking)] if command.outcome is Outcome.SUCCESSFUL else []
    if command.outcome is not Outcome.SUCCESSFUL and not command.reason.strip():
        reasons.append("an outcome that is not successful needs a reason")
    foreign = [host for host in command.left if host not in change.hosts]
    if foreign:
        reasons.append(f"{', '.join(foreign)} is none of its configuration items")
    if reasons:
        return asking.refuse("; ".join(reasons), "close it with what really came of it")
    return asking.record(*_ended(asking, command))


def _ended(asking: Asking, command: Close) -> tuple[ChangeEvent, ...]:
    found = list[ChangeEvent]()
    if asking.change.state is not State.DONE:
        found.append(asking.event(EventKind.FINISHED, note=""))
    if command.outcome is Outcome.PARTIAL or command.left:
        what = ", ".join(command.left) or command.reason
        found.append(_debt(asking, DebtKind.ITEMS, asking.rules.items_due, what))
    found.append(asking.event(EventKind.CLOSED, outcome=command.outcome, reason=command.reason))
    return tuple(found)


def _unsuccessful(asking: Asking) -> list[str]:
    steps = asking.change.steps
    undone = [step.name for step in steps if not step.done_by]
    unchecked = [s.name for s in steps if s.two_person and s.done_by and not s.checked_by]
    found = [f"not done: {', '.join(undone)}"] if undone else []
    if unchecked:
        found.append(f"not checked by a second person: {', '.join(unchecked)}")
    return found
