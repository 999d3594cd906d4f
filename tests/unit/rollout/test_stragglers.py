# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that come later: a preflight and a window of their own, so many a day, not for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

from storewarden.domain.rollout.facts import StoreWindow
from storewarden.domain.rollout.record import WaveState
from storewarden.domain.rollout.spec import Stragglers
from tests.unit.rollout.chain import Driver, H, R, spec

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
