# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows, freezes, the change's own state, and a network that is all silent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from storewarden.domain.gates.verdict import Outcome
from storewarden.domain.rollout.facts import StoreWindow
from storewarden.domain.rollout.record import Hold, WaveState
from storewarden.domain.rollout.spec import Timing
from tests.unit.rollout.chain import Driver, H, P, R, away, spec

CLOSED = StoreWindow(allowed=False, reason="the window is shut", reason_zh="窗口已关闭")


def _captured() -> Driver:
    driver = Driver(waves=(1,))
    driver.tick()
    driver.finish()
    assert driver.states(H.CAPTURED)
    return driver


def test_a_draft_waits_for_its_approvals_and_then_for_its_change() -> None:
    driver = Driver()
    step = driver.tick(change_approved=False)
    assert (driver.rollout.state, step.look_at is None) == (R.DRAFT, False)
    driver.tick(change="it is approved, not in progress")
    assert driver.rollout.state is R.APPROVED
    assert "not in progress" in driver.step.waiting
    driver.tick()
    assert driver.rollout.state is R.RUNNING


def test_no_store_may_begin_so_it_waits_for_the_window() -> None:
    driver = Driver(waves=(1,))
    opens = driver.now + timedelta(hours=3)
    driver.windows = {"000001": replace(CLOSED, opens=opens)}
    step = driver.tick()
    assert (driver.rollout.state, driver.rollout.until) == (R.HELD_WINDOW, opens)
    assert (driver.rollout.held, driver.rollout.held_zh) == ("the window is shut", "窗口已关闭")
    assert step.look_at == opens
    driver.passes(180)
    driver.windows = {"000001": StoreWindow(allowed=True)}
    driver.tick()
    assert driver.rollout.state is R.RUNNING
    assert driver.rollout.dispatches
    assert driver.rollout.held == ""


def test_a_store_of_which_nobody_knows_the_window_may_not_begin() -> None:
    driver = Driver(waves=(1,))
    driver.windows = {}
    driver.tick()
    assert driver.rollout.state is R.HELD_WINDOW


def test_closed_stores_are_skipped_and_the_others_go_on() -> None:
    driver = Driver(waves=(2,))
    driver.windows["000001"] = CLOSED
    driver.tick()
    assert driver.rollout.state is R.RUNNING
    (one,) = driver.rollout.dispatches.values()
    assert all(name.startswith("s2-") for name in one.hosts)


def test_a_window_that_closes_dispatches_nothing_new_and_what_was_begun_is_verified() -> None:
    driver = _captured()
    waiting = driver.states(H.CAPTURED)
    driver.tick()
    driver.finish()
    assert driver.states(H.VERIFYING) == waiting
    driver.windows = {"000001": CLOSED}
    driver.tick()
    assert driver.rollout.state is R.HELD_WINDOW
    assert {one.phase for one in driver.rollout.dispatches.values()} == {P.JUDGE}
    driver.finish()
    assert driver.states(H.SOAKING) == waiting


def test_what_is_not_verified_at_the_hard_stop_is_undone_and_comes_again() -> None:
    driver = Driver(spec(locks=True), waves=(1,))
    stop = driver.now + timedelta(minutes=2)
    driver.windows = {"000001": StoreWindow(allowed=True, hard_stop=stop)}
    for _ in range(2):
        driver.tick()
        driver.finish()
    changed = driver.states(H.VERIFYING)
    driver.windows = {"000001": CLOSED}
    driver.passes(2)
    driver.tick()
    assert driver.states(H.UNDOING) == changed
    driver.finish()
    driver.tick()
    assert driver.rollout.state is R.HELD_WINDOW
    assert driver.rollout.rollback is None
    assert driver.rollout.failures == 0
    lock = driver.rollout.lock
    assert all(driver.host(name).state is H.PLANNED for name in changed)
    driver.windows = {"000001": StoreWindow(allowed=True)}
    driver.go(driver.over)
    assert driver.rollout.state is R.COMPLETED
    assert driver.rollout.lock == lock


def test_a_soak_runs_through_closed_windows() -> None:
    driver = Driver(waves=(1,))
    driver.go(lambda: driver.rollout.waves[0].state is WaveState.SOAKING)
    driver.windows = {"000001": CLOSED}
    driver.go(driver.over)
    assert driver.rollout.state is R.COMPLETED


def test_a_freeze_stops_everything_but_soak_and_undo_and_promotes_nobody() -> None:
    driver = Driver(waves=(1, 1))
    driver.go(lambda: driver.rollout.waves[0].state is WaveState.SOAKING)
    driver.facts = replace(driver.facts, frozen="kill switch")
    driver.passes(40)
    driver.tick()
    assert driver.rollout.state is R.HELD_FREEZE
    assert driver.rollout.waves[0].state is WaveState.SOAKING
    assert not driver.rollout.dispatches
    driver.facts = replace(driver.facts, frozen="")
    driver.passes(1)
    driver.tick()
    assert driver.rollout.waves[0].state is WaveState.PROMOTED
    assert driver.rollout.state is R.RUNNING


def test_a_gate_that_fails_hard_in_a_freeze_still_takes_everything_back() -> None:
    driver = Driver(waves=(1,))
    driver.go(lambda: driver.rollout.waves[0].state is WaveState.SOAKING)
    driver.facts = replace(driver.facts, frozen="kill switch")
    driver.outcome, driver.hard = Outcome.FAIL, True
    driver.passes(4)
    driver.go(driver.over)
    assert driver.rollout.state is R.ROLLED_BACK


def test_a_paused_change_pauses_it_and_it_goes_on_with_its_change() -> None:
    driver = _captured()
    driver.tick(change="paused by li: sales are down")
    assert (driver.rollout.state, driver.rollout.hold) == (R.PAUSED, Hold.CHANGE)
    assert not driver.rollout.dispatches
    assert not driver.orders("resume")
    driver.tick()
    assert driver.rollout.state is R.RUNNING


def test_a_persons_pause_outlives_the_changes() -> None:
    driver = _captured()
    driver.tick(change="paused")
    assert driver.orders("pause", "I want to look first")
    driver.tick()
    assert driver.rollout.state is R.PAUSED
    assert driver.rollout.held == "I want to look first"
    assert driver.orders("resume")
    assert not driver.orders("resume")


def test_all_hosts_silent_is_our_network_and_nothing_is_rolled_back() -> None:
    driver = Driver(waves=(2,))
    for real in driver.world.hosts.values():
        real.line = False
    driver.tick()
    driver.finish()
    driver.tick()
    assert (driver.rollout.state, driver.rollout.hold) == (R.PAUSED, Hold.NETWORK)
    assert "look at the network" in driver.rollout.held
    assert driver.rollout.rollback is None
    assert driver.orders("resume", "the firewall was it")
    driver.tick()
    assert {one.phase for one in driver.rollout.dispatches.values()} == {P.PREFLIGHT}
    driver.passes(1)
    driver.finish()
    driver.tick()
    assert driver.rollout.state is R.PAUSED  # still silent, asked once more
    for real in driver.world.hosts.values():
        real.line = True
    assert driver.orders("resume")
    driver.go(driver.over)
    assert driver.rollout.state is R.COMPLETED


def test_all_lines_lost_in_mid_change_pause_as_well_and_the_hosts_save_themselves() -> None:
    driver = _captured()
    driver.tick()
    touched = driver.states(H.APPLYING)
    for real in driver.world.hosts.values():
        real.line = False
    driver.finish()
    driver.tick()
    assert driver.rollout.state is R.PAUSED
    assert driver.states(H.OFFLINE_TOUCHED) == touched
    driver.check()


def test_a_peer_that_somebody_else_took_down_holds_the_other_one() -> None:
    driver = _captured()
    driver.facts = replace(driver.facts, unavailable=away("s1-pos-2"))
    driver.tick()
    assert all("s1-pos-1" not in one.hosts for one in driver.rollout.dispatches.values())
    assert "s1-pos-2" in driver.step.waiting
    driver.finish()
    assert driver.tick().look_at is not None
    driver.facts = replace(driver.facts, unavailable={})
    driver.go(driver.over)
    assert driver.rollout.state is R.COMPLETED


@pytest.mark.parametrize("lanes", [1, 2])
def test_only_so_many_shards_are_at_work_and_judging_comes_first(lanes: int) -> None:
    quick = Timing(undo=timedelta(minutes=2))  # one host after the other, within the hour
    driver = Driver(spec(lanes=lanes, shard=1, timing=quick), (3,))
    for _ in range(12):
        driver.tick()
        assert len(driver.rollout.dispatches) <= lanes
        verifying = [driver.host(name) for name in driver.states(H.VERIFYING)]
        phases = {one.phase for one in driver.rollout.dispatches.values()}
        if any(not host.dispatch for host in verifying):
            assert phases == {P.JUDGE}
        driver.finish()


def test_a_window_that_closes_while_gates_are_asked_promotes_and_opens_nothing() -> None:
    """What gates say of a wave does not depend on the hour; what comes next does."""
    driver = Driver(waves=(1, 1))
    driver.go(lambda: driver.rollout.waves[0].state is WaveState.SOAKING)
    opens = driver.now + timedelta(hours=20)
    driver.windows = dict.fromkeys(driver.windows, replace(CLOSED, opens=opens))
    driver.passes(40)
    driver.tick()
    assert driver.rollout.waves[0].state is WaveState.PROMOTED
    assert driver.rollout.waves[1].state is WaveState.PENDING
    assert (driver.rollout.state, driver.rollout.until) == (R.HELD_WINDOW, opens)
    assert not driver.rollout.dispatches


def test_a_gate_that_fails_after_the_window_closed_takes_everything_back_at_once() -> None:
    driver = Driver(waves=(1, 1))
    driver.go(lambda: driver.rollout.waves[0].state is WaveState.SOAKING)
    driver.windows = dict.fromkeys(driver.windows, CLOSED)
    driver.outcome = Outcome.FAIL
    driver.passes(40)
    driver.tick()
    driver.tick()
    assert {one.phase for one in driver.rollout.dispatches.values()} == {P.UNDO}
    driver.go(driver.over)
    assert driver.rollout.state is R.ROLLED_BACK


def test_a_window_that_closes_while_hosts_are_judged_lets_the_judge_finish() -> None:
    """The hard stop comes with the judge on its hosts: it is waited for, and what it verified
    stays; nobody undoes a host beneath it."""
    driver = Driver(waves=(1,))
    stop = driver.now + timedelta(minutes=2)
    driver.windows = {"000001": StoreWindow(allowed=True, hard_stop=stop)}
    for _ in range(2):
        driver.tick()
        driver.finish()
    driver.tick()
    assert {one.phase for one in driver.rollout.dispatches.values()} == {P.JUDGE}
    judged = {name for one in driver.rollout.dispatches.values() for name in one.hosts}
    driver.windows = {"000001": CLOSED}
    driver.passes(3)
    driver.tick()
    assert {one.phase for one in driver.rollout.dispatches.values()} == {P.JUDGE}
    driver.finish()
    driver.tick()
    assert {driver.host(name).state for name in judged} == {H.SOAKING}
    assert driver.rollout.rollback is None
