# SPDX-License-Identifier: GPL-3.0-or-later
"""What windows say to a whole change: the strictest of its hosts decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from storewarden.domain.change.record import (
    Approval,
    Change,
    Draft,
    Item,
    Kind,
    Risk,
    State,
    WindowOverride,
)
from storewarden.domain.errors import AdapterError
from storewarden.domain.estate.device import Device
from storewarden.domain.estate.hours import parse_hours
from storewarden.domain.maintenance.almanac import Almanac
from storewarden.domain.maintenance.calendar import Calendar, House
from storewarden.flows.change_windows import ChangeWindows

NIGHT = datetime(2026, 6, 1, 15, 30, tzinfo=UTC)  # Monday 23:30 in Shanghai
NOON = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def till(name: str, hours: str, tz: str = "Asia/Shanghai") -> Device:
    return Device(name=name, store=name[-4:], role="pos", tz=tz, hours=parse_hours(hours))


EARLY, LATE = till("pos-0101", "09:00-21:00"), till("pos-0102", "10:00-23:00")


def windows(*devices: Device) -> ChangeWindows:
    calendar = Calendar(rules=(), provisional=(), house=House(zone="Asia/Shanghai"))
    return ChangeWindows(lambda: devices, lambda: Almanac(calendar))


def change(*hosts: str, kind: Kind = Kind.STANDARD, operation: str = "patch") -> Change:
    draft = Draft(
        summary="s", kind=kind, risk=Risk.LOW, reason="r", operation=operation,
        items=tuple(Item(host=host) for host in hosts),
    )  # fmt: skip
    return Change(
        number="GMBG-20260601-001", version=1, state=State.APPROVED, draft=draft,
        requester="a", opened_at=NOON, owner="a",
    )  # fmt: skip


def test_at_noon_it_says_which_hosts_why_and_until_when() -> None:
    found = windows(EARLY, LATE).judge_start(change("pos-0101", "pos-0102"), NOON)
    assert "pos-0101: " in found.forbidden
    assert "pos-0102: " in found.forbidden
    assert "6.2.3" in found.forbidden  # tills only outside opening hours
    assert "23:00" in found.hint  # when the later one has closed
    assert found.trading == ("0101", "0102")


def test_at_night_nothing_is_against_it() -> None:
    found = windows(EARLY, LATE).judge_start(change("pos-0101", "pos-0102"), NIGHT)
    assert (found.forbidden, found.hint, found.trading) == ("", "", ())


def test_one_store_that_is_still_open_is_enough() -> None:
    found = windows(EARLY, LATE).judge_start(change("pos-0101", "pos-0102"), NIGHT - HOUR)
    assert found.forbidden.startswith("pos-0102: ")
    assert found.trading == ("0102",)


def test_hosts_alike_are_told_once() -> None:
    many = [till(f"pos{n}-0101", "09:00-21:00") for n in range(40)]
    found = windows(*many).judge_start(change(*(each.name for each in many)), NOON)
    assert found.forbidden.startswith("pos0-0101 and 39 more: ")


def test_hosts_that_are_gone_forbid_a_start_but_not_an_emergency() -> None:
    found = windows(EARLY).judge_start(change("pos-0101", "pos-0999"), NIGHT)
    assert "no longer in the inventory: pos-0999" in found.forbidden
    emergency = change("pos-0101", "pos-0999", kind=Kind.EMERGENCY)
    assert windows(EARLY).judge_start(emergency, NOON).forbidden == ""


def test_an_inventory_that_is_away_stops_no_emergency() -> None:
    def away() -> list[Device]:
        raise AdapterError("the inventory is away")

    broken = ChangeWindows(away, lambda: Almanac(Calendar(rules=())))
    assert broken.judge_start(change("x", kind=Kind.EMERGENCY), NOON).forbidden == ""
    with pytest.raises(AdapterError):
        broken.judge_start(change("x"), NOON)


def overridden(subject: Change, *people: str, hours: int = 2) -> Change:
    ends = NOON + hours * HOUR
    given = tuple(Approval(person=who, roles=("it",), at=NOON, expires=ends) for who in people)
    override = WindowOverride(
        reason="no sale", expires=ends, asked_by="a", asked_at=NOON, approvals=given
    )
    return replace(subject, override=override)


def test_an_override_of_two_sets_the_no_aside_and_says_which() -> None:
    both = overridden(change("pos-0101", "pos-0102"), "x", "y")
    found = windows(EARLY, LATE).judge_start(both, NOON)
    assert found.forbidden == ""
    assert found.override.startswith("x, y: no sale (until 2026-06-01 06:00 UTC); set aside: ")
    assert "pos-0101: the store is open" in found.override
    assert "pos-0102: the store is open" in found.override
    assert windows(EARLY, LATE).judge_start(both, NIGHT).override == ""  # nothing to set aside


@pytest.mark.parametrize(
    ("people", "hours", "why"),
    [
        (("x",), 2, "fewer than two people"),
        (("x", "a"), 2, "fewer than two people"),  # a is the requester
        (("x", "y"), 0, "it has expired"),
    ],
)
def test_an_override_that_does_not_count_is_named_in_the_refusal(
    people: tuple[str, ...], hours: int, why: str
) -> None:
    asked = overridden(change("pos-0101"), *people, hours=hours)
    found = windows(EARLY).judge_start(asked, NOON)
    assert "the store is open" in found.forbidden
    assert f"the override does not count: {why}" in found.forbidden
    assert found.override == ""


def test_the_next_window_fits_every_host_at_once() -> None:
    draft = change("pos-0101", "pos-0102").draft
    span = windows(EARLY, LATE).next_window(draft, HOUR, NOON)
    assert span is not None
    assert span.starts == NIGHT - HOUR / 2  # 23:00, when the later one has closed
    assert span.ends == datetime(2026, 6, 2, 1, 0, tzinfo=UTC)  # 09:00, when the first opens
    within = windows(EARLY, LATE).next_window(draft, HOUR, NIGHT)
    assert within == replace(span, starts=NIGHT)


def test_what_never_fits_has_no_window() -> None:
    draft = change("pos-0101", "pos-0102").draft
    assert windows(EARLY, LATE).next_window(draft, timedelta(hours=11), NOON) is None
    never = till("pos-0103", "00:00-24:00")
    assert windows(never).next_window(change("pos-0103").draft, HOUR, NOON) is None
