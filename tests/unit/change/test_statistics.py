# SPDX-License-Identifier: GPL-3.0-or-later
"""Success rates, classes that want an analysis, and the auditor's sample."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from storewarden.domain.change.commands import Close
from storewarden.domain.change.record import Change, Outcome
from storewarden.domain.change.statistics import (
    audit_sample,
    by_class,
    failing,
    overall,
    success_rate,
)
from tests.unit.change.story import LI, Story, approved, begun, draft, restarting

SHANGHAI = ZoneInfo("Asia/Shanghai")
JUNE = date(2026, 6, 15)


def _closed(outcome: Outcome, operation: str = "patch") -> Change:
    return begun(draft(operation=operation)).does(LI, Close(outcome=outcome, reason="x")).change


GOOD, BAD = _closed(Outcome.SUCCESSFUL), _closed(Outcome.ROLLED_BACK)
STANDING = approved(restarting()).change


def _used(runs: int, failures: int) -> Change:
    assert STANDING.standing is not None
    return replace(STANDING, standing=replace(STANDING.standing, runs=runs, failures=failures))


def _month(count: int) -> list[Change]:
    return [replace(GOOD, number=f"GMBG-20260601-{place:03d}") for place in range(1, count + 1)]


def test_the_rate_is_over_changes_that_ended() -> None:
    waiting = Story(draft()).change
    (tally,) = success_rate([GOOD] * 19 + [BAD, waiting])
    assert (tally.name, tally.total, tally.successful, tally.rate) == ("standard", 20, 19, 0.95)
    assert tally.reaches()
    assert success_rate([GOOD] * 18 + [BAD])[0].reaches() is False


def test_no_change_is_no_success() -> None:
    assert success_rate([Story(draft()).change]) == ()
    assert (overall([]).rate, overall([]).reaches()) == (None, None)


def test_standing_changes_count_by_their_runs() -> None:
    tally = overall([GOOD, _used(9, 1)])
    assert (tally.total, tally.successful) == (10, 9)


def test_classes_are_what_changes_do() -> None:
    names = [by_class(change) for change in (GOOD, _closed(Outcome.FAILED, ""), STANDING)]
    assert names == ["patch", "standard", "heal_printing"]


def test_a_class_that_fails_too_often_is_named() -> None:
    release = _closed(Outcome.FAILED, "release")
    assert [t.name for t in failing([GOOD] * 19 + [BAD, release, _used(100, 6)])] == [
        "heal_printing",
        "release",
    ]
    assert failing([_used(100, 5)]) == ()


def test_a_tenth_is_audited_rounded_up_and_at_least_one() -> None:
    for count, drawn in ((0, 0), (1, 1), (10, 1), (11, 2), (30, 3), (200, 20)):
        assert len(audit_sample(_month(count), JUNE, SHANGHAI, "head")) == drawn


def test_a_share_is_a_decimal_number_as_people_mean_it() -> None:
    assert len(audit_sample(_month(100), JUNE, SHANGHAI, "head", 0.07)) == 7  # not 7.000...01


def test_the_sample_is_the_same_for_everybody_and_another_with_another_salt() -> None:
    month = _month(200)
    first = audit_sample(month, JUNE, SHANGHAI, "head")
    assert audit_sample(list(reversed(month)), JUNE, SHANGHAI, "head") == first
    assert audit_sample(month, JUNE, SHANGHAI, "other") != first
    assert [change.number for change in first] == sorted(change.number for change in first)


def test_the_month_is_the_sites_month_and_begins_when_changes_ended() -> None:
    evening = datetime(2026, 5, 31, 16, 30, tzinfo=UTC)  # 00:30 on June 1st in Shanghai
    change = replace(GOOD, closed_at=evening)
    assert audit_sample([change], JUNE, SHANGHAI, "") == (change,)
    before = replace(GOOD, closed_at=evening - timedelta(hours=1))
    waiting = replace(GOOD, closed_at=None)
    assert audit_sample([before, waiting], JUNE, SHANGHAI, "") == ()
