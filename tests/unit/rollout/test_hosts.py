# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of one host: runs that are lost, lines that are cut, what a probe finds."""

from __future__ import annotations

from datetime import timedelta

import pytest

from storewarden.domain.rollout.course import back_off
from storewarden.domain.rollout.events import HostReport, Report
from storewarden.domain.rollout.outcomes import OUTCOMES, Setting, outcome
from storewarden.domain.rollout.record import Cause, HostRecord, Setback, WaveState
from storewarden.domain.rollout.tables import HOST, PHASES
from tests.unit.rollout.chain import NIGHT, Driver, H, P, R, spec

ONE = ("pos-1",)
FIRST = "s1-pos-1"


def _until(driver: Driver, phase: P, name: str = FIRST) -> str:
    """Go on until the host is busy with the phase; the dispatch's id."""
    for _ in range(200):
        driver.tick()
        for one in driver.rollout.dispatches.values():
            if one.phase is phase and name in one.hosts:
                return one.id
        driver.finish()
        driver.passes(1)
    raise AssertionError(f"{name} is never in {phase}")


def _driver(stores: tuple[int, ...] = (1,)) -> Driver:
    return Driver(spec(), stores, ("pos-1", "pos-2"))


@pytest.mark.parametrize("phase", P)
@pytest.mark.parametrize("report", Report)
def test_every_report_of_every_phase_leads_to_a_state_that_the_table_knows(
    phase: P, report: Report
) -> None:
    _, before, after = PHASES[phase]
    for begun in before if after is None else (after,):
        host = HostRecord(
            name="a", store="1", wave=1, state=begun, touched=phase is not P.PREFLIGHT
        )
        told = HostReport(host="a", report=report, restore_point="p")
        setting = Setting(promoted=False, goes_back=False, at=NIGHT)
        end = outcome(host, phase, told, setting)
        assert end.state is begun or (begun, end.state) in HOST
        if (phase, report) not in OUTCOMES:
            assert end.state is H.UNKNOWN


def test_ready_without_a_restore_point_is_not_ready() -> None:
    host = HostRecord(name="a", store="1", wave=1, state=H.PREFLIGHT)
    told = HostReport(host="a", report=Report.READY)
    setting = Setting(promoted=False, goes_back=False, at=NIGHT)
    assert outcome(host, P.PREFLIGHT, told, setting).state is H.PLANNED


@pytest.mark.parametrize("phase", [P.PREFLIGHT, P.APPLY, P.JUDGE])
@pytest.mark.parametrize("how", ["before", "middle", "after"])
def test_a_killed_run_is_probed_with_a_new_epoch_and_the_rollout_goes_on(
    phase: P, how: str
) -> None:
    driver = _driver()
    name = _until(driver, phase)
    epoch = driver.rollout.epoch
    driver.lose(name, how)
    (probe,) = [one for one in driver.rollout.dispatches.values() if one.phase is P.PROBE]
    assert FIRST in probe.hosts
    assert probe.epoch > epoch
    driver.check()
    driver.go(driver.over)
    assert driver.rollout.state is R.COMPLETED
    assert driver.rollout.failures == 0
    driver.check()


def test_a_host_whose_judgement_was_lost_is_judged_again() -> None:
    """Gates live on what the judge saw, and a probe that finds it confirmed has seen nothing of
    that. After three losses the confirmed restore point is believed."""
    driver = _driver()
    for _ in range(3):
        name = _until(driver, P.JUDGE)
        driver.lose(name, "after")
        assert FIRST in {h for d in driver.rollout.dispatches.values() for h in d.hosts}
        (probe,) = [one for one in driver.rollout.dispatches.values() if one.phase is P.PROBE]
        driver.finish(probe.id)
    host = driver.rollout.hosts[FIRST]
    assert host.state is H.SOAKING and host.judged == 3
    driver.go(driver.over)
    assert driver.rollout.state is R.COMPLETED
    driver.check()


def test_a_confirmed_host_is_not_called_broken_because_its_judgement_was_lost() -> None:
    """When all goes back it stands, and is restored within the budgets."""
    host = HostRecord(name="a", store="1", wave=1, state=H.UNKNOWN, touched=True, judged=1)
    told = HostReport(host="a", report=Report.CONFIRMED)
    back = Setting(promoted=False, goes_back=True, at=NIGHT)
    assert outcome(host, P.PROBE, told, back).state is H.SOAKING
    forward = Setting(promoted=False, goes_back=False, at=NIGHT)
    assert outcome(host, P.PROBE, told, forward).state is H.VERIFYING


def test_a_probe_that_finds_something_at_work_waits_for_its_end() -> None:
    driver = _driver()
    driver.lose(_until(driver, P.APPLY), "middle")
    driver.finish()
    assert driver.host(FIRST).state is H.UNKNOWN
    assert driver.tick().look_at == driver.now + back_off(1)


def test_half_a_change_is_taken_back_and_tried_again() -> None:
    driver = _driver()
    real = driver.world.hosts[FIRST]
    driver.lose(_until(driver, P.APPLY), "middle")
    real.busy_until = None  # the job died with its run
    driver.finish()
    assert driver.host(FIRST).state is H.APPLYING
    driver.tick()
    assert driver.host(FIRST).state is H.UNDOING
    driver.go(driver.over)
    assert driver.host(FIRST).state is H.FINAL
    assert driver.host(FIRST).rounds == 2


def test_who_is_interrupted_three_times_needs_a_person() -> None:
    driver = _driver((1, 1))
    for _ in range(3):
        driver.lose(_until(driver, P.APPLY), "before")
    driver.go(lambda: driver.host(FIRST).state is H.ATTENTION)
    assert "interrupted too often" in driver.host(FIRST).debt
    assert driver.rollout.rollback is None


def test_a_failed_canary_takes_everything_back() -> None:
    driver = _driver()
    driver.world.hosts[FIRST].fault = "apply"
    driver.go(lambda: driver.rollout.rollback is not None)
    assert driver.rollout.rollback is not None
    assert driver.rollout.rollback.cause is Cause.CANARY
    assert "dpkg says no" in driver.rollout.rollback.reason
    driver.go(driver.over)
    assert driver.rollout.state is R.ROLLED_BACK
    assert driver.world.hosts[FIRST].version == "old"


def test_a_canary_that_cuts_its_own_line_saves_itself_and_stops_the_rollout() -> None:
    driver = _driver()
    driver.world.hosts[FIRST].fault = "cut"
    driver.go(lambda: driver.host(FIRST).state is H.OFFLINE_TOUCHED)
    assert driver.rollout.rollback is None
    driver.passes(6)  # its dead man fires
    driver.world.hosts[FIRST].line = True
    driver.go(lambda: driver.rollout.rollback is not None)
    assert driver.host(FIRST).setback is Setback.FAILED
    driver.go(driver.over)
    assert driver.rollout.state is R.ROLLED_BACK


def test_a_canary_that_stays_silent_counts_as_failed_in_the_end() -> None:
    driver = Driver(spec(), (1,), ("pos-1", "pos-2"))
    driver.world.hosts[FIRST].fault = "cut"
    driver.go(driver.over)
    assert driver.rollout.state is R.ROLLED_BACK_WITH_DEBT
    assert "cannot be reached" in driver.host(FIRST).debt
    assert driver.tick().look_at is not None  # it is asked on
    driver.world.hosts[FIRST].line = True
    driver.go(lambda: driver.rollout.state is R.ROLLED_BACK)
    driver.check()


def test_a_later_wave_goes_on_with_one_failure_among_many() -> None:
    driver = Driver(spec(), (1, 5))
    driver.world.hosts["s3-gw-a"].fault = "judge"
    driver.go(lambda: driver.rollout.waves[1].state is WaveState.SOAKING)
    failed = driver.host("s3-gw-a")
    assert failed.state is H.ATTENTION
    assert "failed and was restored" in failed.debt
    assert driver.states(H.PLANNED) == {"s3-gw-b"}  # as long as its peer needs a person
    assert driver.orders("release", host="s3-gw-a")
    driver.go(lambda: driver.rollout.state is R.COMPLETED)
    assert driver.world.hosts["s3-gw-b"].version == "new"
    driver.check()


def test_two_failures_are_more_than_a_wave_of_twenty_hosts_may_have() -> None:
    driver = Driver(spec(), (1, 5))
    for name in ("s3-gw-a", "s4-gw-a"):
        driver.world.hosts[name].fault = "judge"
    driver.go(driver.over)
    assert driver.rollout.rollback is not None
    assert driver.rollout.rollback.cause is Cause.FAILURES
    assert {real.version for real in driver.world.hosts.values()} == {"old"}


def test_in_a_wave_of_three_stores_any_failure_is_too_much() -> None:
    driver = Driver(spec(), (1, 3))
    driver.world.hosts["s3-gw-a"].fault = "judge"
    driver.go(driver.over)
    assert driver.rollout.state is R.ROLLED_BACK


def test_a_few_unreached_hosts_do_not_hold_a_wave_and_are_caught_up_with() -> None:
    driver = Driver(spec(), (1, 4))
    driver.world.hosts["s3-pos-1"].line = False
    driver.go(driver.over)
    assert driver.rollout.state is R.COMPLETED_WITH_STRAGGLERS
    assert driver.states(H.OFFLINE_UNTOUCHED) == {"s3-pos-1"}
    assert driver.states(H.PLANNED) == {"s3-pos-2"}  # one lane stays, whoever is off
    driver.world.hosts["s3-pos-1"].line = True
    driver.go(lambda: driver.rollout.state is R.COMPLETED)
    assert driver.world.hosts["s3-pos-1"].version == "new"
    driver.check_replay()


def test_more_unreached_hosts_than_may_be_hold_their_wave() -> None:
    driver = Driver(spec(), (1, 4))
    for name in ("s3-pos-1", "s4-pos-1"):
        driver.world.hosts[name].line = False
    driver.go(lambda: driver.rollout.waves[1].state is WaveState.RUNNING)
    for _ in range(60):
        driver.tick()
        driver.finish()
        driver.passes(2)
    assert driver.rollout.waves[1].state is WaveState.RUNNING
    assert "2 hosts of wave 2 cannot be reached" in driver.tick().waiting
    driver.world.hosts["s3-pos-1"].line = True
    driver.go(driver.over)
    assert driver.rollout.state is R.COMPLETED_WITH_STRAGGLERS
    assert driver.states(H.OFFLINE_UNTOUCHED) == {"s4-pos-1"}


def test_a_silent_host_that_returns_busy_is_tried_again_and_not_left_to_a_person() -> None:
    """Calls that nobody answered are no preflights that failed."""
    driver = Driver(spec(), (1, 4))
    late = "s3-gw-a"
    driver.world.hosts[late].line = False
    driver.go(driver.over)
    driver.go(lambda: driver.host(late).tries > 6)
    driver.finish()
    driver.world.hosts[late].line, driver.world.hosts[late].fault = True, "failed"
    driver.go(lambda: driver.host(late).state is H.PLANNED and not driver.host(late).dispatch)
    driver.tick()
    assert driver.host(late).state is not H.ATTENTION
    driver.finish()
    driver.world.hosts[late].fault = ""
    driver.go(lambda: driver.rollout.state is R.COMPLETED)
    assert driver.world.hosts[late].version == "new"


def test_what_no_probe_can_tell_is_left_to_a_person() -> None:
    driver = _driver((1, 1))
    driver.lose(_until(driver, P.APPLY), "middle")
    driver.world.hosts[FIRST].busy_until = NIGHT + timedelta(days=9)
    driver.world.hosts[FIRST].deadline = None
    driver.go(lambda: driver.host(FIRST).state is H.ATTENTION)
    assert "no probe could tell" in driver.host(FIRST).debt
    assert driver.host(FIRST).touched


def test_a_host_that_nobody_came_to_judge_took_itself_back_without_fault() -> None:
    driver = _driver()
    _until(driver, P.APPLY)
    driver.finish()
    driver.passes(10)  # the controller is down; the dead man fires
    assert driver.world.hosts[FIRST].pack_is == "restored"
    driver.go(driver.over)
    assert driver.rollout.state is R.COMPLETED
    assert driver.rollout.failures == 0
    assert driver.host(FIRST).rounds == 2


def test_a_restore_point_that_waited_is_taken_anew() -> None:
    driver = _driver()
    _until(driver, P.PREFLIGHT)
    driver.finish()
    first = driver.host(FIRST).restore_point
    assert driver.orders("pause")
    driver.passes(31)
    driver.tick()
    assert driver.host(FIRST).state is H.PLANNED
    assert driver.orders("resume")
    _until(driver, P.APPLY)
    assert driver.host(FIRST).restore_point not in ("", first)
