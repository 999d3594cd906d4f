# SPDX-License-Identifier: GPL-3.0-or-later
"""What people may order, and what they are told when they may not."""

from __future__ import annotations

import pytest

from storewarden.domain.gates.verdict import Outcome
from storewarden.domain.rollout.events import Ordered
from storewarden.domain.rollout.orders import ORDERS, order, refusal_of
from storewarden.domain.rollout.record import WaveState
from tests.unit.rollout.chain import Driver, H, R


def _refusal(driver: Driver, word: str, why: str = "because", host: str = "") -> str:
    events = order(driver.rollout, word, "wang", why, driver.now, host=host)
    refused = refusal_of(events)
    assert refused is not None, f"{word} was taken"
    assert len(events) == 1
    assert refused.refusal_zh
    before = driver.rollout
    driver.take(events)
    assert driver.rollout.state is before.state
    return refused.refusal


def test_every_order_needs_a_reason_and_an_unknown_one_is_none() -> None:
    driver = Driver()
    for word in ORDERS:
        assert "needs a reason" in _refusal(driver, word, "  ")
    assert "is no order" in _refusal(driver, "dance")


def test_who_ordered_what_and_why_is_recorded_also_when_it_is_refused() -> None:
    driver = Driver()
    _refusal(driver, "pause", "I am nervous")
    last = driver.events[-1]
    assert isinstance(last.what, Ordered)
    assert (last.by, last.what.reason, last.what.accepted) == ("wang", "I am nervous", False)


def test_before_it_began_it_is_cancelled_and_not_aborted() -> None:
    driver = Driver()
    assert "has not begun" in _refusal(driver, "abort")
    assert "has not begun" in _refusal(driver, "rollback")
    assert driver.orders("cancel", "another day")
    assert driver.rollout.state is R.CANCELLED
    assert driver.tick().events == ()


def test_once_begun_it_is_aborted_and_not_cancelled() -> None:
    driver = Driver()
    driver.tick()
    assert "abort it" in _refusal(driver, "cancel")
    assert driver.orders("abort")
    assert "going back already" in _refusal(driver, "abort")
    assert "going back already" in _refusal(driver, "pause")


@pytest.mark.parametrize("word", ["pause", "resume", "promote", "abort", "cancel"])
def test_after_the_end_no_order_is_taken(word: str) -> None:
    driver = Driver(waves=(1,))
    driver.go(driver.over)
    assert "it is over" in _refusal(driver, word)


def test_a_pause_dispatches_nothing_new_and_lets_what_was_begun_end() -> None:
    driver = Driver(waves=(1,))
    driver.tick()
    driver.finish()
    driver.tick()
    changing = driver.states(H.APPLYING)
    assert driver.orders("pause", "odd noises")
    assert driver.rollout.held == "odd noises"
    assert "paused already" in _refusal(driver, "pause")
    for _ in range(6):
        driver.tick()
        driver.finish()
        driver.passes(1)
    assert driver.states(H.SOAKING) == changing
    assert driver.rollout.state is R.PAUSED
    assert driver.orders("resume")
    driver.go(driver.over)
    assert driver.rollout.state is R.COMPLETED


def test_only_a_held_wave_is_promoted_by_a_person() -> None:
    driver = Driver(waves=(1,))
    assert "has not begun" in _refusal(driver, "promote")
    driver.tick()
    assert "only a held wave" in _refusal(driver, "promote")
    driver.go(lambda: driver.rollout.waves[0].state is WaveState.SOAKING)
    assert "only a held wave" in _refusal(driver, "promote")


def test_nobody_promotes_a_paused_rollout_or_one_in_a_freeze() -> None:
    driver = Driver(waves=(1, 1))
    driver.outcome = Outcome.HOLD
    driver.go(lambda: driver.rollout.waves[0].state is WaveState.HELD)
    driver.tick(frozen="kill switch")
    assert "held_freeze" in _refusal(driver, "promote")
    driver.tick()
    assert driver.orders("pause")
    assert "paused" in _refusal(driver, "promote")


def test_a_wave_with_a_touched_host_that_nobody_knows_of_is_not_promoted() -> None:
    driver = Driver(waves=(1, 5))
    driver.world.hosts["s3-gw-a"].fault = "cut"
    driver.go(lambda: driver.host("s3-gw-a").debt != "")
    driver.outcome = Outcome.HOLD
    driver.go(lambda: driver.rollout.waves[1].state is WaveState.HELD)
    assert "s3-gw-a" in _refusal(driver, "promote")
    driver.finish()
    assert driver.orders("release", "its disk is dead", "s3-gw-a")
    assert driver.orders("promote")


def test_only_a_host_that_keeps_its_slot_can_be_released() -> None:
    driver = Driver(waves=(1,))
    driver.tick()
    assert "no host 'x'" in _refusal(driver, "release", host="x")
    assert "nothing to release" in _refusal(driver, "release", host="s1-pos-1")
    (name, *_) = driver.rollout.dispatches
    asked = driver.rollout.dispatches[name].hosts[0]
    driver.lose(name, "before")
    assert "being looked at" in _refusal(driver, "release", host=asked)


def test_an_order_never_ends_a_run() -> None:
    driver = Driver(waves=(1, 1))
    driver.tick()
    before = set(driver.rollout.dispatches)
    for word in ORDERS:
        driver.orders(word, host="s1-pos-1")
        assert set(driver.rollout.dispatches) == before
