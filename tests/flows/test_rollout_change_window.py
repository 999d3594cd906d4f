# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change says to its rollout while that goes on: its own window, a pause, its end."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.domain.change.commands import Cancel, Pause
from storewarden.domain.change.record import Kind, Span, State
from storewarden.domain.rollout.record import Hold, HostState, RolloutState, WaveState
from tests.flows.desk_place import ASKER
from tests.flows.rollout_place import DAY, START, RolloutPlace, wanted

HOUR = timedelta(hours=1)


@pytest.fixture
def place(tmp_path: Path) -> RolloutPlace:
    """Two stores, at night."""
    return RolloutPlace(tmp_path, stores=2)


def test_a_window_that_ends_in_mid_rollout_is_a_window_and_no_pause(place: RolloutPlace) -> None:
    """The first wave is watched and promoted; the second one may not begin any more, and says so
    in both languages. Nobody has paused anything."""
    window = Span(starts=START, ends=START + 5 * HOUR)
    place.opened(window=window)
    place.pass_time(6 * HOUR)
    assert place.rollout().waves[0].state is WaveState.SOAKING
    assert place.rollout().state is RolloutState.RUNNING

    place.pass_time(2 * DAY)
    rollout = place.rollout()
    assert rollout.waves[0].state is WaveState.PROMOTED
    assert (rollout.state, rollout.hold) == (RolloutState.HELD_WINDOW, Hold.NONE)
    assert rollout.held.endswith("the change's window ended at 2026-06-02 04:30")
    assert rollout.held_zh.endswith("变更窗口已于 2026-06-02 04:30 结束")
    assert all(host.state is HostState.PLANNED for host in rollout.hosts.values() if host.wave > 1)


def test_before_its_window_it_waits_and_then_begins(place: RolloutPlace) -> None:
    window = Span(starts=START + DAY, ends=START + 2 * DAY)
    place.opened(wanted(), window=window)
    place.pass_time(3 * HOUR)
    assert place.rollout().state is RolloutState.APPROVED and not place.fleet.started
    place.pass_time(DAY)
    assert place.fleet.started


def test_an_emergency_has_no_window_of_its_own(place: RolloutPlace) -> None:
    change = place.change(
        kind=Kind.EMERGENCY,
        window=Span(starts=START + DAY, ends=START + 2 * DAY),
        operation="emergency",
        approved=False,
    )
    place.begin(change.number)
    place.pass_time(HOUR)
    assert place.rollout().state is RolloutState.RUNNING


def test_a_paused_change_is_told_in_chinese_too(place: RolloutPlace) -> None:
    opened = place.opened()
    place.pass_time(HOUR)
    place.desk(ASKER).act(opened.change, "p1", Pause(reason="价格有误"))
    place.wake()
    place.pass_time(HOUR)
    rollout = place.rollout()
    assert (rollout.state, rollout.hold) == (RolloutState.PAUSED, Hold.CHANGE)
    assert rollout.held == "the change is paused: 价格有误"
    assert rollout.held_zh == "变更单已暂停：价格有误"


def test_a_rollout_that_waits_for_its_first_window_ends_with_its_change(
    place: RolloutPlace,
) -> None:
    """Its change is withdrawn at noon: the rollout ends by itself, on the record, and its hosts
    are free for another one."""
    place.clock.advance(12 * HOUR)  # the stores are open
    opened = place.opened()
    place.pass_time(HOUR)
    assert place.rollout().state is RolloutState.HELD_WINDOW
    change = place.desk(ASKER).act(opened.change, "c1", Cancel(reason="wrong month"))
    assert change.state is State.CANCELLED
    place.wake()
    place.pass_time(HOUR)

    rollout = place.rollout()
    assert rollout.state is RolloutState.CANCELLED and not place.fleet.started
    last = place.events()[-1]
    assert last.by == "storewarden"
    assert last.what.reason == "the change is cancelled, and nothing of it is on any host"  # type: ignore[union-attr]
    assert place.opened(wanted("3")).number != rollout.number
