# SPDX-License-Identifier: GPL-3.0-or-later
"""Which standing change a repair belongs to, when several name the same action."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.adapters.ledger import open_ledger
from storewarden.domain.change.commands import Approve, Cancel
from storewarden.domain.change.record import Standing as StandingChange
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.healing.rule import Mode
from storewarden.domain.healing.world import Standing
from storewarden.flows.heal_standing import Standings
from tests.flows.desk_place import ASKER, HEAD, Place
from tests.flows.heal_place import HealPlace

DAY = timedelta(days=1)


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.fixture
def standings(place: Place, tmp_path: Path) -> Iterator[Standings]:
    modes = {"service": Mode.APPROVE, "link": Mode.APPROVE}
    with open_ledger(tmp_path / "ledger.sqlite", clock=place.clock) as ledger:
        yield Standings(ledger.alerts, place.ledger.changes, ApprovalRules(), modes)


def allowed(place: Place, *hosts: str, approved: bool = True, days: int = 30) -> str:
    """A standing change for the action service; its number."""
    until = place.clock.now() + days * DAY
    standing = StandingChange(action="heal service", until=until)
    number = place.opened(standing=standing, hosts=hosts).number
    if approved:
        place.desk(HEAD).act(number, f"yes-{number}", Approve())
    place.clock.advance(timedelta(seconds=1))
    return number


def now_of(place: Place, standings: Standings) -> Standing:
    return standings(place.clock.now())["service"]


def test_of_two_the_one_that_covers_more_devices_is_taken(
    place: Place, standings: Standings
) -> None:
    allowed(place, "pos01")
    wide = allowed(place, "tills")
    found = now_of(place, standings)
    assert (found.change, dict(found.others)) == (wide, {})
    assert {found.change_for(host) for host in ("pos01", "pos02")} == {wide}


def test_of_two_that_cover_as_many_the_older_one_is_taken(
    place: Place, standings: Standings
) -> None:
    first, second = allowed(place, "tills"), allowed(place, "tills")
    assert now_of(place, standings).change == first
    place.desk(ASKER).act(first, "no", Cancel(reason="the other one will do"))
    assert now_of(place, standings).change == second


def test_a_host_that_the_first_does_not_cover_belongs_to_the_other(
    place: Place, standings: Standings
) -> None:
    """Two regions, a change each: neither is left to people because the other one is larger."""
    tills, servers = allowed(place, "tills"), allowed(place, "srv01")
    found = now_of(place, standings)
    assert found.change_for("pos01") == tills and found.change_for("srv01") == servers
    assert standings.covers(found.change_for("srv01"), ("srv01",), place.clock.now()) == ""


def test_one_that_does_not_count_is_passed_over(place: Place, standings: Standings) -> None:
    """Not approved yet, or ended: as if it were not there, however many devices it names."""
    waits = allowed(place, "tills", "srv01", approved=False)
    found = now_of(place, standings)
    assert found.change == "" and found.against is not None and waits in found.against.en
    small = allowed(place, "pos01")
    allowed(place, "tills", days=1)
    assert now_of(place, standings).change != small
    place.clock.advance(2 * DAY)
    found = now_of(place, standings)
    assert (found.change, found.against, dict(found.others)) == (small, None, {})


def test_hosts_of_two_changes_are_two_repairs(tmp_path: Path) -> None:
    """Each is a run of its own change."""
    mine, other = "GMBG-20260101-001", "GMBG-20260101-002"
    standing = Standing(
        mode=Mode.AUTO, runs=20, verified=20, change=mine, others={"pos-002-1": other}
    )
    place = HealPlace(tmp_path, standing=standing)
    place.send("pos-001-1", "pos-002-1", "pos-003-1")
    place.pass_time(timedelta(minutes=2))
    repairs = {each.change: sorted(each.hosts) for each in place.ledger.alerts.repairs()}
    assert repairs == {mine: ["pos-001-1", "pos-003-1"], other: ["pos-002-1"]}
