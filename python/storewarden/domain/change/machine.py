# SPDX-License-Identifier: GPL-3.0-or-later
"""The one table of a change's states, and the fold of events over it.

Every rule about what may follow what is in ``TRANSITIONS``; ``decide`` asks it
before it looks at people and times, ``fold`` asks it again for every event that
is read back. The page docs/reference/change-states.md is made from it.

``fold`` knows no site's rules on purpose: who had to approve was decided when
it happened and stands in the events, so that a journal of years ago still adds
up to the same change after the rules were altered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import cast

from storewarden.domain.change.events import ChangeEvent, EventKind
from storewarden.domain.change.plain import (
    moment_of,
    typed_draft,
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
    State,
)

_STAYS: Mapping[State, tuple[EventKind, ...]] = {
    State.REQUESTED: (
        EventKind.PLANNED,
        EventKind.APPROVED,
        EventKind.EXPIRED,
        EventKind.NOTED,
        EventKind.EVIDENCE,
        EventKind.REMINDED,
    ),
    State.APPROVED: (
        EventKind.APPROVED,  # the site's rules ask for more people than they did
        EventKind.NOTED,
        EventKind.EVIDENCE,
        EventKind.REMINDED,
        EventKind.RAN,
    ),
    State.IN_PROGRESS: (
        EventKind.PLANNED,
        EventKind.APPROVED,
        EventKind.STEP_DONE,
        EventKind.STEP_CHECKED,
        EventKind.NOTED,
        EventKind.EVIDENCE,
        EventKind.OWES,
        EventKind.SETTLED,
        EventKind.REMINDED,
    ),
    State.PAUSED: (
        EventKind.PLANNED,
        EventKind.APPROVED,
        EventKind.STEP_DONE,  # it was under way when the pause came
        EventKind.STEP_CHECKED,
        EventKind.NOTED,
        EventKind.EVIDENCE,
        EventKind.SETTLED,
        EventKind.REMINDED,
    ),
    State.DONE: (
        EventKind.PLANNED,
        EventKind.APPROVED,
        EventKind.STEP_CHECKED,
        EventKind.NOTED,
        EventKind.EVIDENCE,
        EventKind.OWES,
        EventKind.SETTLED,
        EventKind.REMINDED,
    ),
    # Closed is final: what may still come pays a debt.
    State.CLOSED: (
        EventKind.PLANNED,
        EventKind.APPROVED,
        EventKind.EVIDENCE,
        EventKind.SETTLED,
        EventKind.REMINDED,
    ),
    State.REJECTED: (),
    State.CANCELLED: (),
}
_ANYWHERE = (EventKind.REFUSED, EventKind.TICKET)  # a ticket system may be hours behind

_MOVES: Mapping[tuple[State, EventKind], State] = {
    (State.REQUESTED, EventKind.AUTHORISED): State.APPROVED,
    (State.REQUESTED, EventKind.REJECTED): State.REJECTED,
    (State.REQUESTED, EventKind.CANCELLED): State.CANCELLED,
    (State.REQUESTED, EventKind.STARTED): State.IN_PROGRESS,  # an emergency acts first
    (State.APPROVED, EventKind.PLANNED): State.REQUESTED,  # nobody has approved the new plan
    (State.APPROVED, EventKind.EXPIRED): State.REQUESTED,
    (State.APPROVED, EventKind.REJECTED): State.REJECTED,
    (State.APPROVED, EventKind.CANCELLED): State.CANCELLED,
    (State.APPROVED, EventKind.STARTED): State.IN_PROGRESS,
    (State.APPROVED, EventKind.CLOSED): State.CLOSED,  # a standing change has run out
    (State.IN_PROGRESS, EventKind.PAUSED): State.PAUSED,
    (State.IN_PROGRESS, EventKind.FINISHED): State.DONE,
    (State.PAUSED, EventKind.RESUMED): State.IN_PROGRESS,
    (State.PAUSED, EventKind.FINISHED): State.DONE,
    (State.DONE, EventKind.CLOSED): State.CLOSED,
}

TRANSITIONS: Mapping[tuple[State, EventKind], State] = {
    **{(state, kind): state for state, kinds in _STAYS.items() for kind in kinds},
    **{(state, kind): state for state in State for kind in _ANYWHERE},
    **_MOVES,
}
"""What may happen in which state, and where it leads. A change begins REQUESTED with OPENED."""


def allows(state: State, kind: EventKind) -> bool:
    """Whether such an event may happen in that state."""
    return (state, kind) in TRANSITIONS


def fold(change: Change | None, event: ChangeEvent) -> Change:
    """The change after ``event``; None only before OPENED.

    Raises ValueError for an event that the table does not allow, that belongs to another
    change, or whose data is not what its kind needs.
    """
    if change is None:
        return _opened(event)
    if event.number != change.number:
        raise ValueError(f"an event of {event.number} is none of {change.number}")
    after = TRANSITIONS.get((change.state, event.kind))
    if after is None:
        raise ValueError(f"{change.number} is {change.state.value}: no {event.kind.value!r} there")
    try:
        changed = _APPLY[event.kind](change, event)
    except KeyError as missing:
        raise ValueError(f"{event.kind.value!r} of {event.number} lacks {missing}") from None
    return replace(changed, state=after, version=change.version + 1, updated_at=event.at)


def replay(events: Iterable[ChangeEvent]) -> Change:
    """All events of one change, in order, folded. Raises ValueError, also for none at all."""
    change: Change | None = None
    for event in events:
        change = fold(change, event)
    if change is None:
        raise ValueError("no events: there is no such change")
    return change


def _opened(event: ChangeEvent) -> Change:
    if event.kind is not EventKind.OPENED:
        raise ValueError(f"{event.number} begins with {event.kind.value!r}, not with 'opened'")
    draft = typed_draft(event.data.get("draft"))
    return Change(
        number=event.number,
        version=1,
        state=State.REQUESTED,
        draft=draft,
        requester=event.by,
        opened_at=event.at,
        owner=draft.owner or event.by,
        steps=draft.steps,
        standing=draft.standing,
        updated_at=event.at,
    )


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
    void = tuple(replace(each, expired=True) for each in change.approvals)
    return replace(change, draft=draft, steps=draft.steps, approvals=void)


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


_APPLY: Mapping[EventKind, Callable[[Change, ChangeEvent], Change]] = {
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
}
