# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout whose change is over: it ends with it, unless something of it is on some hosts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from storewarden.domain.rollout.facts import StoreWindow
from storewarden.domain.rollout.record import Hold, WaveState
from tests.unit.rollout.chain import Driver, H, R

CLOSED = StoreWindow(allowed=False, reason="the window is shut", reason_zh="窗口已关闭")
OVER = "the change is cancelled"
OVER_ZH = "变更单已取消"


def _its_change_is_over(driver: Driver) -> None:
    driver.facts = replace(
        driver.facts,
        change=OVER,
        change_zh=OVER_ZH,
        change_over=OVER,
        change_over_zh=OVER_ZH,
    )


def test_untouched_it_ends_with_its_change_once_what_is_under_way_has_ended() -> None:
    driver = Driver(waves=(1,))
    driver.tick()
    assert driver.rollout.dispatches
    _its_change_is_over(driver)
    driver.tick()
    assert driver.rollout.state is R.PAUSED
    driver.finish()
    driver.tick()
    assert driver.rollout.state is R.CANCELLED
    last = driver.events[-1].what
    assert last.reason == f"{OVER}, and nothing of it is on any host"  # type: ignore[union-attr]
    assert last.reason_zh.startswith(OVER_ZH)  # type: ignore[union-attr]
    driver.check_replay()


@pytest.mark.parametrize("state", [R.HELD_WINDOW, R.HELD_FREEZE, R.PAUSED])
def test_whatever_holds_it_it_ends_with_its_change(state: R) -> None:
    driver = Driver(waves=(1,))
    if state is R.HELD_WINDOW:
        driver.windows = {"000001": CLOSED}
    driver.tick()
    driver.finish()
    if state is R.HELD_FREEZE:
        driver.tick(frozen="kill switch")
    if state is R.PAUSED:
        assert driver.orders("pause")
    assert driver.rollout.state is state
    _its_change_is_over(driver)
    driver.tick()
    assert driver.rollout.state is R.CANCELLED


def test_what_is_on_some_hosts_stays_for_a_person() -> None:
    """Nobody said that it should be taken back: a change may be closed with some of it done."""
    driver = Driver(waves=(1, 1))
    driver.go(lambda: driver.rollout.waves[0].state is WaveState.SOAKING)
    _its_change_is_over(driver)
    driver.passes(600)
    driver.tick()
    assert (driver.rollout.state, driver.rollout.hold) == (R.PAUSED, Hold.CHANGE)
    assert (driver.rollout.held, driver.rollout.held_zh) == (OVER, OVER_ZH)
    assert driver.orders("abort")
    driver.go(driver.over)
    assert driver.rollout.state is R.ROLLED_BACK


def test_what_was_on_a_host_and_is_restored_ends_as_rolled_back() -> None:
    driver = Driver(waves=(1,))
    stop = driver.now + timedelta(minutes=2)
    driver.windows = {"000001": StoreWindow(allowed=True, hard_stop=stop)}
    for _ in range(2):
        driver.tick()
        driver.finish()
    driver.windows = {"000001": CLOSED}
    driver.passes(2)
    driver.tick()  # undone, for the window closed
    driver.finish()
    _its_change_is_over(driver)
    driver.go(driver.over)
    assert driver.rollout.state is R.ROLLED_BACK
    assert driver.rollout.rollback is not None
    assert OVER in driver.rollout.rollback.reason


def test_a_host_that_refused_is_nobodys_debt_when_the_change_is_over() -> None:
    """Nobody could release it afterwards, and its peers would wait for it for ever."""
    driver = Driver(waves=(1,), kinds=("gw-a", "gw-b"))
    driver.world.hosts["s1-gw-a"].fault = "refused"
    driver.tick()
    driver.finish()
    assert driver.states(H.ATTENTION) == {"s1-gw-a"}
    _its_change_is_over(driver)
    driver.go(driver.over)
    assert driver.rollout.state is R.CANCELLED
    assert driver.host("s1-gw-a").state is H.SKIPPED


def test_hosts_that_nobody_knows_of_are_probed_before_it_ends() -> None:
    driver = Driver(waves=(1,))
    driver.tick()
    driver.lose(next(iter(driver.rollout.dispatches)), "before")
    _its_change_is_over(driver)
    driver.tick()
    assert driver.rollout.state is R.PAUSED
    driver.go(driver.over)
    assert driver.rollout.state is R.CANCELLED
    assert not driver.states(H.UNKNOWN)
