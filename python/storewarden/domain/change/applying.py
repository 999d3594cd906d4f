# SPDX-License-Identifier: GPL-3.0-or-later
"""What each kind of event does to the record; the one reader of an event's data.

Whether an event may happen is asked before (``machine.py``). No site's rules are looked at:
what they were when it happened stands in the event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast

from storewarden.domain.change.events import ChangeEvent, EventKind
from storewarden.domain.change.plain import (
    moment_of,
    typed_rollback,
    typed_steps,
    typed_window,
)
from storewarden.domain.change.record import (
    Approval,
    Change,
    Debt,
    DebtKind,
    Evidence,
    EvidenceKind,
    Outcome,
    WindowOverride,
)


def apply(change: Change, event: ChangeEvent) -> Change:
    """The record with what ``event`` says; state and version are not its business.

    Raises ValueError for data that is not what the kind needs.
    """
    try:
        return _EFFECTS[event.kind](change, event)
    except KeyError as missing:
        raise ValueError(f"{event.kind.value!r} of {event.number} lacks {missing}") from None


def _text(event: ChangeEvent, key: str) -> str:
    value = event.data[key]
    if not isinstance(value, str):
        raise ValueError(f"{key} of {event.kind.value!r} is {value!r}, not text")
    return value


def _number(event: ChangeEvent, key: str) -> int:
    value = event.data[key]
    if type(value) is not int:
        raise ValueError(f"{key} of {event.kind.value!r} is {value!r}, not a number")
    return value


def _texts(event: ChangeEvent, key: str) -> tuple[str, ...]:
    value = event.data[key]
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{key} of {event.kind.value!r} is {value!r}, not a list of texts")
    return tuple(value)


def _same(change: Change, _event: ChangeEvent) -> Change:
    return change


def _reasoned(change: Change, event: ChangeEvent) -> Change:
    return replace(change, reason=_text(event, "reason"))


_WRITTEN: Mapping[str, Callable[[object], object]] = {
    "reason": lambda data: cast(str, data),
    "plan": lambda data: cast(str, data),
    "rollback": typed_rollback,
    "window": typed_window,
    "steps": typed_steps,
}


def _planned(change: Change, event: ChangeEvent) -> Change:
    foreign = sorted(set(event.data) - set(_WRITTEN))
    if foreign:
        raise ValueError(f"a plan has {', '.join(foreign)}, which nobody knows")
    new = {key: _WRITTEN[key](value) for key, value in event.data.items()}
    for key in {"reason", "plan"} & set(new):
        _text(event, key)
    draft = replace(change.draft, **new)  # type: ignore[arg-type]
    if change.started_at is not None:
        return replace(change, draft=draft)
    override = change.override
    if override is not None:
        override = replace(override, approvals=_void(override.approvals))
    return replace(
        change,
        draft=draft,
        steps=draft.steps,
        approvals=_void(change.approvals),
        override=override,
    )


def _void(approvals: tuple[Approval, ...]) -> tuple[Approval, ...]:
    return tuple(replace(each, expired=True) for each in approvals)


def _approved(change: Change, event: ChangeEvent) -> Change:
    approval = Approval(
        person=event.by,
        roles=_texts(event, "roles"),
        at=event.at,
        expires=moment_of(event.data["expires"], "expires"),
        comment=_text(event, "comment"),
    )
    return replace(change, approvals=(*change.approvals, approval))


def _authorised(change: Change, _event: ChangeEvent) -> Change:
    return replace(change, reminders={})


def _expired(change: Change, event: ChangeEvent) -> Change:
    person, at = _text(event, "person"), moment_of(event.data["approved_at"], "approved_at")
    approvals = tuple(
        replace(each, expired=True) if (each.person, each.at) == (person, at) else each
        for each in change.approvals
    )
    return replace(change, approvals=approvals)


def _started(change: Change, event: ChangeEvent) -> Change:
    return replace(change, started_at=event.at, started_by=event.by)


def _step_done(change: Change, event: ChangeEvent) -> Change:
    return _step(change, event, {"done_by": event.by, "done_at": event.at})


def _step_checked(change: Change, event: ChangeEvent) -> Change:
    return _step(change, event, {"checked_by": event.by, "checked_at": event.at})


def _step(change: Change, event: ChangeEvent, what: Mapping[str, object]) -> Change:
    name = _text(event, "step")
    if name not in {step.name for step in change.steps}:
        raise ValueError(f"{change.number} has no step {name!r}")
    steps = tuple(
        replace(step, **what) if step.name == name else step  # type: ignore[arg-type]
        for step in change.steps
    )
    return replace(change, steps=steps)


def _evidence(change: Change, event: ChangeEvent) -> Change:
    evidence = Evidence(
        kind=EvidenceKind(_text(event, "evidence")),
        name=_text(event, "name"),
        media_type=_text(event, "media_type"),
        size=_number(event, "size"),
        digest=_text(event, "digest"),
        by=event.by,
        at=event.at,
        note=_text(event, "note"),
    )
    return replace(change, evidence=(*change.evidence, evidence))


def _finished(change: Change, event: ChangeEvent) -> Change:
    return replace(change, ended_at=event.at)


def _closed(change: Change, event: ChangeEvent) -> Change:
    return replace(
        change,
        outcome=Outcome(_text(event, "outcome")),
        reason=_text(event, "reason"),
        closed_at=event.at,
    )


def _owes(change: Change, event: ChangeEvent) -> Change:
    debt = Debt(
        kind=DebtKind(_text(event, "debt")),
        due=moment_of(event.data["due"], "due"),
        what=_text(event, "what"),
    )
    return replace(change, debts=(*change.debts, debt))


def _settled(change: Change, event: ChangeEvent) -> Change:
    kind = DebtKind(_text(event, "debt"))
    debts = tuple(
        replace(each, settled_by=event.by, settled_at=event.at)
        if each.kind is kind and each.settled_at is None
        else each
        for each in change.debts
    )
    return replace(change, debts=debts)


def _reminded(change: Change, event: ChangeEvent) -> Change:
    about, count = _text(event, "about"), _number(event, "count")
    if about in ("approvals", "start"):
        return replace(change, reminders={**change.reminders, about: count})
    kind = DebtKind(about)
    debts = tuple(
        replace(each, reminded=count) if each.kind is kind and each.settled_at is None else each
        for each in change.debts
    )
    return replace(change, debts=debts)


def _ran(change: Change, event: ChangeEvent) -> Change:
    if change.standing is None:
        raise ValueError(f"{change.number} is no standing change, it has no runs")
    succeeded = event.data["succeeded"]
    if not isinstance(succeeded, bool):
        raise ValueError(f"succeeded is {succeeded!r}, not yes or no")
    standing = replace(
        change.standing,
        runs=change.standing.runs + 1,
        failures=change.standing.failures + (not succeeded),
        last_run=moment_of(event.data["began"], "began"),
    )
    return replace(change, standing=standing)


def _ticket(change: Change, event: ChangeEvent) -> Change:
    tickets = {**change.tickets, _text(event, "system"): _text(event, "ticket")}
    return replace(change, tickets=tickets)


def _override_asked(change: Change, event: ChangeEvent) -> Change:
    override = WindowOverride(
        reason=_text(event, "reason"),
        expires=moment_of(event.data["expires"], "expires"),
        asked_by=event.by,
        asked_at=event.at,
    )
    return replace(change, override=override)


def _override_approved(change: Change, event: ChangeEvent) -> Change:
    override = change.override
    if override is None:
        raise ValueError(f"nobody has asked for an override of {change.number}")
    approval = Approval(
        person=event.by,
        roles=_texts(event, "roles"),
        at=event.at,
        expires=override.expires,
        comment=_text(event, "comment"),
    )
    return replace(change, override=replace(override, approvals=(*override.approvals, approval)))


_EFFECTS: Mapping[EventKind, Callable[[Change, ChangeEvent], Change]] = {
    EventKind.PLANNED: _planned,
    EventKind.APPROVED: _approved,
    EventKind.AUTHORISED: _authorised,
    EventKind.REJECTED: _reasoned,
    EventKind.REFUSED: _same,
    EventKind.EXPIRED: _expired,
    EventKind.CANCELLED: _reasoned,
    EventKind.STARTED: _started,
    EventKind.PAUSED: _reasoned,
    EventKind.RESUMED: _reasoned,
    EventKind.STEP_DONE: _step_done,
    EventKind.STEP_CHECKED: _step_checked,
    EventKind.NOTED: _same,
    EventKind.EVIDENCE: _evidence,
    EventKind.FINISHED: _finished,
    EventKind.CLOSED: _closed,
    EventKind.OWES: _owes,
    EventKind.SETTLED: _settled,
    EventKind.REMINDED: _reminded,
    EventKind.RAN: _ran,
    EventKind.TICKET: _ticket,
    EventKind.OVERRIDE_ASKED: _override_asked,
    EventKind.OVERRIDE_APPROVED: _override_approved,
}
