# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather what hosts say of their fixes, and write each word down before the next is read.

A controller may die while hosts are being changed. What they did stays known: each apply group is
journaled as it arrives, the runs keep a second copy in their files, and the next hardening adopts
the runs that still live and collects the others. A run is released only when all of it is
recorded.

Ctrl-C does not stop a host in the middle: no new shard begins, those under way end. Only the
second one breaks the plays off; what they had not confirmed, the hosts take back by themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from storewarden.domain.baseline.harden import GroupFix, HostFix, HostState, Standing
from storewarden.domain.errors import Refused, StorewardenError
from storewarden.flows.audit_ready import AuditRequest, Claims, Contact
from storewarden.flows.harden_data import groups_in, host_of
from storewarden.flows.harden_journal import HardenJournal, Session
from storewarden.flows.harden_progress import HardenProgress, HardenWatcher, Step
from storewarden.flows.shards import run_ids, run_sharded
from storewarden.ports.clock import Clock
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

OWNER = "harden"
"""The owner of runs that change hosts; their label begins with the session's name."""

PLAN_OWNER = "harden plan"
"""The owner of runs that only look."""

_GOOD = (Standing.WELL.value, HostState.ANSWERED.value)
_STOPPED = "stopped before its turn"

type Reader = Callable[[Mapping[str, object]], tuple[GroupFix, ...]]
"""Finds the groups in a role's report."""

type Judge = Callable[[HostResult], HostFix]
"""What one host came to at the end of its run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How the results of one playbook are read; ``back`` when it takes back."""

    groups: Reader = groups_in
    host: Judge = host_of
    back: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """All hosts of the run in order; ``unrecorded`` is the ledger's error when it does not have
    everything, ``trouble`` the error of runs that never became a play."""

    hosts: tuple[HostFix, ...]
    interrupted: bool
    unrecorded: StorewardenError | None = None
    trouble: str = ""


class _Draining:
    """A runner that starts nothing more once it was asked to stop; what runs goes on."""

    def __init__(self, runner: Runner, stop: threading.Event) -> None:
        self._runner = runner
        self._stop = stop

    def announce(self, run: PlaybookRun) -> None:
        self._runner.announce(run)

    def start(self, run: PlaybookRun) -> str:
        """Start, unless stopped."""
        if self._stop.is_set():
            raise Refused(_STOPPED)
        return self._runner.start(run)

    def follow(self, run_id: str) -> Iterator[RunEvent]:
        return self._runner.follow(run_id)

    def result(self, run_id: str) -> RunResult:
        return self._runner.result(run_id)

    def cancel(self, run_id: str) -> None:
        self._runner.cancel(run_id)

    def recover(self) -> tuple[FoundRun, ...]:
        return self._runner.recover()

    def release(self, run_id: str) -> None:
        self._runner.release(run_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How hosts are gone through; with ``canary`` one of them goes first, alone."""

    stop: threading.Event
    shard_size: int
    at_once: int | None
    canary: bool = False


def pace(audit: AuditRequest, stop: threading.Event, *, canary: bool = False) -> Pace:
    """As fast as audits go."""
    return Pace(stop=stop, shard_size=audit.shard_size, at_once=audit.at_once, canary=canary)


MOST_CANARIES = 3
"""Hosts that are asked one after the other when they do not answer; then it is our network."""


@dataclass(slots=True, kw_only=True)
class Gathering:
    """One run over a fleet. Without ``session`` nothing is journaled (a plan)."""

    runner: Runner
    clock: Clock
    journal: HardenJournal
    session: Session | None
    hosts: tuple[str, ...]
    watch: HardenWatcher
    contact: Contact
    manner: Manner = field(default_factory=Manner)
    _known: dict[str, HostFix] = field(default_factory=dict)
    _ended: dict[str, HostFix] = field(default_factory=dict)
    _error: StorewardenError | None = None

    def run(self, run: PlaybookRun, pace: Pace) -> Gathered:
        """Run to the end; every host of the run is in the answer."""
        results, names = self._canary(run, pace) if pace.canary else ([], self.hosts)
        if names:
            results.append(self._part(run, names, pace))
        stopped = pace.stop.is_set()
        failed = (result for result in results if result.outcome is RunOutcome.ERROR)
        return Gathered(
            hosts=tuple(self._ended[name] for name in self.hosts),
            interrupted=stopped or any(each.outcome is RunOutcome.CANCELLED for each in results),
            unrecorded=self._error,
            trouble=next((result.error for result in failed), ""),
        )

    def _canary(self, run: PlaybookRun, pace: Pace) -> tuple[list[RunResult], tuple[str, ...]]:
        """One host alone; the runs so far, and the hosts that may follow it.

        A host that is away or busy says nothing, so the next one is asked. When the first one that
        answers was taken back, or nobody knows what became of it, the others are left alone.
        """
        results: list[RunResult] = []
        names, why = self.hosts, ""
        while names and not why and len(results) < MOST_CANARIES:
            first, names = names[0], names[1:]
            results.append(self._part(run, (first,), pace))
            if pace.stop.is_set() or results[-1].outcome is RunOutcome.ERROR:
                why = _STOPPED if pace.stop.is_set() else "not begun: the first run failed"
            elif self._ended[first].warns:
                why = f"not begun: {first} went first and was not kept; look at it"
            elif not self._ended[first].silent:
                return results, names
        why = why or "not begun: none of the first hosts could be reached"
        for name in names:
            self._end(name, HostResult(host=name, status=HostStatus.SKIPPED, message=why))
        return results, ()

    def _part(self, run: PlaybookRun, names: tuple[str, ...], pace: Pace) -> RunResult:
        """Some of the hosts, to their end."""
        part = replace(run, inventory=run.inventory.only(names))
        try:
            result = self._followed(part, pace.stop, pace.shard_size, pace.at_once)
        except StorewardenError as error:  # not one shard could be started
            result = _unstarted(part, error, stopped=pace.stop.is_set())
        for name in names:
            self._end(name, result.hosts.get(name))
        if self._error is None:
            self._release(run_ids(result))
        return result

    def _followed(
        self, run: PlaybookRun, stop: threading.Event, shard_size: int, at_once: int | None
    ) -> RunResult:
        told, result = stop.is_set(), None
        runner = _Draining(self.runner, stop)
        for news in run_sharded(runner, run, shard_size=shard_size, at_once=at_once):
            if stop.is_set() and not told:
                told = True
                self._warn("hosts under way end their groups, no other begins; again to break off")
            if isinstance(news, RunResult):
                result = news
            else:
                self._event(news[1])
        assert result is not None, "a sharded run ends with its result"  # noqa: S101
        return result

    def _event(self, event: RunEvent) -> None:
        if not event.host or not event.report:
            return
        self.contact(event.host, event.report)
        groups = self.manner.groups(event.report)
        if not groups:
            return
        known = self._known.get(event.host)
        before = known.groups if known else ()
        merged = HostFix(host=event.host, state=HostState.UNKNOWN, groups=before).merged(groups)
        self._known[event.host] = HostFix(host=event.host, state=HostState.ANSWERED, groups=merged)
        self._record(self._known[event.host])
        for group in groups:
            if group not in before:
                self._show_group(event.host, group)

    def _end(self, name: str, found: HostResult | None) -> None:
        """A host's end: what its run says, over what its events said."""
        said = found or HostResult(
            host=name, status=HostStatus.UNKNOWN, message="the run says nothing of this host"
        )
        host = self.manner.host(said)
        self._ended[name] = host
        self._record(host)
        words = [self._word(each) for each in self._ended.values()]
        bad = sum(word not in _GOOD for word in words)
        self._progress(Step.HOST, name, state=words[-1], message=host.message, bad=bad)

    def _word(self, host: HostFix) -> str:
        """How a host did, for people who watch; a plan is told by its groups."""
        if self.session is None:
            return host.state.value
        return host.standing(back=self.manner.back).value

    def _record(self, host: HostFix) -> None:
        """Also after a failure: space may be free again."""
        if self.session is None:
            return
        try:
            self.journal.note(self.session, host)
        except StorewardenError as error:
            if self._error is None:
                self._warn(f"not recorded: {error}")
            self._error = error

    def _release(self, runs: Sequence[str]) -> None:
        for run in runs:
            try:
                self.runner.release(run)
            except StorewardenError as error:
                self._warn(f"run {run} stays: {error}")

    def _show_group(self, host: str, group: GroupFix) -> None:
        message = group.reason.get("en", "")
        self._progress(
            Step.GROUP, host, group=group.group, state=group.outcome.value, message=message
        )

    def _progress(self, step: Step, host: str, *, bad: int = 0, **fields: str) -> None:
        name = self.session.name if self.session else ""
        self.watch(
            HardenProgress(
                step=step,
                session=name,
                host=host,
                done=len(self._ended),
                bad=bad,
                total=len(self.hosts),
                **fields,
            )
        )

    def _warn(self, message: str) -> None:
        self.watch(HardenProgress(step=Step.WARNING, message=message))


def _unstarted(run: PlaybookRun, error: StorewardenError, *, stopped: bool) -> RunResult:
    """A run of which nothing happened, on any host."""
    outcome = RunOutcome.CANCELLED if stopped else RunOutcome.ERROR
    hosts = {
        name: HostResult(host=name, status=HostStatus.SKIPPED, message=error.what)
        for name in run.inventory.hosts
    }
    return RunResult(run_id="", outcome=outcome, hosts=hosts, error=str(error))


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """Brings in what cut off hardenings left: adopts live runs, collects ended ones."""

    runner: Runner
    clock: Clock
    journal: HardenJournal
    watch: HardenWatcher
    contact: Contact
    claims: Claims
    manners: Mapping[str, Manner]
    """How runs are read, by the deed of their session."""

    def collect(self, change: str) -> tuple[Session, ...]:
        """Record what runs of this change's sessions came to, and close those sessions; which.

        The caller holds the change's claim, so nobody alive drives them. Runs that only looked
        are let go, whoever started them, once they have ended.
        """
        closed = []
        runs = self._runs()
        for session in self.journal.open_sessions(change):
            for found in runs.get(session.name, ()):
                self._take(session, found)
            self.journal.end(session, self.clock.now(), "interrupted")
            self._say(session, f"{session.name} was cut off; what its hosts did is recorded")
            closed.append(session)
        self._let_go(change, runs)
        return tuple(closed)

    def _runs(self) -> dict[str, list[FoundRun]]:
        runs: dict[str, list[FoundRun]] = {}
        for found in self.runner.recover():
            if found.owner == OWNER and found.label:
                runs.setdefault(found.label.split()[0], []).append(found)
            elif found.owner == PLAN_OWNER and found.phase is not RunPhase.LIVE:
                self._drop_plan(found)
        return runs

    def _drop_plan(self, found: FoundRun) -> None:
        """Unless somebody alive still reads it."""
        plan = found.label.split()[0] if found.label else found.run_id
        if self.claims.take(plan):
            try:
                self._release(found.run_id)
            finally:
                self.claims.drop(plan)

    def _take(self, session: Session, found: FoundRun) -> None:
        if found.phase is RunPhase.LIVE:
            self._say(session, f"waiting for {len(found.hosts)} hosts of {session.name}")
        result = self.runner.result(found.run_id)
        manner = self.manners.get(session.deed.value, Manner())
        for host in result.hosts.values():
            if host.host in session.hosts:
                self.contact(host.host, host.report)
                self.journal.note(session, manner.host(host))

    def _let_go(self, change: str, runs: Mapping[str, Sequence[FoundRun]]) -> None:
        """Runs of ended sessions of this change: all of them is in the journal."""
        for name, mine in runs.items():
            session = self.journal.session(name) if name.startswith(f"{change}.") else None
            if session is not None and self.journal.has_ended(session):
                for found in mine:
                    self._release(found.run_id)

    def _release(self, run: str) -> None:
        try:
            self.runner.release(run)
        except StorewardenError as error:
            self.watch(HardenProgress(step=Step.WARNING, message=f"run {run} stays: {error}"))

    def _say(self, session: Session, message: str) -> None:
        self.watch(HardenProgress(step=Step.COLLECTED, session=session.name, message=message))
