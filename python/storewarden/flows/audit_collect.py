# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather what hosts answer, record it at once, and lose none of it.

The ledger may fail half-way (a full disk). Then the answers stay in memory for
the report and in the runs' own files for the next audit: a run is released only
when every host of it is recorded.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from storewarden.domain.baseline.drift import Drift
from storewarden.domain.baseline.finding import Audit, AuditState, HostAudit
from storewarden.domain.errors import LedgerConflict, StorewardenError
from storewarden.domain.estate.device import Device
from storewarden.flows.audit_findings import audited_in, host_audit, plain
from storewarden.flows.audit_progress import Progress, Step, Watcher
from storewarden.flows.audit_ready import Claims, Contact, no_contact
from storewarden.flows.shards import run_ids, run_sharded
from storewarden.ports.clock import Clock
from storewarden.ports.ledger import Ledger
from storewarden.ports.runner import (
    FoundRun,
    HostResult,
    HostStatus,
    PlaybookRun,
    RunEvent,
    Runner,
    RunOutcome,
    RunPhase,
    RunResult,
)

LABEL_OWNER = "audit"
"""The owner of an audit's runs; their label begins with the audit's id."""

_MISSED = {"host_failed": AuditState.FAILED, "host_unreachable": AuditState.UNREACHABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """All hosts in inventory order, and what stood in the way.

    ``unrecorded`` is the ledger's error when it does not have everything;
    ``trouble`` is the error of runs that never became a play.
    """

    hosts: tuple[HostAudit, ...]
    drift: tuple[Drift, ...]
    ended: datetime
    interrupted: bool
    unrecorded: StorewardenError | None = None
    trouble: str = ""


@dataclass(slots=True, kw_only=True)
class Collector:
    """One audit being gathered."""

    ledger: Ledger
    clock: Clock
    audit: str
    devices: Mapping[str, Device]
    wanted: Sequence[str]
    hosts: tuple[str, ...]
    watch: Watcher
    contact: Contact = no_contact
    _known: dict[str, HostAudit] = field(default_factory=dict)
    _recorded: set[str] = field(default_factory=set)
    _drift: list[Drift] = field(default_factory=list)
    _shown: dict[str, str] = field(default_factory=dict)
    _error: StorewardenError | None = None

    def run(
        self,
        runner: Runner,
        run: PlaybookRun,
        stop: threading.Event,
        *,
        shard_size: int,
        at_once: int | None,
    ) -> Collected:
        """Run to the end, or until ``stop``; every host of the run is in the answer."""
        result: RunResult | None = None
        asked = False  # the sharded run sets the event itself when it ends
        try:
            for news in run_sharded(runner, run, shard_size=shard_size, at_once=at_once, stop=stop):
                if isinstance(news, RunResult):
                    result = news
                else:
                    asked = stop.is_set()
                    self._event(*news)
        except StorewardenError:
            self._close("interrupted")
            raise
        assert result is not None, "a sharded run ends with its result"  # noqa: S101
        asked = asked or result.outcome is RunOutcome.CANCELLED
        return self._finish(runner, result, interrupted=asked)

    def _event(self, run: str, event: RunEvent) -> None:
        match event.kind:
            case "started":
                self._progress(Step.STARTED, run=run)
            case "task":
                self._progress(Step.PHASE, run=run, message=event.task)
            case kind if kind in _MISSED:
                self._show(run, event.host, _MISSED[kind].value, event.message)
            case _ if audited_in(event.report) is not None:
                self.contact(event.host, event.report)
                ok = HostResult(host=event.host, status=HostStatus.OK, report=event.report)
                self._take(host_audit(ok, self.devices.get(event.host), self.wanted))
                self._show(run, event.host, AuditState.AUDITED.value, "")

    def _take(self, host: HostAudit) -> None:
        """Keep one host's answer and record it, unless the ledger has failed already."""
        self._known[host.host] = host
        if self._error is None:
            self._record(host)

    def _record(self, host: HostAudit) -> None:
        try:
            drift = self.ledger.record_host(self.audit, host, self.clock.now())
        except StorewardenError as error:
            self._error = error
            self._warn(f"not recorded: {error}")
        else:
            self._recorded.add(host.host)
            self._drift.extend(drift)

    def _finish(self, runner: Runner, result: RunResult, *, interrupted: bool) -> Collected:
        for name in self.hosts:
            if name not in self._known:
                self._missing(result.hosts.get(name), name)
        self._retry()
        ended = self._close("interrupted" if interrupted else "completed")
        if self._error is None:
            self._release(runner, run_ids(result))
        return Collected(
            hosts=tuple(self._known[name] for name in self.hosts),
            drift=tuple(self._drift),
            ended=ended,
            interrupted=interrupted,
            unrecorded=self._error,
            trouble=result.error if result.outcome is RunOutcome.ERROR else "",
        )

    def _missing(self, found: HostResult | None, name: str) -> None:
        """A host without a report among the events: its result says why."""
        said = found or HostResult(
            host=name, status=HostStatus.UNKNOWN, message="the run says nothing of this host"
        )
        host = host_audit(said, self.devices.get(name), self.wanted)
        self._take(host)
        self._show("", name, host.state.value, host.message)

    def _retry(self) -> None:
        """One more attempt for what the ledger did not take: space may be free again."""
        if self._error is None:
            return
        self._error = None
        for name in self.hosts:
            if name not in self._recorded and self._error is None:
                self._record(self._known[name])

    def _close(self, outcome: str) -> datetime:
        """Close the audit in the ledger; when it ended."""
        ended = self.clock.now()
        if self._error is not None:
            return ended
        try:
            self.ledger.end_audit(self.audit, ended, outcome)
        except StorewardenError as error:
            self._error = error
            self._warn(f"not recorded: {error}")
        return ended

    def _release(self, runner: Runner, runs: Sequence[str]) -> None:
        for run in runs:
            try:
                runner.release(run)
            except StorewardenError as error:
                self._warn(f"run {run} stays: {error}")

    def _show(self, run: str, host: str, state: str, message: str) -> None:
        if self._shown.get(host) == state:
            return
        self._shown[host] = state
        self._progress(Step.HOST, run=run, host=host, state=state, message=plain(message))

    def _warn(self, message: str) -> None:
        self._progress(Step.WARNING, message=message)

    def _progress(self, step: Step, **fields: str) -> None:
        missed = sum(state != AuditState.AUDITED.value for state in self._shown.values())
        counts = {"done": len(self._shown), "missed": missed, "total": len(self.hosts)}
        self.watch(Progress(step=step, audit=self.audit, **counts, **fields))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """Brings in what interrupted audits left: adopts live runs, collects ended ones."""

    runner: Runner
    ledger: Ledger
    clock: Clock
    devices: Mapping[str, Device]
    watch: Watcher
    contact: Contact = no_contact

    def collect_all(self, claims: Claims) -> None:
        """Every audit with runs, and every one without an end, that nobody alive drives."""
        runs: dict[str, list[FoundRun]] = {name: [] for name in self.ledger.unfinished()}
        for found in self.runner.recover():
            if found.owner == LABEL_OWNER and found.label:
                runs.setdefault(found.label.split()[0], []).append(found)
        for audit, mine in runs.items():
            if claims.take(audit):
                try:
                    self.collect(audit, mine)
                finally:
                    claims.drop(audit)

    def collect(self, audit: str, runs: Sequence[FoundRun]) -> None:
        """Record what the runs of one audit came to, close it and let the runs go.

        Runs of an audit that this ledger does not know belong to another ledger (or
        to this one before it was restored): they are the only copy and stay.
        """
        known = self.ledger.audit(audit)
        if known is None:
            self._say(audit, f"{audit} is not in this ledger: its {len(runs)} runs are left alone")
            return
        ended = self.ledger.entry(audit, "end") is not None
        for found in runs:
            if found.phase is RunPhase.LIVE:
                self._say(audit, f"waiting for {len(found.hosts)} hosts that {audit} still audits")
            result = self.runner.result(found.run_id)
            taken = 0 if ended else self._record(known, result)
            self._say(audit, f"{audit} was interrupted: {taken} of its hosts collected")
        if not ended:
            self._close(audit, told=bool(runs))
        for found in runs:
            self._release(audit, found.run_id)

    def _record(self, audit: Audit, result: RunResult) -> int:
        taken, asked = 0, {host.host for host in audit.hosts}
        for host in result.hosts.values():
            if host.host not in asked:
                continue
            self.contact(host.host, host.report)
            audited = host_audit(host, self.devices.get(host.host), audit.controls)
            if audited.state is AuditState.AUDITED:
                taken += self._recorded(audit.id, audited)
        return taken

    def _recorded(self, audit: str, host: HostAudit) -> int:
        """1 when the ledger took it, 0 when it has this host already."""
        try:
            self.ledger.record_host(audit, host, self.clock.now())
        except LedgerConflict:
            if self.ledger.entry(audit, f"host:{host.host}") is None:
                raise  # locked, say: the run keeps the result until the ledger takes it
            return 0
        return 1

    def _close(self, audit: str, *, told: bool) -> None:
        known = self.ledger.audit(audit)
        whole = known and all(host.state is not AuditState.UNKNOWN for host in known.hosts)
        self.ledger.end_audit(audit, self.clock.now(), "completed" if whole else "interrupted")
        if not told:
            self._say(audit, f"{audit} was interrupted and left open: closed")

    def _release(self, audit: str, run: str) -> None:
        try:
            self.runner.release(run)
        except StorewardenError as error:
            self._say(audit, f"run {run} stays: {error}")

    def _say(self, audit: str, message: str) -> None:
        self.watch(Progress(step=Step.COLLECTED, audit=audit, message=message))
