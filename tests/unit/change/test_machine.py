# SPDX-License-Identifier: GPL-3.0-or-later
"""One table; and whoever folds the same events gets the same change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storewarden.domain.change.commands import Approve, Pause, Start
from storewarden.domain.change.events import ChangeEvent, EventKind
from storewarden.domain.change.machine import TRANSITIONS, allows, fold, replay
from storewarden.domain.change.record import State
from tests.unit.change.story import HEAD, LI, NIGHT, NUMBER, Story, approved, begun, draft

_ENDS = (State.REJECTED, State.CANCELLED, State.CLOSED)
_OPENED = Story(draft()).events[0]


def _event(kind: EventKind, **data: object) -> ChangeEvent:
    return ChangeEvent(number=NUMBER, kind=kind, at=NIGHT, by="li", data=data)


def test_every_state_can_be_reached_and_every_kind_happens_somewhere() -> None:
    assert {*TRANSITIONS.values(), State.REQUESTED} == set(State)
    assert {kind for _, kind in TRANSITIONS} == set(EventKind) - {EventKind.OPENED}


def test_no_end_is_ever_left() -> None:
    for (state, _), after in TRANSITIONS.items():
        if state in _ENDS:
            assert after is state


@pytest.mark.parametrize("state", State)
def test_a_refusal_and_a_late_ticket_are_recorded_anywhere(state: State) -> None:
    assert TRANSITIONS[state, EventKind.REFUSED] is state
    assert TRANSITIONS[state, EventKind.TICKET] is state


def test_what_the_table_does_not_allow_cannot_be_folded() -> None:
    change = begun().change
    forbidden = [kind for kind in EventKind if not allows(change.state, kind)]
    assert EventKind.STARTED in forbidden
    for kind in forbidden:
        with pytest.raises(ValueError, match="in progress"):
            fold(change, _event(kind))


def test_a_history_begins_with_its_opening_and_has_only_one() -> None:
    with pytest.raises(ValueError, match="begins with 'approved'"):
        fold(None, _event(EventKind.APPROVED))
    with pytest.raises(ValueError, match="no 'opened' there"):
        replay([_OPENED, _OPENED])
    with pytest.raises(ValueError, match="no such change"):
        replay([])


def test_another_changes_event_is_refused() -> None:
    stranger = replace(_event(EventKind.NOTED, text="x"), number="GMBG-20260601-002")
    with pytest.raises(ValueError, match="none of GMBG-20260601-001"):
        fold(fold(None, _OPENED), stranger)


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (_event(EventKind.APPROVED), "lacks 'roles'"),
        (_event(EventKind.APPROVED, roles="all", expires="", comment=""), "not a list of texts"),
        (_event(EventKind.CANCELLED, reason=7), "reason of 'cancelled' is 7, not text"),
        (_event(EventKind.PLANNED, colour="red"), "which nobody knows"),
        (_event(EventKind.PLANNED, plan=7), "plan of 'plan written' is 7"),
        (_event(EventKind.REMINDED, about="start", count="1"), "not a number"),
        (_event(EventKind.EVIDENCE, evidence="gossip"), "gossip"),
        (_event(EventKind.OPENED, draft={}), "no 'opened' there"),
    ],
)
def test_data_that_somebody_edited_does_not_fold(event: ChangeEvent, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        fold(fold(None, _OPENED), event)
    assert says in str(caught.value)


def test_runs_belong_to_standing_changes_and_steps_to_the_plan() -> None:
    with pytest.raises(ValueError, match="no standing change"):
        fold(approved().change, _event(EventKind.RAN, succeeded=True, began="x"))
    with pytest.raises(ValueError, match="no step 'dance'"):
        fold(begun().change, _event(EventKind.STEP_DONE, step="dance"))


def test_the_version_counts_events_and_the_last_one_dates_it() -> None:
    story = Story(draft()).does(HEAD, Approve()).does(LI, Start(), Pause(reason="odd"))
    assert story.change.version == len(story.events) == 5
    assert story.change.updated_at == story.now
    assert replay(story.events) == story.change
