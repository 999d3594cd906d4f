# SPDX-License-Identifier: GPL-3.0-or-later
"""Before a wave opens it is asked again whether all that is exposed could be taken back in time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

from storewarden.domain.capacity.groups import members_of
from storewarden.domain.rollout.record import Hold, WaveState
from storewarden.domain.rollout.spec import Budgets, Timing
from tests.unit.rollout.chain import Driver, R, spec


def _east(driver: Driver, more: int) -> None:
    """So many hosts more are in the region than the rollout has."""
    groups = {**driver.groups, **{f"x{n}": ("region:east",) for n in range(more)}}
    driver.members = members_of(groups)
    driver.facts = replace(driver.facts, members=driver.members)


def _slow_region() -> Driver:
    """The first wave has four hosts, the second one as many; an undo takes ten minutes."""
    slow = Timing(undo=timedelta(minutes=10))
    budgets = Budgets(store=4, pos_share=Fraction(1), group=2, region=Fraction(1, 5))
    driver = Driver(spec(timing=slow, budgets=budgets), (1, 1))
    _east(driver, 12)  # twenty: four may be away at once
    return driver


def test_before_a_wave_opens_it_is_asked_again_whether_all_could_be_taken_back() -> None:
    driver = _slow_region()
    driver.go(lambda: driver.rollout.waves[0].state is WaveState.SOAKING)
    _east(driver, 0)  # the other stores of the region are gone: hosts go one after the other
    driver.passes(40)
    driver.go(lambda: driver.rollout.state is R.PAUSED)
    assert driver.rollout.hold is Hold.CAPACITY
    assert [wave.state for wave in driver.rollout.waves] == [WaveState.PROMOTED, WaveState.PENDING]
    assert driver.rollout.held == (
        "after wave 2 undoing 8 hosts would take 80 min: region:east lets few go together;"
        " allow more in budgets"
    )
    assert "第 2 波之后回退 8 台主机需 80 分钟" in driver.rollout.held_zh
    assert driver.rollout.rollback is None and not driver.rollout.dispatches
    assert driver.tick().look_at is not None


def test_it_goes_on_by_itself_when_they_could_be_and_not_by_order() -> None:
    driver = _slow_region()
    driver.go(lambda: driver.rollout.waves[0].state is WaveState.SOAKING)
    _east(driver, 0)
    driver.passes(40)
    driver.go(lambda: driver.rollout.hold is Hold.CAPACITY)
    assert not driver.orders("resume")
    driver.passes(60)
    driver.tick()
    assert driver.rollout.state is R.PAUSED
    _east(driver, 12)
    driver.go(driver.over)
    assert driver.rollout.state is R.COMPLETED


def test_an_undo_that_took_longer_than_was_said_counts_as_well() -> None:
    """The payload says a minute; the first store's hosts needed nine, one after the other."""
    quick = Timing(undo=timedelta(minutes=1))
    budgets = Budgets(store=1, region=Fraction(1))
    driver = Driver(spec(timing=quick, budgets=budgets), (1, 1))
    driver.go(lambda: driver.rollout.waves[0].state is WaveState.SOAKING)
    hosts = {
        name: replace(host, undo_seconds=20 * 60.0) if host.wave == 1 else host
        for name, host in driver.rollout.hosts.items()
    }
    driver.rollout = replace(driver.rollout, hosts=hosts)
    driver.passes(40)
    driver.go(lambda: driver.rollout.state is R.PAUSED)
    assert driver.rollout.hold is Hold.CAPACITY
    assert "would take 80 min" in driver.rollout.held
