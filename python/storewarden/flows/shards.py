# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet is run in shards: at most 50 hosts each, a few at a time, as one result.

Ansible forks once per host and task and keeps every host in step with the
slowest, so one play over a fleet is slow and all-or-nothing; shards bound what
one stuck host can hold up and what one lost run leaves unknown.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from storewarden.domain.errors import AdapterError, StorewardenError
from storewarden.ports.runner import (
    HostResult,
    HostStatus,
    PlaybookRun,
    RunEvent,
    Runner,
    RunOutcome,
    RunResult,
)

SHARD_SIZE = 50  # hosts (design, mechanism 1)
_LOOK = 0.2  # seconds between looks at the stop signal
# The fleet's outcome is the first of these that any shard had.
_WORST_FIRST = (
    RunOutcome.UNKNOWN,
    RunOutcome.ERROR,
    RunOutcome.TIMED_OUT,
    RunOutcome.CANCELLED,
)


def at_once_by_cores() -> int:
    """Two to four runs at a time: each is a process tree of its own that forks a lot."""
    return max(2, min(4, os.cpu_count() or 2))


def shards(run: PlaybookRun, size: int = SHARD_SIZE) -> tuple[PlaybookRun, ...]:
    """The same run over consecutive slices of its hosts, in inventory order."""
    names = list(run.inventory.hosts)
    slices = [names[start : start + size] for start in range(0, len(names), size)]
    if len(slices) <= 1:
        return (run,)
    return tuple(
        replace(
            run,
            inventory=run.inventory.only(part),
            label=f"{run.label} {number}/{len(slices)}".strip(),
        )
        for number, part in enumerate(slices, 1)
    )


@dataclass(slots=True)
class _Shard:
    """One shard's fate: its run id once started, and its end."""

    run: PlaybookRun
    run_id: str = ""
    result: RunResult | None = None
    error: StorewardenError | None = None


@dataclass(slots=True)
class _Fleet:
    """What the worker threads share. Each shard is written by one thread only."""

    runner: Runner
    shards: Sequence[_Shard]
    stop: threading.Event
    news: queue.SimpleQueue[tuple[str, RunEvent] | None] = field(default_factory=queue.SimpleQueue)

    def work(self, waiting: Iterator[_Shard], gate: threading.Lock) -> None:
        """One worker: shard after shard until there are none, or until stopped."""
        try:
            while not self.stop.is_set():
                with gate:
                    shard = next(waiting, None)
                if shard is None:
                    return
                self._one(shard)
        finally:
            self.news.put(None)

    def _one(self, shard: _Shard) -> None:
        try:
            shard.run_id = self.runner.start(shard.run)
            if self.stop.is_set():  # asked between the look and the start
                self.runner.cancel(shard.run_id)
            for event in self.runner.follow(shard.run_id):
                self.news.put((shard.run_id, event))
            shard.result = self.runner.result(shard.run_id)
        except StorewardenError as error:
            shard.error = error
        except Exception as error:  # noqa: BLE001 - or its thread would die and nobody be told
            shard.error = AdapterError(f"the runner failed: {type(error).__name__}: {error}")

    def cancel(self) -> None:
        """Stop what runs and start nothing more. Safe to call again."""
        self.stop.set()
        for shard in self.shards:
            if shard.run_id and shard.result is None and shard.error is None:
                # One that cannot be asked must not keep the others from being asked; its end
                # is in its own result.
                with contextlib.suppress(StorewardenError):
                    self.runner.cancel(shard.run_id)


def run_sharded(
    runner: Runner,
    run: PlaybookRun,
    *,
    shard_size: int = SHARD_SIZE,
    at_once: int | None = None,
    stop: threading.Event | None = None,
) -> Iterator[tuple[str, RunEvent] | RunResult]:
    """Yields ``(run id, event)`` as it happens and, last of all, one merged RunResult.

    Ctrl-C while waiting here, or ``stop`` set by anybody, cancels every run of the fleet,
    waits for their ends, and still yields the merged result: outcome CANCELLED, its error
    telling how many shards had finished; results already obtained are in it. The
    merged ``run_id`` is all run ids joined by spaces (see ``run_ids``); the caller releases
    them once the result is recorded. A shard that could not be started counts as ERROR
    with its hosts SKIPPED; if none could, its error is raised.
    """
    parts = [_Shard(part) for part in shards(run, shard_size)]
    fleet = _Fleet(runner, parts, stop or threading.Event())
    waiting, gate = iter(parts), threading.Lock()
    count = min(at_once or at_once_by_cores(), len(parts))
    workers = [
        threading.Thread(target=fleet.work, args=(waiting, gate), name=f"shard-{n}", daemon=True)
        for n in range(count)
    ]
    for worker in workers:
        worker.start()
    try:
        yield from _events(fleet, len(workers))
    finally:
        # Also when the consumer walked away: nothing may run on unwatched.
        fleet.cancel()
        for worker in workers:
            worker.join()
    yield _merged(parts)


def _events(fleet: _Fleet, workers: int) -> Iterator[tuple[str, RunEvent]]:
    """The workers' news until all of them are done; Ctrl-C here turns into a cancel."""
    cancelled = False
    while workers:
        try:
            if fleet.stop.is_set() and not cancelled:
                cancelled = True
                fleet.cancel()
            news = fleet.news.get(timeout=_LOOK)
        except queue.Empty:
            continue
        except KeyboardInterrupt:
            fleet.stop.set()
            continue
        if news is None:
            workers -= 1
        else:
            yield news


def run_ids(result: RunResult) -> tuple[str, ...]:
    """The run ids behind a merged result."""
    return tuple(result.run_id.split())


def _merged(parts: Sequence[_Shard]) -> RunResult:
    """One result of all shards. Raises the first error when no shard was started."""
    if not any(part.run_id for part in parts):
        for part in parts:
            if part.error:
                raise part.error
    results = [part.result or _unrun(part) for part in parts]
    hosts: dict[str, HostResult] = {}
    for result in results:
        hosts.update(result.hosts)
    outcomes = {result.outcome for result in results}
    outcome = next((worst for worst in _WORST_FIRST if worst in outcomes), RunOutcome.COMPLETED)
    return RunResult(
        run_id=" ".join(part.run_id for part in parts if part.run_id),
        outcome=outcome,
        hosts=hosts,
        error=_error(results),
        started=min((r.started for r in results if r.started), default=None),
        ended=max((r.ended for r in results if r.ended), default=None),
    )


def _unrun(part: _Shard) -> RunResult:
    """A shard without a result: never started, or its runner failed."""
    if part.error is None:
        why, outcome, status = "stopped before it was started", RunOutcome.CANCELLED, None
    elif part.run_id:
        why, outcome, status = str(part.error), RunOutcome.UNKNOWN, HostStatus.UNKNOWN
    else:
        why, outcome, status = str(part.error), RunOutcome.ERROR, None
    return RunResult(
        run_id=part.run_id,
        outcome=outcome,
        hosts=_all(part.run.inventory.hosts, status or HostStatus.SKIPPED, why),
        error=why,
    )


def _all(names: Iterable[str], status: HostStatus, message: str) -> Mapping[str, HostResult]:
    return {name: HostResult(host=name, status=status, message=message) for name in names}


def _error(results: Sequence[RunResult]) -> str:
    """The distinct errors; with a cancelled fleet, how far it got."""
    said = list(dict.fromkeys(result.error for result in results if result.error))
    done = sum(result.outcome is RunOutcome.COMPLETED for result in results)
    if any(result.outcome is RunOutcome.CANCELLED for result in results):
        said.insert(0, f"interrupted: {done} of {len(results)} shards had finished")
    return "; ".join(said)
