# SPDX-License-Identifier: GPL-3.0-or-later
"""What a month's changes add up to, and to which month they belong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from storewarden.domain.change.commands import Close, Run
from storewarden.domain.change.month import (
    Material,
    MonthOfChanges,
    bounds,
    may_have_run,
    month_of_changes,
    narrowed,
)
from storewarden.domain.change.record import Change, Outcome
from storewarden.domain.change.rules import ApprovalRules
from tests.unit.change.story import LI, NIGHT, Story, approved, begun, draft, restarting

SHANGHAI = ZoneInfo("Asia/Shanghai")
JUNE = date(2026, 6, 1)
SPAN = bounds(JUNE, SHANGHAI)
LATER = datetime(2026, 7, 2, tzinfo=UTC)


def _closed(outcome: Outcome, operation: str = "patch", tier: str = "ordinary") -> Change:
    story = begun(draft(operation=operation)).does(LI, Close(outcome=outcome, reason="x"))
    items = tuple(replace(item, tier=tier) for item in story.change.draft.items)
    return replace(story.change, draft=replace(story.change.draft, items=items))


GOOD, BAD = _closed(Outcome.SUCCESSFUL), _closed(Outcome.FAILED)


def _june(*closed: Change, now: datetime = LATER, **more: object) -> MonthOfChanges:
    material = Material(closed=closed, salt="head", **more)  # type: ignore[arg-type]
    return month_of_changes(JUNE, SHANGHAI, material, ApprovalRules(), now)


def _ran(story: Story, name: str, *, good: bool = True) -> None:
    story.does(LI, Run(run=name, hosts=("pos-1",), began=story.now, succeeded=good))


def test_a_month_is_the_sites_own_from_midnight_to_midnight() -> None:
    begins, ends = bounds(JUNE, SHANGHAI)
    assert begins == datetime(2026, 5, 31, 16, tzinfo=UTC)
    assert ends == datetime(2026, 6, 30, 16, tzinfo=UTC)
    assert bounds(date(2026, 12, 31), SHANGHAI)[1] == datetime(2026, 12, 31, 16, tzinfo=UTC)
    assert bounds(date(2026, 2, 28), UTC)[1] == datetime(2026, 3, 1, tzinfo=UTC)


def test_core_systems_have_a_rate_of_their_own() -> None:
    core = _closed(Outcome.ROLLED_BACK, tier="core")
    found = _june(GOOD, GOOD, core)
    assert (found.core.total, found.core.successful, found.core.reaches()) == (1, 0, False)
    assert (found.every.total, found.every.successful) == (3, 2)
    assert _june(GOOD).core.rate is None


def test_classes_that_fail_too_often_are_named() -> None:
    found = _june(*[GOOD] * 19, BAD, _closed(Outcome.FAILED, "release"))
    assert [(each.name, each.total) for each in found.classes] == [("patch", 20), ("release", 1)]
    assert found.failing == ("release",)
    assert [each.name for each in found.kinds] == ["standard"]


def test_a_standing_change_counts_by_the_runs_of_the_month() -> None:
    story = approved(restarting())
    _ran(story, "one")
    _ran(story, "two", good=False)
    story.now += timedelta(days=30)  # 1 July
    _ran(story, "three")
    june = narrowed(story.change, story.events, SPAN)
    assert june.standing is not None
    assert (june.standing.runs, june.standing.failures) == (2, 1)
    found = _june(GOOD, standing=(june,))
    assert [(each.name, each.total, each.successful) for each in found.classes] == [
        ("heal_printing", 2, 1), ("patch", 1, 1),
    ]  # fmt: skip


def test_one_that_was_closed_does_not_count_twice() -> None:
    story = approved(restarting())
    _ran(story, "one")
    ended = replace(story.change, closed_at=NIGHT + timedelta(days=1), outcome=Outcome.SUCCESSFUL)
    found = _june(ended, standing=(narrowed(ended, story.events, SPAN),))
    assert (found.every.total, found.closed, found.sample) == (1, (ended,), (ended.number,))


def test_which_standing_changes_have_to_be_looked_at() -> None:
    story = approved(restarting())
    assert not may_have_run(story.change, SPAN)  # no run at all
    _ran(story, "one")
    assert may_have_run(story.change, SPAN)
    assert not may_have_run(story.change, bounds(date(2026, 5, 1), SHANGHAI))
    assert not may_have_run(story.change, bounds(date(2027, 5, 1), SHANGHAI))
    assert not may_have_run(GOOD, SPAN)


def test_runs_are_those_of_a_standing_change() -> None:
    with pytest.raises(ValueError, match="no standing change"):
        narrowed(GOOD, [], SPAN)


def test_the_sample_is_drawn_when_the_month_is_over() -> None:
    many = [replace(GOOD, number=f"GMBG-20260601-{place:03d}") for place in range(1, 31)]
    assert (_june(*many).over, len(_june(*many).sample)) == (True, 3)
    during = _june(*many, now=SPAN[1] - timedelta(seconds=1))
    assert (during.over, during.sample) == (False, ())


def test_a_month_without_changes_is_one_too() -> None:
    found = _june()
    assert (found.every.rate, found.classes, found.sample, found.closed) == (None, (), (), ())
