# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet in shards is one run: every host once, nothing lost, also after Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from storewarden.domain.errors import Refused
from storewarden.flows.shards import run_ids, run_sharded, shards
from storewarden.ports.runner import (
    FrozenInventory,
    HostResult,
    HostStatus,
    PlaybookRun,
    RunEvent,
    RunOutcome,
    RunPhase,
    RunResult,
)
from storewarden.testing.runner import FakeRunner, Scripted


def _run(count: int) -> PlaybookRun:
    hosts = {f"pos{n:04d}": {} for n in range(count)}
    return PlaybookRun(
        playbook="x",
        inventory=FrozenInventory(hosts=hosts, groups={"g": tuple(hosts)}),
        label="audit",
    )


def _whole(
    items: Iterator[tuple[str, RunEvent] | RunResult],
) -> tuple[list[tuple[str, RunEvent]], RunResult]:
    events: list[tuple[str, RunEvent]] = []
    for item in items:
        if isinstance(item, RunResult):
            return events, item
        events.append(item)
    raise AssertionError("no result came")


def test_shards_cut_in_order_and_keep_groups() -> None:
    parts = shards(_run(120))
    assert [len(part.inventory.hosts) for part in parts] == [50, 50, 20]
    assert [name for part in parts for name in part.inventory.hosts] == list(
        _run(120).inventory.hosts
    )
    assert parts[2].inventory.groups["g"] == tuple(parts[2].inventory.hosts)
    assert [part.label for part in parts] == ["audit 1/3", "audit 2/3", "audit 3/3"]


def test_one_result_of_all_shards() -> None:
    bad = HostResult(host="", status=HostStatus.FAILED, message="no")
    runner = FakeRunner(Scripted(hosts={"pos0107": bad}))
    events, result = _whole(run_sharded(runner, _run(120), at_once=3))
    assert result.outcome is RunOutcome.COMPLETED
    assert list(result.hosts) == list(_run(120).inventory.hosts)
    assert result.hosts["pos0107"].status is HostStatus.FAILED
    assert len(run_ids(result)) == 3
    assert {run_id for run_id, _ in events} == set(run_ids(result))
    assert len([event for _, event in events if event.host]) == 120


@pytest.mark.parametrize("bad", [RunOutcome.UNKNOWN, RunOutcome.ERROR, RunOutcome.TIMED_OUT])
def test_the_worst_shard_names_the_outcome(bad: RunOutcome) -> None:
    def script(run: PlaybookRun) -> Scripted:
        return Scripted(outcome=bad, error="broken") if run.label == "audit 2/3" else Scripted()

    _, result = _whole(run_sharded(FakeRunner(script), _run(120)))
    assert (result.outcome, result.error) == (bad, "broken")
    assert len(result.hosts) == 120


def test_at_most_so_many_at_once() -> None:
    runner = FakeRunner(Scripted(held=True))
    most = 0
    for item in run_sharded(runner, _run(250), at_once=2):
        if isinstance(item, RunResult):
            assert item.outcome is RunOutcome.COMPLETED
            continue
        run_id, event = item
        live = [run for run in runner.recover() if run.phase is RunPhase.LIVE]
        most = max(most, len(live))
        if event.kind == "started":
            runner.finish(run_id)
    assert most <= 2
    assert len(runner.started) == 5


def test_an_empty_fleet_is_refused() -> None:
    with pytest.raises(Refused, match="no hosts"):
        list(run_sharded(FakeRunner(), _run(0)))


def _first_shard_only(run: PlaybookRun) -> Scripted:
    return Scripted(held=run.label != "audit 1/3")


def _assert_partial(result: RunResult, runner: FakeRunner) -> None:
    assert result.outcome is RunOutcome.CANCELLED
    assert result.error.startswith("interrupted: 1 of 3 shards had finished")
    assert len(result.hosts) == 120
    assert [h.status for h in result.hosts.values()].count(HostStatus.OK) == 50
    assert not [run for run in runner.recover() if run.phase is RunPhase.LIVE]


def test_stop_cancels_waits_and_keeps_what_there_is() -> None:
    runner = FakeRunner(_first_shard_only)
    stop = threading.Event()
    result = None
    for item in run_sharded(runner, _run(120), at_once=1, stop=stop):
        if isinstance(item, RunResult):
            result = item
        elif item[1].kind == "started" and len(runner.started) == 2:
            stop.set()
    assert result is not None
    _assert_partial(result, runner)
    assert len(runner.started) == 2


def _press_ctrl_c(waiting: threading.Event) -> None:
    waiting.wait()
    time.sleep(0.5)  # by then the consumer is back in the generator
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_while_waiting_cancels_and_keeps_what_there_is() -> None:
    runner = FakeRunner(_first_shard_only)
    # Started beforehand: starting a thread can itself wait, and would then be what is interrupted.
    waiting = threading.Event()
    presser = threading.Thread(target=_press_ctrl_c, args=(waiting,))
    presser.start()
    result = None
    for item in run_sharded(runner, _run(120), at_once=1):
        if isinstance(item, RunResult):
            result = item
        elif item[1].kind == "started" and len(runner.started) == 2:
            waiting.set()
    presser.join()
    assert result is not None
    _assert_partial(result, runner)


def test_a_consumer_that_walks_away_leaves_nothing_running() -> None:
    runner = FakeRunner(Scripted(held=True))
    items = run_sharded(runner, _run(120), at_once=2)
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert {run.phase for run in runner.recover()} == {RunPhase.FINISHED}


class _Breaking(FakeRunner):
    """A runner with a fault of its own: not one of the errors it promises."""

    def follow(self, run_id: str) -> Iterator[RunEvent]:
        """Fails for the second shard."""
        if run_id.endswith("2"):
            raise OSError("bad sector")
        return super().follow(run_id)


def test_a_fault_of_the_runner_is_unknown_and_not_cancelled() -> None:
    _, result = _whole(run_sharded(_Breaking(), _run(120), at_once=1))
    assert result.outcome is RunOutcome.UNKNOWN
    assert result.error == "the runner failed: OSError: bad sector"
    statuses = [host.status for host in result.hosts.values()]
    assert statuses.count(HostStatus.UNKNOWN) == 50
    assert statuses.count(HostStatus.OK) == 70
