# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet that is changed by rollouts, in memory, behind the Runner port.

Hosts keep restore points, count down the dead man, refuse older epochs, answer for the phase they
were asked, and lie the way real hosts do when a test says so. Time is a ``ManualClock``: a run
takes its time by moving that clock when somebody waits for its result, and everything that falls
due on the way (a run's end, a dead man, a line that comes back) happens at its moment. So a day of
soak takes milliseconds, and a controller that is killed leaves runs behind that live on.

``touched`` is every change of a host in order: what tests look at to see that nothing ran twice.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

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
from storewarden.testing.ledger import ManualClock
from storewarden.testing.rollout_hosts import TOOK, Asked, Point, PointState, SimHost, Touch

type Lie = Callable[[str, dict[str, object]], dict[str, object]]
"""Phase and honest report -> what the host says instead."""


@dataclass(slots=True, kw_only=True)
class _Run:
    """One run; its hosts' ends are worked out when it ends."""

    run_id: str
    request: PlaybookRun
    started: datetime
    ends: datetime
    busy: dict[str, str]
    phase: RunPhase = RunPhase.LIVE
    hosts: dict[str, HostResult] = field(default_factory=dict)
    lost: str = ""  # "before" or "after" its work was done; "" for a run that tells its end

    @property
    def what(self) -> str:
        """The phase in the playbook's name."""
        return self.request.playbook.rpartition("payload_")[2]


class SimFleet:
    """The Runner port over simulated hosts.

    ``broken`` are versions that do not work once installed. ``lose`` says of a run's label whether
    it is to be lost: "before" its hosts were worked on, "after", or "" for not at all.
    ``took`` is how long a run of each phase takes.
    """

    def __init__(self, clock: ManualClock, hosts: Mapping[str, SimHost]) -> None:
        self.clock = clock
        self.hosts = dict(hosts)
        self.broken: set[str] = set()
        self.lies: dict[str, Lie] = {}
        self.lose: Callable[[str, str], str] = lambda _label, _phase: ""
        self.took = dict(TOOK)
        self.started: list[PlaybookRun] = []
        self.touched: list[Touch] = []
        self._runs: dict[str, _Run] = {}
        self._due: list[tuple[datetime, int, Callable[[], None]]] = []
        self._count = itertools.count(1)

    # -- time ------------------------------------------------------------

    def at(self, moment: datetime, act: Callable[[], None]) -> None:
        """Let something happen at its moment."""
        heapq.heappush(self._due, (moment, next(self._count), act))

    def settle(self) -> None:
        """Let everything happen that was due by now."""
        while self._due and self._due[0][0] <= self.clock.now():
            heapq.heappop(self._due)[2]()

    def wait_until(self, moment: datetime) -> None:
        """Move the clock there, through everything that happens on the way."""
        while self._due and self._due[0][0] <= moment:
            self._move(self._due[0][0])
            self.settle()
        self._move(moment)
        self.settle()

    def _move(self, moment: datetime) -> None:
        self.clock.advance(max(moment - self.clock.now(), timedelta(0)))

    # -- the port --------------------------------------------------------

    def announce(self, run: PlaybookRun) -> None:
        """Of no effect."""

    def start(self, run: PlaybookRun) -> str:
        """Start; it ends by itself when the clock gets there. Refuses an empty inventory."""
        if not run.inventory.hosts:
            raise Refused("the inventory has no hosts", where=run.inventory.source or "inventory")
        self.settle()
        made = self._made(run)
        self._runs[made.run_id] = made
        self.started.append(run)
        made.lost = self.lose(run.label, made.what)
        self._begin(made)
        self.at(made.ends, lambda: self._end(made))
        return made.run_id

    def follow(self, run_id: str) -> Iterator[RunEvent]:
        """Its beginning and its end."""
        run = self._find(run_id)
        yield RunEvent(kind="started", at=run.started, message=run.request.label)
        self.result(run_id)
        yield RunEvent(kind="finished", at=self.clock.now())

    def result(self, run_id: str) -> RunResult:
        """Waits for the run's end by moving the clock there."""
        run = self._find(run_id)
        if run.phase is RunPhase.LIVE:
            self.wait_until(max(run.ends, self.clock.now()))
        lost = run.phase is RunPhase.LOST
        names = run.request.inventory.hosts
        unknown = {n: HostResult(host=n, status=HostStatus.UNKNOWN, message="lost") for n in names}
        nobody = len(run.busy) == len(names)
        outcome = RunOutcome.ERROR if nobody else RunOutcome.COMPLETED
        return RunResult(
            run_id=run_id,
            outcome=RunOutcome.UNKNOWN if lost else outcome,
            hosts=unknown if lost else run.hosts,
            error="the supervisor is gone and left no result" if lost else "",
            started=run.started,
            ended=None if lost else run.ends,
        )

    def cancel(self, run_id: str) -> None:
        """Nobody cancels a dispatch; here it has no effect."""
        self._find(run_id)

    def recover(self) -> tuple[FoundRun, ...]:
        """Everything not yet released, oldest first."""
        self.settle()
        return tuple(
            FoundRun(
                run_id=run.run_id,
                phase=run.phase,
                owner=run.request.owner,
                label=run.request.label,
                hosts=tuple(run.request.inventory.hosts),
                started=run.started,
            )
            for run in self._runs.values()
        )

    def release(self, run_id: str) -> None:
        """Forget a run. Refuses a live one."""
        if self._find(run_id).phase is RunPhase.LIVE:
            raise Refused("the run is live", where=run_id, hint="wait for its result")
        del self._runs[run_id]

    def forget(self, run_id: str) -> None:
        """Its folder is gone, as after a disk was lost."""
        self._runs.pop(run_id, None)

    # -- what a test looks at --------------------------------------------

    def versions(self) -> dict[str, str]:
        """What is installed where, now."""
        self.settle()
        return {name: host.version for name, host in self.hosts.items()}

    def ran(self, phase: str) -> list[str]:
        """Labels of all runs of a phase, in order."""
        return [run.label for run in self.started if run.playbook.endswith(f"payload_{phase}")]

    # -- runs ------------------------------------------------------------

    def _made(self, run: PlaybookRun) -> _Run:
        now, phase = self.clock.now(), run.playbook.rpartition("payload_")[2]
        if phase not in self.took:
            raise ConfigInvalid("no such playbook", where=run.playbook)
        number = len(self.started) + 1
        return _Run(
            run_id=f"00000000-0000-4000-8000-{number:012d}",
            request=run,
            started=now,
            ends=now + self.took[phase],
            busy=self._busy(run),
        )

    def _busy(self, run: PlaybookRun) -> dict[str, str]:
        """Hosts that a live run holds, unless both only read."""
        held: dict[str, str] = {}
        for other in self._runs.values():
            if other.phase is RunPhase.LIVE and LeaseMode.EXCLUSIVE in (
                run.lease,
                other.request.lease,
            ):
                who = f"busy: leased by {other.request.owner} ({other.request.label})"
                free = set(other.request.inventory.hosts) - set(other.busy)
                held.update(dict.fromkeys(free, who))
        return {name: held[name] for name in run.inventory.hosts if name in held}

    def _begin(self, run: _Run) -> None:
        """A change that is lost half-way has begun all the same."""
        if run.lost == "before":
            run.phase = RunPhase.LOST

    def _end(self, run: _Run) -> None:
        if run.phase is not RunPhase.LIVE or run.run_id not in self._runs:
            return
        for name, variables in run.request.inventory.hosts.items():
            run.hosts[name] = self._host(run, name, variables)
        run.phase = RunPhase.LOST if run.lost else RunPhase.FINISHED

    def _host(self, run: _Run, name: str, variables: Mapping[str, object]) -> HostResult:
        if name in run.busy:
            return HostResult(host=name, status=HostStatus.SKIPPED, message=run.busy[name])
        host = self.hosts[name]
        if not host.online:
            return HostResult(host=name, status=HostStatus.UNREACHABLE, message="no route to host")
        given = {**run.request.variables, **variables}
        label = run.request.label
        asked = Asked(fleet=self, host=host, given=given, phase=run.what, label=label)
        said = asked.answer()
        if host.cut_off and run.what == "apply":
            self._cut(host)
            return HostResult(host=name, status=HostStatus.UNREACHABLE, message="connection lost")
        lie = self.lies.get(name)
        if lie is not None:
            said = lie(run.what, said)
        good = said.get("report") in ("ready", "nothing", "applied", "verified", "restored")
        status = HostStatus.CHANGED if good or run.what == "probe" else HostStatus.FAILED
        return HostResult(host=name, status=status, report={"payload": said})

    def _cut(self, host: SimHost) -> None:
        """Its line goes down, once, and comes back after a while."""
        back, host.cut_off, host.online = self.clock.now() + host.cut_off, timedelta(0), False
        self.at(back, lambda: setattr(host, "online", True))

    def _find(self, run_id: str) -> _Run:
        self.settle()
        if run_id not in self._runs:
            raise ConfigInvalid("no such run", where=run_id)
        return self._runs[run_id]

    # -- hosts -----------------------------------------------------------

    def arm(self, host: SimHost, point: Point, seconds: int) -> None:
        """The host waits so long for its confirmation, then goes back by itself."""
        point.state = PointState.ARMED
        deadline = self.clock.now() + timedelta(seconds=seconds)
        point.deadline = deadline
        self.at(deadline, lambda: self._fires(host, point, deadline))

    def _fires(self, host: SimHost, point: Point, deadline: datetime) -> None:
        if point.state is PointState.ARMED and point.deadline == deadline:
            point.by_itself = True
            self.undo(host, point, label="", phase="dead man")

    def undo(self, host: SimHost, point: Point, *, label: str, phase: str) -> None:
        """Back to what it was at the capture."""
        self.change(host, point.before, label=label, phase=phase)
        point.state = PointState.UNDONE

    def change(self, host: SimHost, version: str, *, label: str, phase: str) -> None:
        """Another version, and a line about it."""
        touch = Touch(
            host=host.name,
            label=label,
            phase=phase,
            at=self.clock.now(),
            before=host.version,
            after=version,
        )
        self.touched.append(touch)
        host.version = version
