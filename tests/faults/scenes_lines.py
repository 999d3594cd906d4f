# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes: lines are cut and come back, hosts are switched off and come back."""

from __future__ import annotations

import json

from storewarden.domain.rollout.record import Cause, Hold, HostState, Phase, RolloutState
from tests.e2e.restore_host import FOLDER
from tests.e2e.serve_site import until
from tests.faults.fault_site import LONG
from tests.faults.fault_stage import Given, stage

PATIENT = {"apply": "3m"}
"""ssh notices a dead line after a minute: before the run is ended because it takes too long."""


@stage.scene(lasts=120)
def a_line_is_cut_in_apply_and_the_host_saves_itself(given: Given) -> None:
    place = given.place
    place.hold()
    going = given.chain.begin("v2", place, timing=PATIENT)
    going.works_on(place)
    place.host.cut()
    going.sees(place, HostState.OFFLINE_TOUCHED)
    assert going.now.state is RolloutState.RUNNING
    place.host.mend()
    going.rolled_back()
    assert place.begun == ["v2"]
    assert json.loads(place.sh(f"cat {FOLDER}/*/record.json"))["cause"] == "deadline"
    back = going.now.rollback
    assert back is not None and back.cause is Cause.CANARY


@stage.scene(hosts=2, lasts=120)
def a_store_that_was_off_is_caught_up_with_when_its_line_returns(given: Given) -> None:
    """Cut before its turn: nobody calls it changed, nothing is rolled back for it."""
    going = given.chain.begin("v2", *given.places, soak={"wall": "15s", "trading": "0"})
    canary, later = going.canary, going.later
    going.sees(canary, HostState.SOAKING)
    later.host.cut()
    going.sees(later, HostState.OFFLINE_UNTOUCHED)
    assert going.now.rollback is None
    later.host.mend()
    assert later.begun == [] and later.version == "old"
    going.completed()
    assert (canary.begun, later.begun) == (["v2"], ["v2"])


@stage.scene(full=True, lasts=150)
def a_line_is_cut_after_apply_and_the_change_is_not_believed(given: Given) -> None:
    """Changed, and nobody could look at it: the host takes it back, and a probe says so."""
    place = given.place
    going = given.chain.begin("v2", place)
    going.sees(place, HostState.VERIFYING)
    place.host.cut()
    going.sees(place, HostState.OFFLINE_TOUCHED)
    assert going.host(place).verified is None
    place.host.mend()
    going.rolled_back()
    assert place.begun == ["v2"]


@stage.scene(hosts=2, pair=True, lasts=120)
def a_member_of_a_pair_fails_in_its_change_and_the_other_is_left_alone(given: Given) -> None:
    """Switched off in the middle and back much later: it holds the slot of its group all the
    time. It is taken back when it runs again, and only then anything goes on."""
    for place in given.places:
        place.hold()
    going = given.chain.begin("v2", *given.places, waves=["rest at once"], timing=PATIENT)
    assert until(lambda: any(place.working() for place in given.places), LONG), going.story()
    (member,) = [place for place in given.places if place.begun]
    (peer,) = [place for place in given.places if not place.begun]
    member.host.stop()
    going.sees(member, HostState.OFFLINE_TOUCHED)
    assert going.host(peer).state is HostState.PLANNED
    assert not going.sent(Phase.PREFLIGHT, peer)
    member.host.start()
    assert until(lambda: bool(going.sent(Phase.UNDO, member)), LONG), going.story()
    for place in given.places:
        place.go()
    going.completed()
    first = going.sent(Phase.PREFLIGHT, peer)[0]
    assert going.place_of(first) > going.place_of(going.sent(Phase.UNDO, member)[0])
    assert len(member.begun) == len(going.sent(Phase.APPLY, member)) == 2
    assert peer.begun == ["v2"]


@stage.scene(hosts=2, lasts=90)
def a_whole_wave_is_silent_so_it_is_our_network(given: Given) -> None:
    for place in given.places:
        place.host.cut()
    going = given.chain.begin("v2", *given.places, waves=["rest at once"])
    going.comes_to(RolloutState.PAUSED)
    assert going.now.hold is Hold.NETWORK
    assert going.now.rollback is None
    assert "look at the network" in going.now.held
    for place in given.places:
        place.host.mend()
    given.chain.order("resume", going.number)
    going.completed()


@stage.scene(full=True, lasts=900)
def a_host_that_never_comes_back_is_a_debt_and_is_restored_when_it_does(given: Given) -> None:
    """Switched off in its change; somebody aborts; the rollout ends with a debt, which is worked
    off when the host runs again."""
    place = given.place
    place.hold()
    going = given.chain.begin("v2", place, timing=PATIENT)
    going.works_on(place)
    place.host.stop()
    going.sees(place, HostState.OFFLINE_TOUCHED)
    given.chain.order("abort", going.number)
    going.comes_to(RolloutState.ROLLED_BACK_WITH_DEBT, patience=2 * LONG)
    assert "cannot be reached" in going.host(place).debt
    assert going.now.rollback is not None and going.now.rollback.last_restored is None
    place.host.start()
    place.go()
    going.comes_to(RolloutState.ROLLED_BACK, patience=3 * LONG)
    assert going.host(place).debt == ""
    going.rolled_back()


@stage.scene(hosts=2, full=True, lasts=900)
def a_store_that_stays_off_is_a_straggler_and_is_caught_up_with(given: Given) -> None:
    """The rollout is over for everybody else; the last store follows when its line is back."""
    going = given.chain.begin(
        "v2",
        *given.places,
        soak={"wall": "15s", "trading": "0"},
        stragglers={"share": "100%"},
        coverage="1%",
    )
    canary, later = going.canary, going.later
    going.sees(canary, HostState.SOAKING)
    later.host.cut()
    assert until(lambda: going.host(later).tries >= 3, 2 * LONG), going.story()
    assert going.host(later).state is HostState.OFFLINE_UNTOUCHED
    assert going.now.rollback is None
    later.host.mend()
    going.comes_to(RolloutState.COMPLETED, patience=3 * LONG)
    going.completed()
    assert (canary.begun, later.begun) == (["v2"], ["v2"])
