# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that come later: a preflight and a window of their own, so many a day, not for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

from storewarden.domain.rollout.course import back_off
from storewarden.domain.rollout.events import Dispatched
from storewarden.domain.rollout.facts import StoreWindow
from storewarden.domain.rollout.record import WaveState
from storewarden.domain.rollout.spec import Stragglers
from tests.unit.rollout.chain import Driver, H, P, R, spec

LATE = ("s2-gw-a", "s3-gw-a", "s4-gw-a")


def _left(**stragglers: object) -> Driver:
    driver = Driver(spec(stragglers=Stragglers(share=Fraction(1, 5), **stragglers)), (1, 5))  # type: ignore[arg-type]
    for name in LATE:
        driver.world.hosts[name].line = False
    driver.go(driver.over)
    assert driver.rollout.state is R.COMPLETED_WITH_STRAGGLERS
    return driver


def _back(driver: Driver) -> None:
    driver.finish()
    for name in LATE:
        driver.world.hosts[name].line = True


def test_they_are_caught_up_with_when_they_answer() -> None:
    driver = _left()
    _back(driver)
    driver.go(lambda: driver.rollout.state is R.COMPLETED)
    assert {real.version for real in driver.world.hosts.values()} == {"new"}
    assert driver.states(H.FINAL) == set(driver.rollout.hosts)
    driver.check()


def test_only_so_many_are_begun_per_day() -> None:
    driver = _left(daily=1)
    _back(driver)
    for _ in range(60):
        driver.tick()
        driver.finish()
        driver.passes(2)
    assert driver.rollout.caught_up == {"2026-06-01": 1}
    driver.facts = replace(driver.facts, day="2026-06-02")
    for _ in range(60):
        driver.tick()
        driver.finish()
        driver.passes(2)
    assert driver.rollout.caught_up == {"2026-06-01": 1, "2026-06-02": 1}


def test_their_own_windows_and_freezes_count() -> None:
    driver = _left()
    _back(driver)
    driver.passes(120)
    driver.tick(frozen="stock-taking")
    assert not driver.rollout.dispatches
    driver.windows = dict.fromkeys(driver.windows, StoreWindow(allowed=False))
    driver.tick()
    assert not driver.rollout.dispatches


def test_one_that_fails_is_restored_and_left_to_a_person() -> None:
    driver = _left()
    driver.world.hosts["s3-gw-a"].fault = "judge"
    _back(driver)
    driver.go(lambda: driver.host("s3-gw-a").state is H.ATTENTION)
    assert driver.rollout.rollback is None
    assert driver.world.hosts["s3-gw-a"].version == "old"
    driver.check()


def test_after_two_weeks_they_are_a_debt_with_a_name() -> None:
    driver = _left()
    driver.world.passes(timedelta(days=14))
    driver.finish()
    driver.go(lambda: driver.rollout.state is R.COMPLETED)
    late = driver.host("s3-gw-a")
    assert late.state is H.SKIPPED
    assert "14 days" in late.debt


def test_they_can_be_taken_back_with_all_others() -> None:
    driver = _left()
    assert driver.orders("rollback")
    driver.go(lambda: driver.rollout.state is R.ROLLED_BACK)
    assert driver.rollout.waves[0].state is WaveState.PROMOTED
    assert {real.version for real in driver.world.hosts.values()} == {"old"}


def test_when_the_changes_window_is_over_they_are_a_debt_at_once() -> None:
    """Nothing may be begun for it any more: to wait for two weeks would be waiting for nothing."""
    driver = _left()
    driver.facts = replace(driver.facts, change_ends=driver.now + timedelta(hours=1))
    driver.tick()
    assert driver.states(H.OFFLINE_UNTOUCHED)
    driver.finish()
    driver.passes(61)
    driver.go(lambda: driver.rollout.state is R.COMPLETED)
    late = driver.host("s3-gw-a")
    assert late.state is H.SKIPPED
    assert late.debt == "not reached before the change's window ended: it was not changed"
    assert late.debt_zh == "变更窗口结束前无法连接：未变更"


def test_when_the_change_itself_is_over_so_are_they() -> None:
    driver = _left()
    driver.facts = replace(
        driver.facts, change="the change is closed", change_over="the change is closed"
    )
    driver.finish()
    driver.go(lambda: driver.rollout.state is R.COMPLETED)
    assert driver.host("s3-gw-a").debt == "the change is closed: it was not changed"


# --- silent hosts that hold their wave ------------------------------------------------------------

HELD = ("s3-srv-1", "s4-srv-1")
ALONE = ("srv-1", "srv-2", "srv-3", "srv-4")


def _holding(**facts: object) -> Driver:
    """Two of sixteen hosts of the second wave are silent: more than the share of stragglers."""
    driver = Driver(spec(), (1, 4), ALONE)
    driver.facts = replace(driver.facts, **facts)  # type: ignore[arg-type]
    for name in HELD:
        driver.world.hosts[name].line = False
    driver.go(lambda: driver.rollout.waves[1].state is WaveState.RUNNING)
    return driver


def _asked(driver: Driver) -> int:
    """How often one of them was asked."""
    told = (each.what for each in driver.events)
    found = (what.dispatch for what in told if isinstance(what, Dispatched))
    return sum(HELD[0] in one.hosts and one.phase is P.PREFLIGHT for one in found)


def _days(driver: Driver, days: int) -> None:
    end = driver.now + timedelta(days=days)
    driver.go(lambda: driver.now >= end, ticks=5000)


def test_silent_hosts_that_hold_a_wave_are_asked_ever_more_seldom() -> None:
    driver = _holding()
    _days(driver, 1)
    first = _asked(driver)
    assert first > 20  # every hour, and more often in the beginning
    _days(driver, 10)
    later = _asked(driver)
    _days(driver, 2)
    assert 1 <= _asked(driver) - later <= 3  # once a day
    assert driver.rollout.waves[1].state is WaveState.RUNNING
    for name in HELD:
        driver.world.hosts[name].line = True
    driver.go(driver.over)
    assert driver.rollout.state is R.COMPLETED


def test_a_touched_host_is_asked_every_hour_for_ever() -> None:
    """Something is owed there."""
    assert back_off(500) == timedelta(hours=1)
    assert [back_off(tries, untouched=True) for tries in (8, 32, 60, 500)] == [
        timedelta(hours=1), timedelta(hours=6), timedelta(days=1), timedelta(days=1),
    ]  # fmt: skip


def test_at_the_end_of_the_changes_window_they_are_debts_and_the_wave_goes_on() -> None:
    ends = Driver().now + timedelta(hours=6)
    driver = _holding(change_ends=ends)
    driver.go(lambda: driver.now >= ends - timedelta(minutes=10))
    assert driver.rollout.waves[1].state is WaveState.RUNNING
    shut = StoreWindow(allowed=False, reason="the change's window ended")
    driver.windows = dict.fromkeys(driver.windows, shut)
    driver.finish()
    driver.go(driver.over)
    assert driver.rollout.state is R.COMPLETED
    for name in HELD:
        host = driver.host(name)
        assert host.state is H.SKIPPED
        assert host.debt == "not reached in the time of its change: it was not changed"
        assert host.debt_zh
    asked = _asked(driver)
    assert driver.tick().events == () and _asked(driver) == asked
    driver.check()


def test_without_a_window_they_are_asked_as_long_as_stragglers_are() -> None:
    driver = _holding()
    _days(driver, 13)
    assert driver.rollout.waves[1].state is WaveState.RUNNING
    _days(driver, 2)
    assert driver.states(H.SKIPPED) == set(HELD)
    assert driver.rollout.waves[1].state is not WaveState.RUNNING


def test_who_waited_for_a_silent_peer_is_changed_when_that_is_given_up() -> None:
    driver = Driver(spec(), (1, 2), ("gw-a", "gw-b"))
    driver.world.hosts["s3-gw-a"].line = False
    driver.facts = replace(driver.facts, change_ends=driver.now + timedelta(hours=3))
    driver.go(lambda: driver.host("s3-gw-a").state is H.SKIPPED)
    assert driver.world.hosts["s3-gw-b"].version == "old"
    driver.go(driver.over)
    assert driver.world.hosts["s3-gw-b"].version == "new"
    driver.check()


def test_a_person_who_paused_it_decides_first() -> None:
    driver = _holding(change_ends=Driver().now + timedelta(hours=2))
    driver.finish()
    assert driver.orders("pause", "the line is being repaired")
    driver.passes(60 * 24)
    driver.tick()
    assert driver.states(H.OFFLINE_UNTOUCHED) >= set(HELD)
