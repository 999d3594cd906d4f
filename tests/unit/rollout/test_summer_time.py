# SPDX-License-Identifier: GPL-3.0-or-later
"""The two nights in which the clock is put forward and back: windows end on the wall, work takes
its own time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from storewarden.domain.change.record import Change, Draft, Item, Kind, Risk, Span, State
from storewarden.domain.maintenance.almanac import Almanac
from storewarden.domain.maintenance.calendar import Calendar, House, RuleKind
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.rollout.facts import StoreWindow
from storewarden.flows.rollout_windows import StoreWindows
from tests.unit.maintenance.site import device, rule

BERLIN = ZoneInfo("Europe/Berlin")
SPRING, AUTUMN = "2026-03-28", "2026-10-24"  # 02:00 -> 03:00 and 03:00 -> 02:00 in that night
HOUR = timedelta(hours=1)
NIGHTS = rule("nights", RuleKind.WINDOW, "2026-01-01T23:00", 6, "FREQ=DAILY")
STORE = device("server", tz="Europe/Berlin")


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


def _window(now: datetime, needs: timedelta, own: Span | None = None) -> StoreWindow:
    """What the store is told at ``now``."""
    change = Change(
        number="GMBG-20260101-001",
        version=1,
        state=State.APPROVED,
        draft=Draft(
            summary="patch", kind=Kind.STANDARD, risk=Risk.LOW, reason="a leak",
            items=(Item(host=STORE.name, ci="SRV", store=STORE.store),), window=own,
        ),
        requester="li",
        owner="li",
        opened_at=now,
    )  # fmt: skip
    books = StoreWindows(
        lambda: Almanac(Calendar(rules=(NIGHTS,), house=House(zone="Europe/Berlin")))
    )
    asked = (OperationClass.PATCH, needs)
    return books.of({STORE.store: [STORE]}, change, asked, now)[STORE.store]


@pytest.mark.parametrize(
    ("day", "long"), [(SPRING, 5), ("2026-06-10", 6), (AUTUMN, 7)], ids=["spring", "june", "autumn"]
)
def test_a_window_from_eleven_to_five_is_as_long_as_that_night_is(day: str, long: int) -> None:
    """Five hours, six, or seven: what fits in autumn does not fit in spring."""
    begins = _at(f"{day}T23:00")
    fits = _window(begins, long * HOUR)
    assert fits.allowed
    assert fits.closes == begins + long * HOUR
    assert fits.closes is not None
    assert f"{fits.closes.astimezone(BERLIN):%H:%M}" == "05:00"
    late = _window(begins, long * HOUR + timedelta(minutes=1))
    assert not late.allowed and late.reason and late.reason_zh


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_the_hard_stop_is_on_the_wall_before_the_store_opens(day: str) -> None:
    stop = _window(_at(f"{day}T23:00"), HOUR).hard_stop
    assert stop is not None
    assert stop <= _at(f"{day}T23:00") + 11 * HOUR + timedelta(minutes=30)
    assert f"{stop.astimezone(BERLIN):%H:%M}" == "09:30"


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    """02:30 of the first round and 02:30 of the second one are an hour apart, and both are in."""
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    second = first + HOUR
    assert f"{first.astimezone(BERLIN):%H:%M}" == f"{second.astimezone(BERLIN):%H:%M}" == "02:30"
    needs = 3 * HOUR + timedelta(minutes=15)
    assert _window(first, needs).allowed
    assert not _window(second, needs).allowed


def test_the_hour_that_does_not_come_is_none() -> None:
    """At 01:59 three hours are left on the wall, and two on the clock."""
    now = _at("2026-03-29T01:59")
    assert _window(now, 2 * HOUR).allowed
    assert not _window(now, 2 * HOUR + timedelta(minutes=2)).allowed


def test_a_changes_own_window_over_that_night_is_reckoned_in_real_time() -> None:
    own = Span(starts=_at("2026-10-24T23:00"), ends=_at("2026-10-25T03:00"))
    begins = _at("2026-10-24T23:00")
    assert own.ends - own.starts == 5 * HOUR  # the second 03:00
    assert _window(begins, 5 * HOUR, own).allowed
    after = _window(own.ends, HOUR, own)
    assert not after.allowed
    assert after.reason == "the change's window ended at 2026-10-25 03:00"
