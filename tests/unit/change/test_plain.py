# SPDX-License-Identifier: GPL-3.0-or-later
"""A record that goes into the ledger comes out of it as it was, or not at all."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storewarden.domain.change.commands import Approve
from storewarden.domain.change.events import ChangeEvent, EventKind
from storewarden.domain.change.plain import (
    body_of,
    entry_kind,
    event_of,
    plain,
    plain_draft,
    plain_value,
    stamp,
    typed,
    typed_draft,
)
from storewarden.domain.change.record import Change, Draft, Kind
from tests.amount import examples
from tests.unit.change.samples import changes, drafts, moments
from tests.unit.change.story import HEAD, NIGHT, NUMBER, Story, draft


@given(change=changes)
@settings(max_examples=examples(150), deadline=None)
def test_a_change_survives_json_word_for_word(change: Change) -> None:
    assert typed(json.loads(json.dumps(plain(change)))) == change


@given(asked=drafts)
@settings(deadline=None)
def test_so_does_a_draft(asked: Draft) -> None:
    assert typed_draft(json.loads(json.dumps(plain_draft(asked)))) == asked


def test_moments_are_text_in_utc_that_sorts() -> None:
    shanghai = datetime(2026, 6, 1, 23, tzinfo=timezone(timedelta(hours=8)))
    assert stamp(shanghai) == "2026-06-01T15:00:00.000000Z" == stamp(NIGHT)
    with pytest.raises(ValueError, match="without a zone"):
        stamp(datetime(2026, 6, 1))  # noqa: DTZ001 - that is the point


@given(left=moments, right=moments)
def test_stamps_sort_as_time_passes(left: datetime, right: datetime) -> None:
    assert (stamp(left) < stamp(right)) is (left < right)


@pytest.mark.parametrize(
    ("where", "value", "says"),
    [
        ("state", "asleep", "change.state is 'asleep', not one of requested, approved"),
        ("version", True, "change.version is True, not int"),
        ("version", "1", "change.version is '1', not int"),
        ("opened_at", "yesterday", "change.opened_at is 'yesterday', not a time"),
        ("opened_at", "2026-06-01T15:00:00", "a time without a zone"),
        ("opened_at", 3, "change.opened_at is 3, not a time"),
        ("approvals", {}, "change.approvals is {}, not a list"),
        ("approvals", [7], "change.approvals[0] is 7, not an object"),
        ("tickets", {"rt": 5}, "change.tickets.rt is 5, not str"),
        ("colour", "red", "change has colour, which nobody knows"),
    ],
)
def test_a_row_that_somebody_edited_names_the_place(where: str, value: object, says: str) -> None:
    row = plain(Story(draft()).change)
    row[where] = value
    with pytest.raises(ValueError) as caught:
        typed(row)
    assert says in str(caught.value)


def test_only_what_has_a_default_may_be_absent() -> None:
    row = plain(Story(draft()).change)
    del row["reminders"]  # a row of a version that had no reminders
    assert typed(row) == Story(draft()).change
    del row["requester"]
    with pytest.raises(ValueError, match=r"change\.requester is missing"):
        typed(row)


def test_an_event_is_one_journal_entry_and_back() -> None:
    story = Story(draft()).does(HEAD, Approve(comment="好"))
    for event in story.events:
        body = json.loads(json.dumps(body_of(event)))
        assert body["by"] == event.by
        assert event_of(NUMBER, entry_kind(event.kind), NIGHT, body) == event
    approved = story.events[1]
    assert entry_kind(approved.kind) == "change approved"
    assert body_of(approved) == {
        "by": "head",
        "at": stamp(story.now),
        "roles": ["department_head"],
        "expires": stamp(story.now + timedelta(days=7)),
        "comment": "好",
    }


@given(kind=st.sampled_from(EventKind), at=moments)
def test_the_entrys_own_moment_counts_when_the_body_has_none(kind: EventKind, at: datetime) -> None:
    event = ChangeEvent(number=NUMBER, kind=kind, at=at, by="li")
    assert event_of(NUMBER, kind.value, at, {"by": "li"}) == event


def test_a_kind_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="danced"):
        event_of(NUMBER, "change danced", NIGHT, {"by": "li"})


def test_values_of_commands_become_json() -> None:
    assert plain_value((Kind.MAJOR, NIGHT, None)) == ["major", stamp(NIGHT), None]
