# SPDX-License-Identifier: GPL-3.0-or-later
"""One dispatch as one run: adopt it or start it, wait for it, record what its hosts say.

The intent was recorded before; its id is the run's label. So whoever comes here after a crash
finds the run by its label and adopts it, and a second run of one dispatch never begins. A run is
let go only when what it came to is in the book.

A dispatch that was not begun soon after it was decided is not begun at all: the windows, the
budgets and the kill switch that it was decided under may be others by now. Its hosts stand as they
did before, and it is decided anew: to wait for a free run is no try.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from storewarden.domain.errors import Refused, StorewardenError
from storewarden.domain.rollout.events import HostReport
from storewarden.domain.rollout.record import Dispatch, Phase, Rollout
from storewarden.domain.rollout.reporting import reported
from storewarden.domain.rollout.spec import Timing
from storewarden.flows.rollout_parts import BEGINS, OWNER, PLAYBOOKS, SHARD, ShardParts
from storewarden.flows.rollout_reports import not_begun, reports_of, unknown
from storewarden.flows.rollout_stop import in_chinese
from storewarden.ports.rollouts import Job
from storewarden.ports.runner import (
    FoundRun,
    FrozenInventory,
    LeaseMode,
    PlaybookRun,
    RunPhase,
    RunResult,
)

FRESH = timedelta(minutes=5)
"""How long after its decision a change of hosts may still begin."""

_PROBED_IN = timedelta(minutes=2)
_SLACK = timedelta(minutes=2)  # connecting, leases, the supervisor's own end


class ShardWork:
    """``ports.engine.Work`` for dispatches of one ``kind``: SHARD or ENDING."""

    def __init__(self, parts: ShardParts, kind: str = SHARD, *, at_once: int = 8) -> None:
        self.kind = kind
        self.at_once = at_once
        self._parts = parts

    def do(self, key: str, body: Mapping[str, object]) -> None:  # noqa: ARG002 - the key says it
        """Run the dispatch ``key``; nothing when it is another worker's, or has ended."""
        run_dispatch(self._parts, key)


def run_dispatch(parts: ShardParts, dispatch_id: str) -> None:
    """Run one dispatch to its recorded end. Raises the leaves of ``domain.errors``; called again
    it goes on where it stopped."""
    job = parts.book.take_job(dispatch_id, parts.worker, parts.clock.now())
    if job is None:
        _require_ended(parts, dispatch_id)
        return
    rollout = parts.book.rollout(job.rollout)
    if rollout is None:
        return
    dispatch = rollout.dispatches.get(dispatch_id)
    if dispatch is not None:
        _Shard(parts, rollout, dispatch, job).run()
    _let_go(parts, dispatch_id)


def _require_ended(parts: ShardParts, dispatch_id: str) -> None:
    """Raise Refused while somebody else has it: the engine comes again, because that one may die
    before it has begun."""
    for job in parts.book.jobs():
        if job.dispatch == dispatch_id:
            raise Refused(f"{job.worker} has taken it", where=dispatch_id)
    _let_go(parts, dispatch_id)


def found_run(parts: ShardParts, dispatch_id: str) -> FoundRun | None:
    """The run of a dispatch on this machine, whatever became of it."""
    runs = (each for each in parts.runner.recover() if each.owner == OWNER)
    return next((each for each in runs if each.label == dispatch_id), None)


def _let_go(parts: ShardParts, dispatch_id: str) -> None:
    """Its end is in the book, also when somebody else recorded it."""
    found = found_run(parts, dispatch_id)
    if found is not None and found.phase is not RunPhase.LIVE:
        with suppress(StorewardenError):  # its play may still live: the next look takes it away
            parts.runner.release(found.run_id)


@dataclass(frozen=True, slots=True)
class _Shard:
    """One dispatch on its way."""

    parts: ShardParts
    rollout: Rollout
    dispatch: Dispatch
    job: Job

    def run(self) -> None:
        """Adopt or start, wait, record."""
        found = found_run(self.parts, self.dispatch.id)
        if found is not None:
            self._record(self._reports(self.parts.runner.result(found.run_id)))
        elif self.job.begun is not None:
            self._record(self._lost("its run is gone without a result"), lost=True)
        else:
            self._record(self._started())

    def _started(self) -> tuple[HostReport, ...]:
        """Start the run and wait for it; or say why it was not started."""
        against = self._against()
        if against:
            self._begun()  # it is this worker's own, so nobody else begins it after this word
            return not_begun(self.dispatch, *against)
        inventory = self._inventory()
        if not inventory.hosts:
            return unknown(self.dispatch, "no longer in the inventory", "已不在清单中")
        self._begun()  # before: a dispatch that is begun and has no run is lost, never run again
        try:
            run_id = self.parts.runner.start(self._request(inventory))
        except Refused as error:
            return unknown(self.dispatch, f"not begun: {error}", f"未开始：{error}")
        return self._reports(self.parts.runner.result(run_id))

    def _begun(self) -> None:
        self.parts.book.job_begun(self.dispatch.id, self.parts.worker, self.parts.clock.now())

    def _against(self) -> tuple[str, str] | None:
        """Why a change of hosts must not begin any more, in both languages; None when it may."""
        if self.dispatch.phase not in BEGINS:  # what was begun is ended, whatever holds
            return None
        waited = self.parts.clock.now() - self.dispatch.at
        if waited > FRESH:
            minutes = int(waited.total_seconds()) // 60
            return (
                f"waited {minutes} min for a free run: decided anew",
                f"等待空闲运行 {minutes} 分钟，将重新判定",
            )
        frozen = self.parts.frozen()
        return (frozen, in_chinese(frozen)) if frozen else None

    def _reports(self, result: RunResult) -> tuple[HostReport, ...]:
        for host in result.hosts.values():
            self.parts.contact(host.host, host.report)
        return reports_of(self.dispatch, result, self._points())

    def _lost(self, reason: str) -> tuple[HostReport, ...]:
        return unknown(self.dispatch, reason, "运行已丢失，没有结果")

    def _record(self, reports: tuple[HostReport, ...], *, lost: bool = False) -> None:
        """The end of the dispatch; late and double ones change nothing."""
        parts, ident = self.parts, self.dispatch.id
        now = parts.clock.now()
        parts.book.amend(
            self.rollout.number,
            ident,
            lambda current: reported(current, ident, reports, now, lost=lost),
            look_at=now,
        )
        parts.book.look_again(self.rollout.number, now)
        parts.ended()
        parts.wake()

    def _inventory(self) -> FrozenInventory:
        """The dispatch's hosts that are still there, each with its own restore points."""
        found = self.parts.estate().inventory
        present = [name for name in self.dispatch.hosts if name in found.hosts]
        chosen = found.only(present)
        hosts = {name: {**given, **self._own(name)} for name, given in chosen.hosts.items()}
        return FrozenInventory(hosts=hosts, groups=chosen.groups, source=chosen.source)

    def _own(self, name: str) -> dict[str, object]:
        """A host's own variables; packs of another change are named with their owner."""
        host, change = self.rollout.hosts[name], self.rollout.change
        point = self._points()[name]
        points: list[object] = [point]
        for beneath in host.beneath:
            owner = owner_of(beneath)
            points.append(beneath if owner == change else {"id": beneath, "owner": owner})
        return {"payload_point": point, "payload_points": points}

    def _points(self) -> dict[str, str]:
        """The restore point of each host in this dispatch: a preflight makes a new one. Where none
        is known the name of one that nobody made is asked for: such a host is untouched."""
        made = restore_point_of(self.dispatch)
        if self.dispatch.phase is Phase.PREFLIGHT:
            return dict.fromkeys(self.dispatch.hosts, made)
        hosts = self.rollout.hosts
        return {name: hosts[name].restore_point or made for name in self.dispatch.hosts}

    def _request(self, inventory: FrozenInventory) -> PlaybookRun:
        settings, spec = self.parts.settings, self.rollout.spec
        reading = self.dispatch.phase is Phase.PROBE
        return PlaybookRun(
            playbook=f"{PLAYBOOKS}{self.dispatch.phase.value}",
            inventory=inventory,
            variables={**settings.variables, **variables_of(self.rollout, self.dispatch)},
            timeout=timeout_of(spec.timing, self.dispatch.phase),
            forks=min(spec.forks, len(inventory.hosts)),
            lease=LeaseMode.SHARED if reading else LeaseMode.EXCLUSIVE,
            secrets=settings.secrets,
            known_hosts=settings.known_hosts,
            collections=settings.collections,
            owner=OWNER,
            label=self.dispatch.id,
        )


def restore_point_of(dispatch: Dispatch) -> str:
    """The id of the restore point that a preflight makes on each of its hosts."""
    rollout, _, number = dispatch.id.rpartition("-d")
    return f"{rollout}-{number}"


def owner_of(point: str) -> str:
    """The change that owns a restore point, from its id ("GMBG-20260601-001-R1-3")."""
    return point.rpartition("-")[0].rpartition("-R")[0]


def variables_of(rollout: Rollout, dispatch: Dispatch) -> dict[str, object]:
    """The variables of a phase's playbook that are the same for all its hosts."""
    spec = rollout.spec
    return {
        "payload_name": spec.payload,
        "payload_options": dict(spec.options),
        "payload_lock": dict(rollout.lock.data) if rollout.lock is not None else {},
        "payload_rollout": rollout.number,
        "payload_change": rollout.change,
        "payload_epoch": dispatch.epoch,
        "payload_deadline": int(spec.deadline.total_seconds()),
    }


def timeout_of(timing: Timing, phase: Phase) -> timedelta:
    """After so long a run is stuck: twice what the phase takes at most, and some slack. What
    still works on a host then goes on there, and is adopted by whoever comes next."""
    longest = {
        Phase.PREFLIGHT: timing.preflight,
        Phase.APPLY: timing.apply + timing.reboot,
        Phase.JUDGE: timing.judge + timing.undo,
        Phase.UNDO: timing.undo + timing.reboot,
        Phase.PROBE: _PROBED_IN,
    }[phase]
    return 2 * longest + _SLACK


def sweep(parts: ShardParts) -> int:
    """Let go of ended runs whose end is in the book: somebody died between the two. How many."""
    ended = [
        each
        for each in parts.runner.recover()
        if each.owner == OWNER and each.phase is not RunPhase.LIVE
    ]
    wanted = {job.dispatch for job in parts.book.jobs()} if ended else set[str]()
    swept = [each for each in ended if each.label not in wanted]
    for each in swept:
        with suppress(StorewardenError):
            parts.runner.release(each.run_id)
    return len(swept)
