# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders of people who do not answer for a change: refused, with who tried, on the record."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.domain.change.people import Person
from storewarden.domain.errors import Refused
from storewarden.domain.rollout.events import Ordered
from storewarden.domain.rollout.record import RolloutState, WaveState
from storewarden.domain.rollout.spec import GateSpec
from tests.flows.desk_place import HEAD, LEAD
from tests.flows.rollout_place import DAY, RolloutPlace, holding, wanted

STRANGER = Person(id="til.two", name="Two", roles=frozenset({"cashier_support"}))


@pytest.fixture
def place(tmp_path: Path) -> RolloutPlace:
    """Two stores, and a rollout under way in the first one."""
    place = RolloutPlace(tmp_path, stores=2)
    place.opened()
    place.pass_time(timedelta(hours=1))
    return place


def orders(place: RolloutPlace, number: str = "") -> list[tuple[str, str, bool]]:
    """Who ordered what, and whether it was taken."""
    told = [(e.by, e.what) for e in place.events(number) if isinstance(e.what, Ordered)]
    return [(by, what.order, what.accepted) for by, what in told]


def test_a_stranger_may_stop_it_and_no_more(place: RolloutPlace) -> None:
    place.order("pause", by=STRANGER)
    assert place.rollout().state is RolloutState.PAUSED
    for word in ("resume", "abort", "rollback"):
        with pytest.raises(Refused, match=f"til.two may not {word} it"):
            place.order(word, by=STRANGER)
    assert place.rollout().state is RolloutState.PAUSED
    assert orders(place)[1:] == [
        (STRANGER.id, word, False) for word in ("resume", "abort", "rollback")
    ]


def test_who_approves_such_changes_lets_it_go_on_and_other_approvers_take_it_back(
    place: RolloutPlace,
) -> None:
    place.order("pause", by=STRANGER)
    with pytest.raises(Refused, match="may not resume"):
        place.order("resume", by=LEAD)
    place.order("resume", by=HEAD)
    place.order("abort", by=LEAD)
    place.until(RolloutState.ROLLED_BACK)


def test_a_held_wave_is_not_promoted_by_a_stranger(tmp_path: Path) -> None:
    place = RolloutPlace(tmp_path, stores=2)
    place.gates.says = lambda _scope: (holding(),)
    place.opened(wanted(extensions=0))
    while place.rollout().waves[0].state is not WaveState.HELD:
        place.pass_time(DAY / 4)
    with pytest.raises(Refused, match="may not promote"):
        place.order("promote", by=STRANGER)
    assert place.rollout().waves[0].state is WaveState.HELD
    place.order("promote", by=HEAD)
    assert place.rollout().waves[0].state is WaveState.PROMOTED


def test_a_gate_that_wants_two_people_is_not_passed_by_one(tmp_path: Path) -> None:
    """The first one's word is on the record and changes nothing; the same person again does
    neither."""
    place = RolloutPlace(tmp_path, stores=2)
    place.gates.says = lambda _scope: (holding(),)
    two = {"people": [HEAD.id, LEAD.id], "least": 2}
    gates = (GateSpec(kind="approval", name="two", settings=two),)
    place.opened(wanted(extensions=0, gates=gates))
    while place.rollout().waves[0].state is not WaveState.HELD:
        place.pass_time(DAY / 4)
    for _ in range(2):
        place.order("promote", by=HEAD)
        assert place.rollout().waves[0].state is WaveState.HELD
        place.clock.advance(timedelta(minutes=1))
    place.order("promote", by=LEAD)
    assert place.rollout().waves[0].state is WaveState.PROMOTED
    assert orders(place) == [(person.id, "promote", True) for person in (HEAD, HEAD, LEAD)]


def test_its_hosts_are_not_taken_over_by_a_stranger(place: RolloutPlace) -> None:
    """The older rollout is not even paused, and its journal tells who tried."""
    older = place.newest
    change = place.change(approved=False)
    with pytest.raises(Refused, match="may not supersede it"):
        place.begin(change.number, wanted("3"), by=STRANGER, supersede=True)
    assert place.rollout(older).state is RolloutState.RUNNING
    assert orders(place, older) == [(STRANGER.id, "supersede", False)]
    assert not place.ledger.verify().problems
