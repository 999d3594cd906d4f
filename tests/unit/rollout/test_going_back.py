# SPDX-License-Identifier: GPL-3.0-or-later
"""Going back: everything that was touched, broken hosts first, debts to their end."""

from __future__ import annotations

from datetime import timedelta

from storewarden.domain.gates.verdict import Outcome
from storewarden.domain.rollout.events import Dispatched, HostReport, Report
from storewarden.domain.rollout.orders import PACK_LIFE
from storewarden.domain.rollout.record import Cause, WaveState
from storewarden.domain.rollout.reporting import reported
from tests.unit.rollout.chain import Driver, H, P, R, spec


def _soaking(waves: tuple[int, ...] = (1, 1)) -> Driver:
    driver = Driver(waves=waves)
    driver.go(lambda: driver.rollout.waves[-1].state is WaveState.SOAKING)
    return driver


def test_the_whole_exposed_set_goes_back_earlier_waves_included_within_the_budgets() -> None:
    driver = _soaking()
    driver.outcome = Outcome.FAIL
    driver.go(lambda: driver.rollout.rollback is not None)
    rollback = driver.rollout.rollback
    assert rollback is not None
    driver.go(driver.over)
    assert driver.rollout.state is R.ROLLED_BACK
    assert driver.states(H.RESTORED) == set(driver.rollout.hosts)
    rollback = driver.rollout.rollback
    assert rollback is not None
    assert rollback.first_undo is not None
    assert rollback.last_restored is not None
    assert rollback.first_undo - rollback.verdict <= timedelta(minutes=30)
    assert rollback.last_restored - rollback.verdict <= timedelta(minutes=60)
    assert rollback.ended is not None
    driver.check()
    driver.check_replay()


def test_an_abort_waits_for_what_is_under_way_and_then_takes_it_back() -> None:
    driver = Driver(waves=(1, 1))
    driver.tick()
    driver.finish()
    driver.tick()
    assert driver.states(H.APPLYING)
    under_way = set(driver.rollout.dispatches)
    assert driver.orders("abort", "the vendor called")
    driver.tick()
    assert driver.rollout.state is R.ABORTING
    assert under_way <= set(driver.rollout.dispatches)
    driver.finish()
    driver.tick()
    assert driver.rollout.state is R.ROLLING_BACK
    assert {one.phase for one in driver.rollout.dispatches.values()} == {P.UNDO}
    driver.go(driver.over)
    assert driver.rollout.state is R.ROLLED_BACK
    assert driver.rollout.rollback is not None
    assert driver.rollout.rollback.cause is Cause.ORDER
    assert driver.rollout.rollback.by == "wang"


def test_undo_asks_neither_window_nor_freeze() -> None:
    driver = _soaking()
    assert driver.orders("rollback")
    driver.windows = {}
    for _ in range(40):
        driver.tick(frozen="kill switch", change="closed")
        driver.finish()
        driver.passes(1)
    assert driver.rollout.state is R.ROLLED_BACK


def test_broken_hosts_come_first_whatever_the_budgets_say() -> None:
    driver = Driver(spec(lanes=1), (1, 5))
    for name in ("s3-gw-a", "s4-gw-a"):
        driver.world.hosts[name].fault = "apply"
    driver.go(lambda: driver.rollout.rollback is not None)
    undos = []
    while not driver.over():
        driver.tick()
        driver.finish()
        driver.passes(1)
    for event in driver.events:
        if isinstance(event.what, Dispatched) and event.what.dispatch.phase is P.UNDO:
            undos.append(set(event.what.dispatch.hosts))
    assert not any(name.startswith("s1-") for name in undos[0])
    assert {"s3-gw-a", "s4-gw-a"} <= set().union(*undos[:3])
    assert driver.rollout.state is R.ROLLED_BACK


def test_a_host_that_is_off_becomes_a_debt_and_is_restored_when_it_returns() -> None:
    driver = _soaking()
    driver.world.hosts["s1-pos-1"].line = False
    assert driver.orders("rollback")
    driver.go(driver.over)
    assert driver.rollout.state is R.ROLLED_BACK_WITH_DEBT
    owing = driver.host("s1-pos-1")
    assert owing.state is H.OFFLINE_TOUCHED
    assert owing.debt
    assert owing.debt_zh
    assert driver.rollout.rollback is not None
    measured = driver.rollout.rollback.last_restored
    driver.check()
    assert driver.tick().look_at is not None
    driver.passes(600)
    driver.world.hosts["s1-pos-1"].line = True
    driver.go(lambda: driver.rollout.state is R.ROLLED_BACK)
    assert driver.world.hosts["s1-pos-1"].version == "old"
    assert driver.rollout.rollback is not None
    assert driver.rollout.rollback.last_restored == measured  # reachable hosts only
    driver.check()
    driver.check_replay()


def test_the_last_of_a_pair_is_taken_back_when_the_silent_other_one_is_there_again() -> None:
    driver = Driver(waves=(1,))
    driver.world.hosts["s1-gw-b"].line = False
    driver.go(lambda: driver.host("s1-gw-b").state is H.OFFLINE_UNTOUCHED)
    assert driver.host("s1-gw-a").state is H.SOAKING
    assert driver.orders("rollback")
    driver.go(driver.over)
    assert driver.rollout.state is R.ROLLED_BACK_WITH_DEBT
    assert driver.host("s1-gw-a").state is H.SOAKING
    assert "group" in driver.host("s1-gw-a").debt
    driver.check()
    driver.world.hosts["s1-gw-b"].line = True
    driver.go(lambda: driver.rollout.state is R.ROLLED_BACK)
    assert driver.world.hosts["s1-gw-a"].version == "old"
    assert not driver.host("s1-gw-a").debt
    driver.check()
    driver.check_replay()


def test_a_debt_can_be_released_by_name_and_stays_on_record() -> None:
    driver = _soaking()
    driver.world.hosts["s1-pos-1"].line = False
    assert driver.orders("rollback")
    driver.go(driver.over)
    driver.finish()
    assert not driver.orders("release", host="s1-pos-2")
    assert driver.orders("release", "scrapped", "s1-pos-1")
    released = driver.host("s1-pos-1")
    assert released.state is H.SKIPPED
    assert released.debt
    assert "scrapped" in released.reason
    assert driver.host("s1-pos-2").state is H.AT_TARGET  # one lane had to stay
    driver.go(lambda: driver.host("s1-pos-2").state is H.RESTORED)
    step = driver.tick()
    assert (step.events, step.look_at) == ((), None)
    assert driver.rollout.state is R.ROLLED_BACK_WITH_DEBT
    driver.check()


def test_what_could_not_be_put_back_needs_a_person_after_three_tries() -> None:
    driver = _soaking()
    driver.world.hosts["s1-pos-1"].fault = "residue"
    assert driver.orders("rollback")
    driver.go(driver.over)
    for _ in range(40):
        driver.tick()
        driver.finish()
        driver.passes(10)
    left = driver.host("s1-pos-1")
    assert (left.state, left.undos) == (H.ATTENTION, 3)
    assert "/etc/x stays" in left.debt
    assert driver.rollout.state is R.ROLLED_BACK_WITH_DEBT
    driver.check()


def test_an_undo_that_never_works_ends_as_a_debt_too() -> None:
    driver = _soaking()
    assert driver.orders("rollback")
    for _ in range(60):
        driver.tick()
        for one in tuple(driver.rollout.dispatches.values()):
            if one.phase is P.UNDO and "s1-gw-a" in one.hosts:
                failed = [HostReport(host=name, report=Report.FAILED) for name in one.hosts]
                driver.take(reported(driver.rollout, one.id, failed, driver.now))
            else:
                driver.finish(one.id)
        driver.passes(3)
    assert driver.host("s1-gw-a").state is H.ATTENTION
    assert driver.rollout.state is R.ROLLED_BACK_WITH_DEBT


def test_a_verified_host_without_a_restore_point_is_never_called_restored() -> None:
    driver = _soaking((1,))
    assert driver.orders("rollback")
    driver.tick()
    (one, *_) = driver.rollout.dispatches.values()
    nothing = [HostReport(host=name, report=Report.NOTHING) for name in one.hosts]
    driver.take(reported(driver.rollout, one.id, nothing, driver.now))
    for name in one.hosts:
        assert driver.host(name).state is H.ATTENTION
        assert "restore point is gone" in driver.host(name).debt


def test_a_completed_rollout_is_taken_back_while_its_packs_live() -> None:
    driver = _soaking()
    driver.go(driver.over)
    assert driver.rollout.state is R.COMPLETED
    driver.passes(60 * 24 * 20)
    assert driver.orders("rollback", "found out late")
    driver.go(driver.over)
    assert driver.rollout.state is R.ROLLED_BACK
    assert {real.version for real in driver.world.hosts.values()} == {"old"}


def test_after_thirty_days_there_is_nothing_to_take_back_with() -> None:
    driver = _soaking()
    driver.go(driver.over)
    driver.world.passes(PACK_LIFE + timedelta(days=1))
    assert not driver.orders("rollback")


def test_what_was_only_captured_is_let_go() -> None:
    driver = Driver(waves=(1,))
    driver.tick()
    driver.finish()
    assert driver.orders("abort")
    driver.go(driver.over)
    assert driver.rollout.state is R.ROLLED_BACK
    assert driver.states(H.PLANNED) == set(driver.rollout.hosts)
