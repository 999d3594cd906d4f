# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a month, from a ledger in which people worked."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from storewarden.domain.change.commands import Approve, Cancel, Close, Run, Start
from storewarden.domain.change.record import Outcome, Standing
from storewarden.domain.errors import ConfigInvalid
from storewarden.flows.change_month import month_view
from tests.flows.desk_place import ASKER, HEAD, Place

JULY = datetime(2026, 7, 1, 2, tzinfo=UTC)


@pytest.fixture
def place() -> Place:
    """It is 1 June, half past eleven in the evening."""
    return Place()


def _ended(place: Place, outcome: Outcome, **more: object) -> str:
    """A change from request to close; its number."""
    number = place.opened(**more).number
    place.desk(HEAD).act(number, "yes", Approve())
    place.desk(ASKER).act(number, "go", Start())
    place.desk(ASKER).act(number, "end", Close(outcome=outcome, reason="seen"))
    return number


def test_a_month_counts_what_was_closed_in_it(place: Place) -> None:
    core = _ended(place, Outcome.ROLLED_BACK, hosts=("srv01",), operation="release")
    good = _ended(place, Outcome.SUCCESSFUL, operation="patch")
    dropped = place.opened()
    place.desk(ASKER).act(dropped.number, "no", Cancel(reason="not needed"))
    place.clock.advance(JULY - place.clock.now())
    late = _ended(place, Outcome.SUCCESSFUL, operation="patch")

    june = month_view(place.desk(HEAD).month("2026-06"))
    assert [each["number"] for each in june["changes"]] == [core, good]  # type: ignore[index, attr-defined]
    assert june["core"] == {"name": "core", "total": 1, "successful": 0, "rate": 0.0}
    assert june["classes"] == [
        {"name": "patch", "total": 1, "successful": 1, "rate": 1.0, "analyse": False},
        {"name": "release", "total": 1, "successful": 0, "rate": 0.0, "analyse": True},
    ]
    assert [change.number for change in place.desk(HEAD).month().closed] == [late]


def test_the_sample_is_the_same_whoever_asks_and_whenever(place: Place) -> None:
    numbers = [_ended(place, Outcome.SUCCESSFUL) for _ in range(11)]
    assert place.desk(HEAD).month("2026-06").sample == ()  # the month goes on
    place.clock.advance(JULY - place.clock.now())
    drawn = place.desk(HEAD).month("2026-06").sample
    assert len(drawn) == 2
    assert set(drawn) < set(numbers)
    _ended(place, Outcome.SUCCESSFUL)  # in July
    place.clock.advance(timedelta(days=300))
    assert place.desk(ASKER).month("2026-06").sample == drawn


def test_runs_of_a_standing_change_belong_to_the_month_in_which_they_began(place: Place) -> None:
    until = place.clock.now() + timedelta(days=90)
    standing = Standing(action="heal_printing", until=until)
    number = place.opened(standing=standing).number
    place.desk(HEAD).act(number, "yes", Approve())
    for later, good in ((1, True), (1, False), (38, True)):
        place.clock.advance(timedelta(days=later))
        began = place.clock.now()
        run = Run(run=f"at {began:%j}", hosts=("pos01",), began=began, succeeded=good)
        place.desk(ASKER).act(number, f"r{began:%j}", run)
    (june,) = place.desk(HEAD).month("2026-06").classes
    assert (june.name, june.total, june.successful) == ("heal_printing", 2, 1)
    (july,) = place.desk(HEAD).month("2026-07").classes
    assert (july.total, july.successful) == (1, 1)


@pytest.mark.parametrize(
    "text", ["2026-13", "June", "2026-6", "0000-01", "2026-06-01", "２０２６-06"]
)
def test_what_is_no_month_is_one_line(place: Place, text: str) -> None:
    with pytest.raises(ConfigInvalid, match="is no month"):
        place.desk(HEAD).month(text)


def test_a_month_to_come_is_refused(place: Place) -> None:
    assert place.desk(HEAD).month("2026-06").month == date(2026, 6, 1)
    with pytest.raises(ConfigInvalid, match="lies in the future"):
        place.desk(HEAD).month("2026-07")
