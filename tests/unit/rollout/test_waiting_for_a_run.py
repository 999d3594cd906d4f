# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that was never started is no try: hosts stand as they did, however often that happens."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest

from storewarden.domain.rollout.events import HostReport, Report
from storewarden.domain.rollout.record import HostRecord
from storewarden.domain.rollout.reporting import reported
from storewarden.domain.rollout.spec import Stragglers
from tests.unit.rollout.chain import Driver, H, P, R, spec

OFTEN = 6  # more than any chain of tries is long


def _not_begun(driver: Driver) -> None:
    """Every run under way waited too long, and was not started."""
    for name, one in tuple(driver.rollout.dispatches.items()):
        told = [HostReport(host=each, report=Report.NOT_BEGUN) for each in one.hosts]
        driver.take(reported(driver.rollout, name, told, driver.now))


def _captured(driver: Driver) -> Driver:
    driver.tick()
    driver.finish()
    assert driver.states(H.CAPTURED)
    return driver


def _without_reasons(hosts: dict[str, HostRecord]) -> dict[str, HostRecord]:
    return {name: replace(host, reason="", reason_zh="") for name, host in hosts.items()}


def test_a_change_that_waits_for_a_free_run_is_never_a_round() -> None:
    driver = _captured(Driver(waves=(1,)))
    before = _without_reasons(dict(driver.rollout.hosts))
    for _ in range(OFTEN):
        driver.tick()
        assert {one.phase for one in driver.rollout.dispatches.values()} == {P.APPLY}
        driver.passes(1)
        _not_begun(driver)
        assert _without_reasons(dict(driver.rollout.hosts)) == before
        driver.check()
    driver.go(driver.over)
    assert driver.rollout.state is R.COMPLETED
    assert {host.rounds for host in driver.rollout.hosts.values()} == {1}
    driver.check_replay()


def test_a_preflight_that_waits_is_never_a_try_of_a_silent_host() -> None:
    driver = Driver(waves=(2,))
    real = driver.world.hosts["s1-pos-1"]
    real.line = False
    driver.tick()
    driver.finish()
    silent = driver.host("s1-pos-1")
    assert (silent.state, silent.tries) == (H.OFFLINE_UNTOUCHED, 1)
    for _ in range(OFTEN):
        driver.passes(1)
        driver.tick()
        _not_begun(driver)
        host = driver.host("s1-pos-1")
        assert (host.state, host.tries, host.since) == (silent.state, silent.tries, silent.since)


def test_its_restore_point_grows_old_meanwhile() -> None:
    """Waiting does not make it younger: after half an hour a host is captured anew."""
    driver = _captured(Driver(waves=(1,)))
    for _ in range(5):
        driver.tick()
        driver.passes(7)
        _not_begun(driver)
    driver.tick()
    assert {one.phase for one in driver.rollout.dispatches.values()} == {P.PREFLIGHT}
    driver.go(driver.over)
    assert driver.rollout.state is R.COMPLETED


def test_an_abort_while_it_waits_has_nothing_to_take_back() -> None:
    driver = _captured(Driver(waves=(1,)))
    driver.tick()
    assert driver.orders("abort")
    _not_begun(driver)
    driver.tick()
    assert driver.rollout.state is R.ROLLED_BACK
    assert not any(host.touched for host in driver.rollout.hosts.values())


def test_stragglers_that_were_not_begun_are_not_among_those_of_the_day() -> None:
    driver = Driver(spec(stragglers=Stragglers(share=Fraction(1, 5), daily=1)), (1, 5))
    driver.world.hosts["s2-gw-a"].line = False
    driver.go(driver.over)
    driver.finish()
    driver.world.hosts["s2-gw-a"].line = True
    driver.passes(120)
    for _ in range(OFTEN):
        driver.tick()
        for one in tuple(driver.rollout.dispatches.values()):
            if one.phase is P.APPLY:
                assert driver.rollout.caught_up == {"2026-06-01": 1}
                _not_begun(driver)
                assert driver.rollout.caught_up == {"2026-06-01": 0}
            else:
                driver.finish(one.id)
    driver.tick()
    driver.go(lambda: driver.rollout.state is R.COMPLETED)
    assert driver.rollout.caught_up == {"2026-06-01": 1}


@pytest.mark.parametrize("phase", [P.JUDGE, P.UNDO, P.PROBE])
def test_what_ends_a_change_cannot_be_left_unbegun(phase: P) -> None:
    """Nobody says it of them; who does is not believed, and a probe decides."""
    driver = _captured(Driver(waves=(1,)))
    driver.tick()
    if phase is P.PROBE:
        driver.lose(next(iter(driver.rollout.dispatches)), "middle")
    else:
        driver.finish()
        if phase is P.UNDO:
            driver.passes(10)  # nobody came to judge it
        driver.tick()
    assert {one.phase for one in driver.rollout.dispatches.values()} == {phase}
    asked = {name for one in driver.rollout.dispatches.values() for name in one.hosts}
    _not_begun(driver)
    assert {driver.host(name).state for name in asked} == {H.UNKNOWN}


def test_time_goes_by_while_it_waits() -> None:
    """A host that waited is changed with the window of that moment, not of the first one."""
    driver = _captured(Driver(waves=(1,)))
    driver.tick()
    first = driver.now + timedelta(hours=1)
    window = replace(driver.windows["000001"], hard_stop=first)
    driver.windows = {"000001": window}
    _not_begun(driver)
    driver.tick()
    assert {one.hard_stop for one in driver.rollout.dispatches.values()} == {first}
