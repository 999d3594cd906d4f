# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts in maintenance, and repairs as runs of their standing change."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from storewarden.domain.change.commands import Approve, Start
from storewarden.domain.change.people import CLOCK
from storewarden.domain.change.record import Span, Standing
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.record import End, HostEnd, Repair, RepairState
from storewarden.flows.heal_record import RunTeller, run_of
from storewarden.flows.heal_work import WorkBook
from tests.flows.desk_place import ASKER, HEAD, Place

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def place() -> Place:
    return Place()


def works(place: Place) -> WorkBook:
    return WorkBook(place.ledger.changes, place.ledger.rollouts, HealPolicy())


def test_an_announced_window_is_maintenance_once_it_is_approved(place: Place) -> None:
    now = place.clock.now()
    window = Span(starts=now + HOUR, ends=now + 3 * HOUR)
    number = place.opened(window=window).number
    book = works(place)
    assert book({}, now + 2 * HOUR) == {}, "nobody has approved it"
    place.desk(HEAD).act(number, "yes", Approve())
    assert book({}, now) == {}
    found = book({}, now + 2 * HOUR)
    assert sorted(found) == ["pos01", "pos02"]
    assert (found["pos01"].why, found["pos01"].ends) == (number, window.ends)


def test_a_change_that_was_started_is_maintenance_and_then_comes_the_grace(place: Place) -> None:
    number = place.opened().number
    place.desk(HEAD).act(number, "yes", Approve())
    book = works(place)
    assert book({}, place.clock.now()) == {}, "without a window nobody knows when"
    place.desk(ASKER).act(number, "go", Start())
    began = place.clock.now()
    assert sorted(book({}, began + MINUTE)) == ["pos01", "pos02"]
    later = book({}, began + 12 * HOUR + MINUTE)
    assert later["pos01"].ends <= began + 12 * HOUR, "somebody forgot to finish it"
    assert book({}, began + 13 * HOUR) == {}


def test_a_standing_change_names_hosts_that_nobody_touches(place: Place) -> None:
    standing = Standing(action="heal service", until=place.clock.now() + timedelta(days=90))
    number = place.opened(standing=standing).number
    place.desk(HEAD).act(number, "yes", Approve())
    assert works(place)({}, place.clock.now()) == {}


def test_a_session_is_maintenance_as_long_as_it_lasts_and_its_grace(place: Place) -> None:
    book, now = works(place), place.clock.now()
    assert book({"pos01": "harden"}, now)["pos01"].why == "harden"
    found = book({}, now + 3 * MINUTE)["pos01"]
    assert found.ends == now, "it was last seen then"
    assert book({}, now + 16 * MINUTE) == {}


def test_a_session_that_never_ends_is_stuck_and_no_maintenance(place: Place) -> None:
    book, now = works(place), place.clock.now()
    for minute in range(0, 121, 10):
        found = book({"pos01": "harden"}, now + minute * MINUTE)
    assert found["pos01"].ends < now + 121 * MINUTE
    assert book({"pos01": "harden"}, now + 3 * HOUR) == {}


def repair(change: str, place: Place, *ends: End) -> Repair:
    """A repair of tills that has ended."""
    hosts = tuple(f"pos{number:02}" for number in range(1, len(ends) + 1))
    return Repair(
        id=f"{change}-H1780272000",
        change=change,
        action="service",
        rule="pos-down",
        hosts=hosts,
        occurrences=(),
        opened_at=place.clock.now(),
        state=RepairState.ENDED,
        begun_at=place.clock.now(),
        ended_at=place.clock.now(),
        ends=tuple(HostEnd(host=host, end=end) for host, end in zip(hosts, ends, strict=True)),
    )


def test_a_repair_is_a_run_of_its_standing_change_once(place: Place) -> None:
    standing = Standing(action="heal service", until=place.clock.now() + timedelta(days=90))
    number = place.opened(standing=standing).number
    place.desk(HEAD).act(number, "yes", Approve())
    tell = RunTeller(desk=lambda: place.desk(CLOCK))
    made = repair(number, place, End.REPAIRED, End.FAILED)
    tell(made)
    tell(made)
    found = place.desk(HEAD).change(number).standing
    assert found is not None
    assert (found.runs, found.failures) == (1, 1)


def test_a_withdrawn_change_refuses_the_run_and_stops_nobody(place: Place) -> None:
    standing = Standing(action="heal service", until=place.clock.now() + timedelta(days=90))
    number = place.opened(standing=standing).number
    tell = RunTeller(desk=lambda: place.desk(CLOCK))
    tell(repair(number, place, End.REPAIRED))
    tell(repair("GMBG-20260101-999", place, End.REPAIRED))
    found = place.desk(HEAD).change(number).standing
    assert found is not None and found.runs == 0


def test_hosts_on_which_it_never_began_are_no_run(place: Place) -> None:
    found = run_of(repair("C", place, End.NOT_BEGUN, End.REPAIRED))
    assert found is not None
    assert (found.hosts, found.succeeded, found.note) == (("pos02",), True, "service: 1 repaired")
    assert run_of(repair("C", place, End.NOT_BEGUN)) is None
    assert run_of(replace(repair("C", place, End.REPAIRED), state=RepairState.OPEN)) is None
