# SPDX-License-Identifier: GPL-3.0-or-later
"""More rollouts than runs: dispatches that wait for a free one are decided anew, at no cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.domain.errors import Refused
from storewarden.domain.rollout.events import Report, Reported
from storewarden.domain.rollout.record import HostState, Phase, RolloutState
from storewarden.flows.rollout_parts import ENDING, ShardParts
from storewarden.flows.rollout_shard import FRESH, ShardWork, run_dispatch
from storewarden.flows.rollout_tick import Driver, Looking, RolloutsDuty, TickWork
from storewarden.testing.engine import ManualEngine
from tests.flows.desk_place import ASKER
from tests.flows.rollout_place import RolloutPlace

MINUTE = timedelta(minutes=1)
OFTEN = 5  # more than the rounds that a host may have


@pytest.fixture
def place(tmp_path: Path) -> RolloutPlace:
    """Two stores."""
    return RolloutPlace(tmp_path, stores=2)


def no_run_is_free(place: RolloutPlace) -> ShardParts:
    """The controller goes on, but what begins something on hosts stays in the queue."""
    place.engine = ManualEngine(place.clock, after=place.engine)
    parts, looking = place.parts(place.ledger.rollouts), Looking()
    works = (TickWork(Driver(parts), looking), ShardWork(parts.shard, ENDING))
    place.engine.start((RolloutsDuty(parts, looking),), works)
    return parts.shard


def waiting(place: RolloutPlace, phase: Phase) -> str:
    """The dispatch that waits for its run."""
    (one,) = place.rollout().dispatches.values()
    assert one.phase is phase
    return one.id


def test_whoever_waits_for_a_run_is_never_left_to_a_person(place: RolloutPlace) -> None:
    shard = no_run_is_free(place)
    place.opened()
    place.pass_time(MINUTE)
    run_dispatch(shard, waiting(place, Phase.PREFLIGHT))
    place.pass_time(MINUTE)
    for _ in range(OFTEN):
        ident = waiting(place, Phase.APPLY)
        place.pass_time(FRESH + MINUTE)
        run_dispatch(shard, ident)
        last = [e.what for e in place.events() if isinstance(e.what, Reported)][-1]
        assert {each.report for each in last.reports} == {Report.NOT_BEGUN}
        assert "min for a free run" in last.reports[0].reason
        place.pass_time(MINUTE)
    assert not place.fleet.ran("apply") and not place.fleet.ran("probe")
    place.restart()
    place.until(RolloutState.COMPLETED)
    assert {host.rounds for host in place.rollout().hosts.values()} == {1}
    assert set(place.host_states().values()) == {HostState.FINAL}


def test_the_kill_switch_in_the_queue_costs_no_try_either(place: RolloutPlace) -> None:
    shard = no_run_is_free(place)
    place.opened()
    place.pass_time(MINUTE)
    ident = waiting(place, Phase.PREFLIGHT)
    place.switch.stop(ASKER.id, "burst pipe")
    run_dispatch(shard, ident)
    (last,) = [e.what for e in place.events() if isinstance(e.what, Reported)]
    assert "burst pipe" in last.reports[0].reason
    hosts = place.rollout().hosts
    assert {host.tries for host in hosts.values()} == {0}
    assert {host.state for host in hosts.values()} == {HostState.PLANNED}


def test_a_worker_that_lost_the_dispatch_meanwhile_has_no_say(place: RolloutPlace) -> None:
    """It was silent for too long, another one has begun the run: "not begun" would be a lie."""
    shard, book = no_run_is_free(place), place.ledger.rollouts
    place.opened()
    place.pass_time(MINUTE)
    ident = waiting(place, Phase.PREFLIGHT)

    def meanwhile() -> str:
        now = place.clock.now()
        assert book.free_job(ident, shard.worker, now)
        assert book.take_job(ident, "another", now) is not None
        book.job_begun(ident, "another", now)
        return "stopped by nobody"

    with pytest.raises(Refused):
        run_dispatch(replace(shard, frozen=meanwhile), ident)
    assert ident in place.rollout().dispatches
    assert not [e for e in place.events() if isinstance(e.what, Reported)]
