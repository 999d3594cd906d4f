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

from collections.abc import Iterable, Mapping
from dataclasses import replace

from storewarden.domain.change.applying import apply
from storewarden.domain.change.events import ChangeEvent, EventKind
from storewarden.domain.change.plain import typed_draft
from storewarden.domain.change.record import Change, State

_STAYS: Mapping[State, tuple[EventKind, ...]] = {
    State.REQUESTED: (
        EventKind.PLANNED,
        EventKind.APPROVED,
        EventKind.EXPIRED,
        EventKind.OVERRIDE_ASKED,
        EventKind.OVERRIDE_APPROVED,
        EventKind.NOTED,
        EventKind.EVIDENCE,
        EventKind.REMINDED,
    ),
    State.APPROVED: (
        EventKind.APPROVED,  # the site's rules ask for more people than they did
        EventKind.OVERRIDE_ASKED,
        EventKind.OVERRIDE_APPROVED,
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
    return replace(
        apply(change, event), state=after, version=change.version + 1, updated_at=event.at
    )


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
