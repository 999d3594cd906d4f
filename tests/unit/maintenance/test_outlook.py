# SPDX-License-Identifier: GPL-3.0-or-later
"""The next days in half hours, for one device and for many."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from storewarden.domain.estate.device import Device
from storewarden.domain.maintenance.almanac import Almanac
from storewarden.domain.maintenance.calendar import RuleKind, Scope
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.maintenance.outlook import CELLS, Cell, Day, outlook, together
from tests.unit.maintenance.site import JUNE_18, NIGHTS, almanac, device, rule


def drawn(books: Almanac, on: Device, first: date, days: int = 1) -> tuple[Day, ...]:
    return outlook(books.profile(on, OperationClass.PATCH), books, first, days)


def row(day: Day) -> str:
    signs = {
        Cell.SKIPPED: "_", Cell.NO_WINDOW: ".", Cell.HOURS: "-", Cell.BLACKOUT: "x",
        Cell.HOLIDAY: "h", Cell.CAMPAIGN: "c", Cell.PARTLY: "?", Cell.OPEN: "#",
    }  # fmt: skip
    return "".join(signs[cell] for cell in day.cells)


def test_a_day_is_48_half_hours_of_the_stores_own_clock() -> None:
    (day,) = drawn(almanac(NIGHTS), device("pos"), date(2026, 6, 10))
    assert row(day) == "#" * 10 + "." * 10 + "-" * 24 + ".." + "##"
    (berlin,) = drawn(almanac(NIGHTS), device("pos", tz="Europe/Berlin"), date(2026, 6, 10))
    assert row(berlin) == row(day)


def test_opening_hours_are_shown_where_they_decide() -> None:
    (server,) = drawn(almanac(NIGHTS), device(), date(2026, 6, 10))
    assert row(server) == "#" * 10 + "." * 36 + "##"
    (quiet,) = drawn(almanac(), device(), date(2026, 6, 10))
    assert row(quiet) == "#" * 18 + "-" * 26 + "#" * 4


def test_the_strongest_reason_is_shown_and_named() -> None:
    stock = rule("stocktaking", RuleKind.BLACKOUT, "2026-06-16T12:00", 24)
    first, second = drawn(almanac(NIGHTS, JUNE_18, stock), device(), date(2026, 6, 15), 2)
    assert row(first).endswith("##")
    assert first.names == ()
    assert row(second) == "c" * CELLS
    assert second.names == ("6.18", "stocktaking")


def test_part_of_a_half_hour() -> None:
    odd = rule("odd", RuleKind.WINDOW, "2026-06-10T02:15", 1)
    (day,) = drawn(almanac(odd), device(), date(2026, 6, 10))
    assert row(day)[4:7] == "?#?"


def test_the_hour_that_summer_time_skips_is_empty() -> None:
    (day,) = drawn(almanac(NIGHTS), device(tz="Europe/Berlin"), date(2026, 3, 29))
    assert row(day).startswith("####__####")
    (lord_howe,) = drawn(almanac(NIGHTS), device(tz="Australia/Lord_Howe"), date(2026, 10, 4))
    assert row(lord_howe).startswith("####_#####")


def test_together_is_open_only_when_all_are() -> None:
    servers = replace(NIGHTS, scope=Scope(roles=frozenset({"server"})))
    late = rule(
        "late", RuleKind.WINDOW, "2026-01-01T03:00", 1, "FREQ=DAILY",
        scope=Scope(roles=frozenset({"pos"})),
    )  # fmt: skip
    books, day = almanac(servers, late), date(2026, 6, 10)
    one, other = drawn(books, device(), day), drawn(books, device("pos"), day)
    (both,) = together([one, other])
    assert row(both)[:12] == "??????##??.."
    assert row(together([one])[0]) == row(one[0])


def test_a_skipped_half_hour_of_one_store_does_not_hide_the_others() -> None:
    day = date(2026, 3, 29)
    books = almanac(NIGHTS)
    berlin = drawn(books, device(tz="Europe/Berlin"), day)
    shanghai = drawn(books, device(), day)
    assert row(together([berlin, shanghai])[0]).startswith("#" * 10)
