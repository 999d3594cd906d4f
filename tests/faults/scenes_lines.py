# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes: lines are cut and come back, hosts are switched off and come back."""

from __future__ import annotations

from storewarden.domain.rollout.record import Cause, Hold, HostState, Phase, RolloutState
from tests.faults.fault_site import LONG, Going, Place, came
from tests.faults.fault_stage import Given, stage

ALONE = "30s"
"""The dead man of hosts that are to go back by themselves. ssh notices a dead line after a minute,
so they are back before anybody has missed them."""


def at_work(going: Going) -> tuple[Place, Place]:
    """Of two hosts the one whose change is under way, and the other."""
    assert came(lambda: bool(going.sent(Phase.APPLY))), going.story()
    (member,) = [place for place in going.places if going.sent(Phase.APPLY, place)]
    (peer,) = [place for place in going.places if place is not member]
    going.works_on(member)
    return member, peer


def asked_in_vain(going: Going, place: Place) -> None:
    """Wait until a probe has not reached a host. The next one is a minute away."""

    def answered() -> bool:
        return bool(going.sent(Phase.PROBE, place)) and not going.host(place).dispatch

    assert came(answered), going.story()


def cut_until_it_saved_itself(going: Going, place: Place) -> None:
    """A line is cut, and mended when the ledger has noticed it: the host has gone back alone."""
    place.host.cut()
    going.sees(place, HostState.OFFLINE_TOUCHED)
    asked_in_vain(going, place)
    assert going.host(place).state is HostState.OFFLINE_TOUCHED
    assert going.host(place).verified is None
    assert going.now.state is RolloutState.RUNNING
    place.host.mend()
    assert place.undone_because() == "deadline"


@stage.scene(lasts=240)
def a_line_is_cut_in_apply_and_the_host_saves_itself(given: Given) -> None:
    place = given.place
    place.hold()
    going = given.chain.begin("v2", place, deadline=ALONE)
    going.works_on(place)
    cut_until_it_saved_itself(going, place)
    going.rolled_back()
    assert place.begun == ["v2"]
    back = going.now.rollback
    assert back is not None and back.cause is Cause.CANARY


@stage.scene(lasts=200)
def a_line_is_cut_after_apply_and_the_change_is_not_believed(given: Given) -> None:
    """Changed, and nobody could look at it: the host takes it back, and a probe says so."""
    place = given.place
    place.hold("verify")
    going = given.chain.begin("v2", place, deadline=ALONE)
    going.sees(place, HostState.VERIFYING)
    cut_until_it_saved_itself(going, place)
    going.rolled_back()
    assert place.begun == ["v2"]


@stage.scene(lasts=130)
def a_store_that_was_off_is_caught_up_with_when_its_line_returns(given: Given) -> None:
    """Cut before its turn: nobody calls it changed, nothing is rolled back for it."""
    place = given.place
    place.host.cut()
    going = given.chain.begin("v2", place)
    going.sees(place, HostState.OFFLINE_UNTOUCHED)
    assert going.now.rollback is None
    assert going.now.state is RolloutState.RUNNING
    place.host.mend()
    seen = place.look()
    assert (seen.begun, seen.version) == ([], "old")
    going.completed()
    assert place.begun == ["v2"]
    assert len(going.sent(Phase.APPLY)) == 1


@stage.scene(hosts=2, pair=True, full=True, lasts=160)
def a_member_of_a_pair_fails_in_its_change_and_the_other_is_left_alone(given: Given) -> None:
    """Switched off in the middle and back much later: it holds the slot of its group all the
    time. It is taken back when it runs again, and only then anything goes on."""
    for place in given.places:
        place.hold()
    going = given.chain.begin("v2", *given.places, waves=["rest at once"])
    member, peer = at_work(going)
    member.host.stop()
    going.sees(member, HostState.OFFLINE_TOUCHED)
    assert going.host(peer).state is HostState.PLANNED
    assert not going.sent(Phase.PREFLIGHT, peer)
    member.host.start()
    assert came(lambda: bool(going.sent(Phase.UNDO, member))), going.story()
    for place in given.places:
        place.go()
    going.completed()
    first = going.sent(Phase.PREFLIGHT, peer)[0]
    assert going.place_of(first) > going.place_of(going.sent(Phase.UNDO, member)[0])
    assert len(member.begun) == len(going.sent(Phase.APPLY, member)) == 2
    assert peer.begun == ["v2"]


@stage.scene(hosts=2, pair=True, lasts=170)
def the_other_member_fails_after_dispatch_so_the_last_one_is_left_standing(given: Given) -> None:
    """What was begun is ended, for it stands half changed. But then it is the last of its pair: it
    is not even taken back as long as the other is away."""
    for place in given.places:
        place.hold()
    going = given.chain.begin("v2", *given.places, waves=["rest at once"])
    member, peer = at_work(going)
    peer.host.stop()
    member.go()
    going.sees(member, HostState.SOAKING)
    going.sees(peer, HostState.OFFLINE_UNTOUCHED)
    assert going.now.rollback is None
    given.chain.order("abort", going.number)
    asked_in_vain(going, peer)
    assert going.now.state is RolloutState.ROLLING_BACK
    assert not going.sent(Phase.UNDO)
    assert member.version == "v2"
    going.honest(member)
    peer.host.start()
    going.rolled_back()
    assert (member.begun, peer.begun) == (["v2"], [])
    found, undone = going.sent(Phase.PROBE, peer)[-1], going.sent(Phase.UNDO, member)
    assert [going.place_of(found) < going.place_of(each) for each in undone] == [True]


@stage.scene(hosts=2, lasts=60)
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


@stage.scene(full=True, lasts=700)
def a_host_that_never_comes_back_is_a_debt_and_is_restored_when_it_does(given: Given) -> None:
    """Switched off in its change; somebody aborts; the rollout ends with a debt, which is worked
    off when the host runs again."""
    place = given.place
    place.hold()
    going = given.chain.begin("v2", place)
    going.works_on(place)
    place.host.stop()
    going.sees(place, HostState.OFFLINE_TOUCHED)
    given.chain.order("abort", going.number)
    going.comes_to(RolloutState.ROLLED_BACK_WITH_DEBT)
    assert "cannot be reached" in going.host(place).debt
    assert going.now.rollback is not None and going.now.rollback.last_restored is None
    place.host.start()
    place.go()
    going.comes_to(RolloutState.ROLLED_BACK, patience=2 * LONG)
    assert going.host(place).debt == ""
    going.rolled_back()


@stage.scene(hosts=2, full=True, lasts=700)
def a_store_that_stays_off_is_a_straggler_and_is_caught_up_with(given: Given) -> None:
    """The rollout is over for everybody else; the last store follows when its line is back."""
    other, off = given.places
    for place in given.places:
        place.hold()
    off.host.cut()
    lanes = {"share": "100%"}
    going = given.chain.begin(
        "v2", *given.places, waves=["2 stores"], stragglers=lanes, coverage="1%"
    )
    other.go()
    assert came(lambda: going.host(off).tries >= 3), going.story()
    going.sees(off, HostState.OFFLINE_UNTOUCHED)
    going.sees(other, HostState.AT_TARGET, HostState.FINAL)
    assert going.now.rollback is None
    off.host.mend()
    off.go()
    going.comes_to(RolloutState.COMPLETED, patience=2 * LONG)
    going.completed()
    assert (other.begun, off.begun) == (["v2"], ["v2"])
