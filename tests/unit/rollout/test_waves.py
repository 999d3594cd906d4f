# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout that nothing happens to, and what its waves wait for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from storewarden.domain.gates.verdict import Outcome
from storewarden.domain.rollout.events import (
    HostMoved,
    Judged,
    Moved,
    RollbackBegan,
    WaveBegan,
    WaveMoved,
)
from storewarden.domain.rollout.facts import StoreWindow
from storewarden.domain.rollout.record import Cause, WaveState
from storewarden.domain.rollout.spec import GateSpec, Soak
from tests.unit.rollout.chain import Driver, H, P, R, spec


def _soaking(driver: Driver, wave: int = 1) -> None:
    driver.go(lambda: driver.rollout.waves[wave - 1].state is WaveState.SOAKING)


def test_good_bits_reach_every_host_wave_by_wave() -> None:
    driver = Driver()
    driver.go(driver.over)
    assert driver.rollout.state is R.COMPLETED
    assert driver.states(H.FINAL) == set(driver.rollout.hosts)
    assert {real.version for real in driver.world.hosts.values()} == {"new"}
    began = [event.at for event in driver.events if isinstance(event.what, WaveBegan)]
    assert began[1] - began[0] >= driver.rollout.spec.soak.wall
    driver.check()
    driver.check_replay()


def test_one_host_alone_resolves_the_versions_and_all_get_them() -> None:
    driver = Driver(spec(locks=True))
    driver.tick()
    (first,) = driver.rollout.dispatches.values()
    assert first.hosts == ("s1-pos-1",)
    driver.finish()
    assert driver.rollout.lock is not None
    assert driver.rollout.lock.data == {"app": "new"}
    driver.tick()
    assert {one.phase for one in driver.rollout.dispatches.values()} == {P.APPLY, P.PREFLIGHT}
    driver.go(driver.over)
    assert driver.rollout.state is R.COMPLETED


def test_the_next_host_resolves_them_when_the_first_one_is_not_fit() -> None:
    driver = Driver(spec(locks=True))
    driver.world.hosts["s1-pos-1"].fault = "failed"
    driver.tick()
    driver.finish()
    driver.tick()
    (second,) = driver.rollout.dispatches.values()
    assert second.hosts == ("s1-pos-2",)


def test_a_repository_that_moves_stops_who_would_get_other_bits() -> None:
    driver = Driver(spec(locks=True), (1, 1))
    _soaking(driver)
    driver.world.repo = "newer"
    driver.go(lambda: len(driver.states(H.ATTENTION)) == 2)
    refused = driver.host("s2-pos-1")
    assert "other versions than s1-pos-1" in refused.debt
    assert not refused.touched
    assert {real.version for real in driver.world.hosts.values()} == {"new", "old"}


def test_a_wave_with_nothing_to_do_is_not_watched() -> None:
    driver = Driver(waves=(1, 1))
    for kind in ("pos-1", "pos-2", "gw-a", "gw-b"):
        driver.world.hosts[f"s1-{kind}"].fault = "nothing"
    driver.go(lambda: driver.rollout.waves[1].state is WaveState.RUNNING)
    assert driver.rollout.waves[0].soaking is None
    assert len(driver.states(H.SKIPPED)) == 4


def test_the_first_wave_that_changes_anything_is_the_canary() -> None:
    driver = Driver(waves=(1, 4))
    for name, real in driver.world.hosts.items():
        real.fault = "nothing" if name.startswith("s1-") else ""
    driver.world.hosts["s2-pos-1"].fault = "judge"
    driver.go(driver.over)
    assert driver.rollout.rollback is not None
    assert driver.rollout.rollback.cause is Cause.CANARY


def test_a_wave_of_which_no_host_could_be_verified_waits_for_a_person() -> None:
    driver = Driver(waves=(1,), kinds=("pos-1", "pos-2"))
    for real in driver.world.hosts.values():
        real.fault = "refused"
    driver.go(lambda: len(driver.states(H.ATTENTION)) == 1)
    assert not driver.rollout.dispatches  # the other till waits: its peer keeps the slot
    assert "wait for others" in driver.tick().waiting
    assert driver.orders("release", host="s1-pos-1")
    driver.go(lambda: driver.rollout.waves[0].state is WaveState.HELD)
    assert driver.orders("promote")
    driver.go(driver.over)
    assert driver.rollout.state is R.COMPLETED_WITH_STRAGGLERS


def test_a_soak_needs_its_wall_time_and_its_trading_time() -> None:
    hour = timedelta(hours=1)
    driver = Driver(spec(soak=Soak(wall=hour, trading=hour)))
    _soaking(driver)
    driver.passes(90)
    step = driver.tick(traded=timedelta(minutes=20))
    assert driver.rollout.waves[0].state is WaveState.SOAKING
    assert step.look_at is not None
    assert step.look_at <= driver.now + timedelta(minutes=40)
    driver.passes(1)
    driver.tick(traded=hour)
    assert driver.rollout.waves[0].state is WaveState.PROMOTED
    assert driver.rollout.waves[0].traded == hour


def test_the_emergency_lane_shortens_the_soak_alone() -> None:
    day = timedelta(hours=24)
    driver = Driver(spec(soak=Soak(wall=day, trading=day), emergency=True))
    _soaking(driver)
    driver.passes(11)
    driver.tick(traded=timedelta(0))
    assert driver.rollout.waves[0].state is WaveState.PROMOTED


def test_gates_that_cannot_tell_buy_two_more_soaks_and_then_a_person_decides() -> None:
    driver = Driver()
    driver.outcome = Outcome.HOLD
    driver.go(lambda: driver.rollout.waves[0].state is WaveState.HELD)
    wave = driver.rollout.waves[0]
    assert wave.extended == 2
    assert driver.now - (wave.began or driver.now) >= 3 * driver.rollout.spec.soak.wall
    assert "waits for a person" in driver.tick().waiting
    assert driver.orders("promote", "looked at it myself")
    assert driver.rollout.waves[0].excused
    assert driver.states(H.AT_TARGET) == {name for name in driver.rollout.hosts if "s1-" in name}


def test_evidence_that_comes_late_still_counts() -> None:
    driver = Driver()
    driver.outcome = Outcome.HOLD
    driver.go(lambda: driver.rollout.waves[0].state is WaveState.HELD)
    driver.outcome = Outcome.PASS
    driver.passes(5)
    driver.tick()
    assert driver.rollout.waves[0].state is WaveState.PROMOTED
    assert not driver.rollout.waves[0].excused


def test_a_gate_that_waits_for_a_person_needs_no_other_soak() -> None:
    driver = Driver(spec(gates=(GateSpec(kind="approval", name="probe"),)))
    driver.outcome = Outcome.HOLD
    driver.go(lambda: driver.rollout.waves[0].state is WaveState.HELD)
    assert driver.rollout.waves[0].extended == 0


def test_no_gate_at_all_promotes_nobody() -> None:
    driver = Driver(spec(gates=(), extensions=0))
    _soaking(driver)
    driver.passes(31)
    step = driver._decide(driver.known())
    assert step.ask_gates == 1
    from dataclasses import replace

    driver._decide(replace(driver.known(), verdicts=(), wave=1))
    assert driver.rollout.waves[0].state is WaveState.HELD


def test_a_failed_gate_takes_everything_back() -> None:
    driver = Driver()
    _soaking(driver)
    driver.outcome = Outcome.FAIL
    driver.passes(31)
    driver.tick()
    rollback = driver.rollout.rollback
    assert rollback is not None
    assert (rollback.cause, rollback.verdict) == (Cause.GATE, driver.now)
    assert driver.rollout.waves[0].state is WaveState.FAILED
    driver.go(driver.over)
    assert driver.rollout.state is R.ROLLED_BACK
    assert {real.version for real in driver.world.hosts.values()} == {"old"}


@pytest.mark.parametrize("hard", [True, False])
def test_only_a_hard_failure_ends_a_soak_before_its_time(hard: bool) -> None:
    driver = Driver()
    _soaking(driver)
    driver.outcome, driver.hard = Outcome.FAIL, hard
    driver.passes(4)
    driver.tick()
    assert (driver.rollout.rollback is not None) is hard
    assert isinstance(driver.events[-1].what, Judged) is not hard


def test_verdicts_about_another_wave_are_not_heard() -> None:
    driver = Driver()
    _soaking(driver)
    driver.passes(31)
    driver.outcome = Outcome.FAIL
    driver.tick(verdicts=(driver.verdict(),), wave=2)
    promoted = [e.what for e in driver.events if isinstance(e.what, WaveMoved)]
    assert all(move.wave == 1 for move in promoted)


def test_a_gate_is_asked_ten_times_in_a_soak_at_most() -> None:
    driver = Driver(spec(soak=Soak(wall=timedelta(hours=20))), (1,))
    _soaking(driver)
    driver.go(driver.over)
    looks = [event for event in driver.events if isinstance(event.what, Judged)]
    assert 5 <= len(looks) <= 11


def test_every_move_says_why_in_both_languages() -> None:
    driver = Driver(spec(), (1, 5))
    driver.world.hosts["s3-gw-a"].fault = "judge"
    driver.world.hosts["s4-gw-a"].line = False
    driver.windows = {}
    driver.tick()
    driver.windows = dict.fromkeys(driver.rollout.waves[1].stores, StoreWindow(allowed=True))
    driver.windows["000001"] = StoreWindow(allowed=True)
    driver.tick(frozen="stock-taking")
    driver.go(driver.over)
    assert driver.orders("rollback")
    driver.go(lambda: driver.rollout.state in (R.ROLLED_BACK, R.ROLLED_BACK_WITH_DEBT))
    moves = (HostMoved, Moved, RollbackBegan, WaveMoved)
    told = [event.what for event in driver.events if isinstance(event.what, moves)]
    assert {type(what) for what in told} == set(moves)
    for what in told:
        assert what.reason, what
        assert what.reason_zh, what
