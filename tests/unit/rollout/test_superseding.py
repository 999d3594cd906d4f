# SPDX-License-Identifier: GPL-3.0-or-later
"""A newer rollout takes over; going back means back to the last final baseline."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storewarden.domain.rollout.events import Opened, RolloutEvent, Superseded
from storewarden.domain.rollout.machine import fold
from storewarden.domain.rollout.record import HostRecord, HostState, Phase, WaveState
from storewarden.domain.rollout.superseding import inherited
from tests.unit.rollout.chain import NUMBER, Driver, H, R, opened, spec


def _soaking() -> Driver:
    driver = Driver(waves=(1, 1))
    driver.go(lambda: driver.rollout.waves[0].state is WaveState.SOAKING)
    return driver


def _heir(old: Driver) -> Driver:
    """A rollout over the same stores and the same world, that takes the old one over."""
    new = Driver(waves=(1, 1))
    new.world = old.world
    plan = opened(spec(), (1, 1)).what
    assert isinstance(plan, Opened)
    hosts = tuple(inherited(host, old.rollout) for host in plan.hosts)
    taken = replace(plan, hosts=hosts, supersedes=NUMBER)
    new.events.clear()
    new.rollout = fold(
        None, new._keep(RolloutEvent(number=NUMBER, at=old.now, by="li", what=taken))
    )
    return new


def _after(old: Driver, state: HostState, **other: object) -> HostRecord:
    """What an heir gets of a host that the old rollout left so."""
    before = replace(old.host("s1-pos-1"), state=state, **other)  # type: ignore[arg-type]
    rollout = replace(old.rollout, hosts={before.name: before})
    return inherited(HostRecord(name=before.name, store="000001", wave=1), rollout)


def test_what_was_changed_is_handed_over_with_its_restore_points() -> None:
    old = _soaking()
    new = _heir(old)
    changed = {name for name in old.rollout.hosts if name.startswith("s1-")}
    assert {name for name, host in new.rollout.hosts.items() if host.touched} == changed
    assert new.host("s1-pos-1").beneath == (old.host("s1-pos-1").restore_point,)
    old.take((RolloutEvent(number=NUMBER, at=old.now, by="li", what=Superseded(by="X-R2")),))
    assert (old.rollout.state, old.rollout.superseded_by) == (R.SUPERSEDED, "X-R2")
    old.check_replay()


def test_packs_of_several_rollouts_lie_newest_first() -> None:
    before = _after(_soaking(), H.SOAKING, restore_point="new", beneath=("old", "older"))
    assert before.beneath == ("new", "old", "older")
    assert before.touched


@pytest.mark.parametrize("state", [H.FINAL, H.SKIPPED])
def test_what_is_final_or_was_released_is_not_handed_over(state: HostState) -> None:
    assert _after(_soaking(), state, debt="released").beneath == ()


def test_a_host_that_was_restored_has_nothing_to_hand_over() -> None:
    assert _after(_soaking(), H.RESTORED, touched=False).beneath == ()
    assert inherited(HostRecord(name="a", store="1", wave=1), None).beneath == ()


def test_going_back_takes_the_older_change_back_too_also_where_it_was_not_reached() -> None:
    new = _heir(_soaking())
    new.tick()
    new.finish()
    assert new.orders("abort")
    undone: set[str] = set()
    for _ in range(20):
        new.tick()
        for one in new.rollout.dispatches.values():
            if one.phase is Phase.UNDO:
                undone |= {name for name in one.hosts if new.host(name).points}
        new.finish()
        new.passes(1)
    assert new.rollout.state is R.ROLLED_BACK
    assert undone == {name for name in new.rollout.hosts if name.startswith("s1-")}


def test_a_newer_rollout_with_nothing_to_do_leaves_the_older_change_final() -> None:
    new = _heir(_soaking())
    for name, real in new.world.hosts.items():
        real.fault = "nothing" if name.startswith("s1-") else ""
    new.go(new.over)
    assert new.rollout.state is R.COMPLETED
    assert new.host("s1-pos-1").state is H.FINAL
