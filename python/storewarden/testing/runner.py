# SPDX-License-Identifier: GPL-3.0-or-later
"""A Runner in memory: tells what a test scripted, keeps what it was asked.

It obeys the same contract as the real one (``tests/contract/test_runner_contract.py``
runs over both): leases, phases, refusals, hosts that are always all there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.ports.runner import (
    FoundRun,
    HostResult,
    HostStatus,
    LeaseMode,
    PlaybookRun,
    RunEvent,
    RunOutcome,
    RunPhase,
    RunResult,
)

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_KINDS = {
    HostStatus.OK: "host_ok",
    HostStatus.CHANGED: "host_changed",
    HostStatus.FAILED: "host_failed",
    HostStatus.UNREACHABLE: "host_unreachable",
    HostStatus.SKIPPED: "host_skipped",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripted:
    """How a run is to go. Hosts not named come out OK without a report.

    ``held`` keeps the run live until ``finish``, ``lose`` or ``cancel``.
    """

    hosts: Mapping[str, HostResult] = field(default_factory=dict)
    outcome: RunOutcome = RunOutcome.COMPLETED
    error: str = ""
    held: bool = False


type Script = Callable[[PlaybookRun], Scripted]


@dataclass(slots=True)
class _Run:
    """One run in memory; ``busy`` are hosts somebody else held at its start."""

    number: int
    request: PlaybookRun
    script: Scripted
    busy: Mapping[str, str]
    phase: RunPhase = RunPhase.LIVE
    cancelled: bool = False

    @property
    def run_id(self) -> str:
        """Ids look like real ones and sort by age."""
        return f"00000000-0000-4000-8000-{self.number:012d}"

    @property
    def started(self) -> datetime:
        """A minute per run, so that order is visible."""
        return _EPOCH + timedelta(minutes=self.number)


class FakeRunner:
    """The Runner port without Ansible. ``started`` are the requests, in order, ``announced`` those
    that were announced."""

    def __init__(self, script: Script | Scripted | None = None) -> None:
        fixed = script if isinstance(script, Scripted) else Scripted()
        self._script: Script = script if callable(script) else lambda _run: fixed
        self._runs: dict[str, _Run] = {}
        self._changed = threading.Condition()
        self._count = 0
        self.started: list[PlaybookRun] = []
        self.announced: list[PlaybookRun] = []
        self.released: list[str] = []

    # -- the port --------------------------------------------------------

    def announce(self, run: PlaybookRun) -> None:
        """Keeps it in ``announced``."""
        self.announced.append(run)

    def start(self, run: PlaybookRun) -> str:
        """Start as scripted. Refuses an empty inventory."""
        if not run.inventory.hosts:
            raise Refused("the inventory has no hosts", where=run.inventory.source or "inventory")
        with self._changed:
            self._count += 1
            made = _Run(self._count, run, self._script(run), self._busy(run))
            self._runs[made.run_id] = made
            self.started.append(run)
            if not made.script.held:
                made.phase = RunPhase.FINISHED
            return made.run_id

    def follow(self, run_id: str) -> Iterator[RunEvent]:
        """The run's events; blocks while it is held."""
        run = self._find(run_id)
        yield RunEvent(kind="started", at=run.started, message=run.request.label)
        self._await_end(run)
        if run.phase is RunPhase.LOST:
            return
        result = _result(run)
        yield RunEvent(kind="play", at=run.started)
        for host in result.hosts.values():
            if host.status in _KINDS and host.host not in run.busy and not run.cancelled:
                yield RunEvent(
                    kind=_KINDS[host.status], at=run.started, host=host.host,
                    task=host.task, message=host.message, report=host.report,
                )  # fmt: skip
        yield RunEvent(kind="finished", at=run.started, message=result.outcome.value)

    def result(self, run_id: str) -> RunResult:
        """The scripted result; blocks while the run is held."""
        run = self._find(run_id)
        self._await_end(run)
        return _result(run)

    def cancel(self, run_id: str) -> None:
        """Ends a held run as CANCELLED; of no effect on one that has ended."""
        run = self._find(run_id)
        if run.phase is RunPhase.LIVE:
            run.cancelled = True
            self._move(run, RunPhase.FINISHED)

    def recover(self) -> tuple[FoundRun, ...]:
        """Everything not yet released, oldest first."""
        with self._changed:
            return tuple(
                FoundRun(
                    run_id=run.run_id, phase=run.phase, owner=run.request.owner,
                    label=run.request.label, hosts=tuple(run.request.inventory.hosts),
                    started=run.started,
                )
                for run in self._runs.values()
            )  # fmt: skip

    def release(self, run_id: str) -> None:
        """Forget a run. Refuses a live one."""
        if self._find(run_id).phase is RunPhase.LIVE:
            raise Refused("the run is live", where=run_id, hint="cancel it, or wait for its result")
        with self._changed:
            del self._runs[run_id]
            self.released.append(run_id)

    # -- what a test does to it ------------------------------------------

    def finish(self, run_id: str) -> None:
        """Let a held run come to its scripted end."""
        self._move(self._find(run_id), RunPhase.FINISHED)

    def lose(self, run_id: str) -> None:
        """The supervisor dies: no result will come."""
        self._move(self._find(run_id), RunPhase.LOST)

    # -- inside ----------------------------------------------------------

    def _find(self, run_id: str) -> _Run:
        with self._changed:
            if run_id not in self._runs:
                raise ConfigInvalid("no such run", where=run_id)
            return self._runs[run_id]

    def _move(self, run: _Run, phase: RunPhase) -> None:
        with self._changed:
            run.phase = phase
            self._changed.notify_all()

    def _await_end(self, run: _Run) -> None:
        with self._changed:
            self._changed.wait_for(lambda: run.phase is not RunPhase.LIVE)

    def _busy(self, run: PlaybookRun) -> dict[str, str]:
        """Hosts that a live run holds, unless both only read."""
        held: dict[str, str] = {}
        for other in self._runs.values():
            modes = {run.lease, other.request.lease}
            if other.phase is RunPhase.LIVE and modes != {LeaseMode.SHARED}:
                who = other.request.owner or "another run"
                label = f" ({other.request.label})" if other.request.label else ""
                mine = set(other.request.inventory.hosts) - set(other.busy)
                held.update(dict.fromkeys(mine, f"busy: leased by {who}{label}"))
        return {name: held[name] for name in run.inventory.hosts if name in held}


def _result(run: _Run) -> RunResult:
    hosts = {name: _host(run, name) for name in run.request.inventory.hosts}
    outcome, error = _outcome(run)
    return RunResult(
        run_id=run.run_id,
        outcome=outcome,
        error=error,
        hosts=hosts,
        started=run.started,
        ended=None if run.phase is RunPhase.LOST else run.started + timedelta(seconds=30),
    )


def _outcome(run: _Run) -> tuple[RunOutcome, str]:
    if run.phase is RunPhase.LOST:
        return RunOutcome.UNKNOWN, "the supervisor is gone and left no result"
    if len(run.busy) == len(run.request.inventory.hosts):
        return RunOutcome.ERROR, "no host was free"
    if run.cancelled:
        return RunOutcome.CANCELLED, "stopped on request"
    return run.script.outcome, run.script.error


def _host(run: _Run, name: str) -> HostResult:
    if name in run.busy:
        return HostResult(host=name, status=HostStatus.SKIPPED, message=run.busy[name])
    if run.phase is RunPhase.LOST:
        return HostResult(host=name, status=HostStatus.UNKNOWN, message="lost")
    if run.cancelled:
        return HostResult(host=name, status=HostStatus.SKIPPED, message="stopped on request")
    found = run.script.hosts.get(name)
    return replace(found, host=name) if found else HostResult(host=name, status=HostStatus.OK)
