# SPDX-License-Identifier: GPL-3.0-or-later
"""What events of the catalog add up to: looks in any order, told twice, read again from the
journal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.backup.catalog import (
    BackupSet,
    Copy,
    DeletionRequest,
    DeletionState,
    Doubt,
    DrillRecord,
    Run,
    RunEnd,
    Target,
    Verb,
)
from storewarden.domain.backup.catalog_events import (
    CatalogEvent,
    CopyGone,
    CopySeen,
    DeletionDecided,
    DeletionEnded,
    DeletionProposed,
    Drilled,
    HoldChanged,
    RunBegan,
    RunEnded,
    SetFound,
)
from storewarden.domain.backup.catalog_fold import fold_deletion, fold_run, fold_set
from storewarden.domain.backup.catalog_plain import body_of, entry_kind, event_of, subject_of
from storewarden.domain.backup.policy import Level, SetKind

NOW = datetime(2026, 6, 1, 8, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
TILL = Target(host="s000101-pos01", policy="pos-database")
SET = BackupSet(
    id=f"{TILL.name}/20260601T083000Z-full",
    target=TILL,
    kind=SetKind.FULL,
    taken=NOW,
    received=NOW,
    size=7,
)
RUN = Run(id="r1", target=TILL, kind=SetKind.FULL, began=NOW)


def seen(at: int, level: Level, damaged: str = "", place: str = "hub") -> CopySeen:
    return CopySeen(set=SET.id, location=place, at=NOW + at * HOUR, level=level, damaged=damaged)


def folded(events: Sequence[CatalogEvent]) -> Copy:
    """The copy in the hub after the set, a first look and these."""
    there = fold_set(None, SetFound(set=SET))
    for event in (seen(0, Level.CLAIMED), *events):
        there = fold_set(there, event)  # type: ignore[arg-type]
    return there.copies[0]


_LOOKS = st.builds(
    seen, st.integers(1, 30), st.sampled_from(Level), st.sampled_from(["", "", "a byte differs"])
)
_DOUBTS = st.builds(
    lambda at, level: replace(seen(at, level), doubt=f"no answer at {at}"),
    st.integers(1, 30),
    st.sampled_from([Level.PRESENT, Level.READ]),
)
_GONE = st.builds(
    lambda at: CopyGone(set=SET.id, location="hub", at=NOW + at * HOUR), st.integers(1, 30)
)


@given(
    st.lists(_LOOKS | _DOUBTS | _GONE, max_size=8, unique_by=lambda each: each.at).flatmap(
        lambda found: st.tuples(st.permutations(found), st.permutations(found * 2))
    )
)
def test_looks_may_come_in_any_order_and_twice(
    orders: tuple[list[CatalogEvent], list[CatalogEvent]],
) -> None:
    one, twice = orders
    assert folded(one) == folded(twice)


@given(st.lists(_LOOKS | _DOUBTS | _GONE, max_size=8, unique_by=lambda each: each.at))
def test_what_a_copy_is_worth_follows_from_the_looks_alone(found: list[CatalogEvent]) -> None:
    """Written down a second time, as one would reckon it by hand."""
    copy = folded(found)
    bad = [each for each in found if isinstance(each, CopyGone) or each.damaged]  # type: ignore[union-attr]
    last = max(bad, key=lambda each: each.at, default=None)  # type: ignore[union-attr]
    since = last.at if last else NOW - HOUR  # type: ignore[union-attr]
    whole = [
        each
        for each in (*found, seen(0, Level.CLAIMED))
        if isinstance(each, CopySeen) and not each.damaged and not each.doubt and each.at > since
    ]
    unclear = [
        each
        for each in found
        if isinstance(each, CopySeen) and each.doubt and each.at > since
        and not any(one.at > each.at and one.level >= each.level for one in whole)
    ]  # fmt: skip
    assert (copy.doubt is not None) == bool(unclear)
    assert copy.level == max((each.level for each in whole), default=Level.CLAIMED)
    assert (copy.deleted is not None) == (isinstance(last, CopyGone) and not whole)
    healed = any(each.level >= Level.READ for each in whole)
    assert bool(copy.damaged) == (isinstance(last, CopySeen) and not healed)


def test_a_shallow_look_lowers_nothing_and_is_remembered() -> None:
    copy = folded([seen(1, Level.PROVEN), seen(9, Level.PRESENT)])
    assert copy.level is Level.PROVEN and copy.verified == NOW + HOUR
    assert copy.seen(Level.PRESENT) == NOW + 9 * HOUR
    assert copy.seen(Level.READ) == NOW + HOUR


def test_damage_stays_until_every_byte_was_read_again() -> None:
    harmed = [seen(1, Level.PROVEN), seen(2, Level.READ, "pack 17 is short")]
    assert folded(harmed).damaged and folded(harmed).level is Level.CLAIMED
    assert folded([*harmed, seen(3, Level.PRESENT)]).damaged == "pack 17 is short"
    assert not folded([*harmed, seen(3, Level.PRESENT)]).usable
    healed = folded([*harmed, seen(3, Level.PRESENT), seen(4, Level.READ)])
    assert healed.usable and healed.level is Level.READ


def test_a_doubt_takes_no_knowledge_away_and_ends_with_a_look_as_deep() -> None:
    failed = replace(seen(2, Level.READ), doubt="the password was refused")
    before = [seen(1, Level.PROVEN), failed]
    doubt = Doubt(since=NOW + 2 * HOUR, why="the password was refused")
    assert folded(before).doubt == doubt and folded(before).usable
    assert folded(before).seen(Level.PROVEN) == NOW + HOUR
    shallow = folded([*before, seen(3, Level.PRESENT)])
    assert shallow.doubt == doubt
    clear = folded([*before, seen(3, Level.PRESENT), seen(4, Level.READ)])
    assert clear.doubt is None and clear.level is Level.PROVEN


def test_a_lock_is_never_shortened() -> None:
    locked = replace(seen(1, Level.PRESENT), immutable_until=NOW + 90 * HOUR)
    shorter = replace(seen(2, Level.PRESENT), immutable_until=NOW + 9 * HOUR)
    assert folded([locked, shorter, seen(3, Level.READ)]).immutable_until == NOW + 90 * HOUR


def test_a_set_is_gone_with_its_last_copy_and_back_with_a_new_one() -> None:
    there = fold_set(None, SetFound(set=SET))
    for event in (seen(0, Level.READ), seen(0, Level.READ, place="away")):
        there = fold_set(there, event)
    for place, at in (("hub", 1), ("away", 2)):
        assert there.expired is None
        there = fold_set(there, CopyGone(set=SET.id, location=place, at=NOW + at * HOUR))
    assert there.expired == NOW + 2 * HOUR
    assert fold_set(there, CopyGone(set=SET.id, location="moon", at=NOW)) == there
    assert fold_set(there, seen(3, Level.PRESENT)).expired is None


def test_what_cannot_have_happened_is_refused() -> None:
    with pytest.raises(ValueError, match="is not in the catalog"):
        fold_set(None, seen(1, Level.READ))
    with pytest.raises(ValueError, match="never began"):
        fold_run(None, RunEnded(run="r1", at=NOW, end=RunEnd.DONE))


def test_a_run_ends_once() -> None:
    first = RunEnded(run="r1", at=NOW + HOUR, end=RunEnd.FAILED, reason="no room")
    run = fold_run(fold_run(None, RunBegan(run=RUN)), first)
    again = fold_run(run, replace(first, end=RunEnd.DONE, at=NOW + 2 * HOUR))
    assert again == run == fold_run(run, RunBegan(run=RUN))


def _request(state: str = "") -> DeletionRequest:
    asked = DeletionProposed(number="DEL-1", at=NOW, sets=("s",), digest="d", by="wang")
    request = fold_deletion(None, asked)
    return fold_deletion(request, _decided(state)) if state else request


def _decided(state: str) -> DeletionDecided:
    return DeletionDecided(number="DEL-1", at=NOW, state=state, by="li")


@pytest.mark.parametrize(
    ("before", "then"),
    [
        ("", "done"),
        ("", "proposed"),
        ("", "nonsense"),
        ("approved", "refused"),
        ("refused", "approved"),
        ("withdrawn", "approved"),
    ],
)
def test_a_deletion_goes_only_forward(before: str, then: str) -> None:
    with pytest.raises(ValueError, match="is"):
        fold_deletion(_request(before), _decided(then))


def test_nothing_is_removed_that_nobody_approved() -> None:
    ended = DeletionEnded(number="DEL-1", at=NOW, gone=("s@hub",))
    for state in ("", "refused", "withdrawn"):
        with pytest.raises(ValueError, match="not approved"):
            fold_deletion(_request(state), ended)
    done = fold_deletion(_request("approved"), ended)
    assert done.state is DeletionState.DONE and fold_deletion(done, ended) == done
    late = fold_deletion(_request("approved"), _decided("withdrawn"))
    assert late.state is DeletionState.WITHDRAWN


_ALL: tuple[CatalogEvent, ...] = (
    RunBegan(run=replace(RUN, verb=Verb.VERIFY, sets=("s",), level=Level.READ, location="hub")),
    RunEnded(run="r1", at=NOW, end=RunEnd.NO_SPACE, reason_zh="空间不足", seconds=1.5),
    SetFound(set=replace(SET, parent="p", hold=True)),
    replace(seen(1, Level.PROVEN), immutable_until=NOW),
    replace(seen(2, Level.READ), doubt="no repository there"),
    CopyGone(set=SET.id, location="hub", at=NOW, by="DEL-1"),
    Drilled(
        drill=DrillRecord(
            id="d",
            target=TILL,
            set=SET.id,
            location="hub",
            began=NOW,
            passed=True,
            level=Level.PROVEN,
            rto=timedelta(seconds=10.125),
            rpo=timedelta(minutes=5),
            phases={"fetch": 2.25},
            differences=("sales: 3 rows",),
        )
    ),
    HoldChanged(set=SET.id, at=NOW, hold=True, by="wang", reason="案件"),
    DeletionProposed(number="DEL-1", at=NOW, sets=("s", "t"), digest="d", by="wang"),
    _decided("approved"),
    DeletionEnded(number="DEL-1", at=NOW, gone=("s@hub",), left=(("t@hub", "held"),)),
)


@pytest.mark.parametrize("event", _ALL, ids=lambda each: type(each).__name__)
def test_the_journal_tells_the_same_again(event: CatalogEvent) -> None:
    body = json.loads(json.dumps(body_of(event)))
    assert event_of(subject_of(event), entry_kind(event), body) == event
    with pytest.raises(ValueError, match="not of"):
        event_of("another", entry_kind(event), body)
    with pytest.raises(ValueError, match="strange"):
        event_of(subject_of(event), entry_kind(event), {**body, "strange": 1})
