# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts in memory that take, copy and look, and lie like real ones: they are away, they lose jobs,
they tell twice, late, or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import RLock

from storewarden.domain.backup.catalog import DrillRecord, RunEnd, Target, Verb
from storewarden.domain.backup.policy import Level
from storewarden.ports.backup_hosts import BackupOrder, JobReport, JobSeen, JobState, SeenSet
from storewarden.ports.clock import Clock

type MakeReport = Callable[[BackupOrder], JobReport]


@dataclass(slots=True)
class FakeHost:
    """How one host behaves. ``away``: visits that it does not answer (a negative number: none is
    ever answered); ``deaf``: orders that it never hears though nobody notices; ``loses``: jobs that
    it begins and loses; ``refuses``: what it says instead of beginning, "" to begin; ``end`` and
    ``reason``: how its next jobs end; ``stubborn``: it forgets nothing."""

    away: int = 0
    deaf: int = 0
    loses: int = 0
    refuses: str = ""
    busy: bool = False
    end: RunEnd = RunEnd.DONE
    reason: str = ""
    takes: timedelta = timedelta(minutes=5)
    skew: float = 0.0
    damaged: Mapping[str, str] = field(default_factory=dict)
    stubborn: bool = False


@dataclass(slots=True)
class _Job:
    order: BackupOrder
    until: datetime
    lost: bool = False
    report: JobReport | None = None


class FakeBackupHosts:
    """``ports.backup_hosts.BackupHosts`` without hosts. ``asked`` counts visits by word and host,
    ``begun`` are the orders that hosts really began, ``sets`` what lies where (target, place)."""

    def __init__(self, clock: Clock, report: MakeReport | None = None) -> None:
        """``report`` makes what a job tells when it has ended, in place of the usual."""
        self._clock, self._make = clock, report or self._usual
        self._lock = RLock()
        self._jobs: dict[str, _Job] = {}
        self.hosts: dict[str, FakeHost] = {}
        self.asked: Counter[tuple[str, str]] = Counter()
        self.begun: list[BackupOrder] = []
        self.sets: dict[tuple[Target, str], dict[str, SeenSet]] = {}

    def host(self, name: str) -> FakeHost:
        """One host, to be told how to behave."""
        return self.hosts.setdefault(name, FakeHost())

    def jobs(self) -> tuple[str, ...]:
        """Runs that hosts still remember."""
        return tuple(self._jobs)

    def begin(self, orders: Sequence[BackupOrder]) -> Mapping[str, JobSeen]:
        """As the port says."""
        with self._lock:
            return {each.run: self._begin(each) for each in orders}

    def collect(self, orders: Sequence[BackupOrder]) -> Mapping[str, JobSeen]:
        """As the port says."""
        with self._lock:
            return {each.run: self._seen(each, "collect") for each in orders}

    def forget(self, orders: Sequence[BackupOrder]) -> None:
        """As the port says."""
        with self._lock:
            for each in orders:
                if self._answers(each, "forget") and not self.host(each.on).stubborn:
                    self._jobs.pop(each.run, None)

    def stop(self, orders: Sequence[BackupOrder]) -> Mapping[str, JobSeen]:
        """As the port says."""
        with self._lock:
            for each in orders:
                job = self._jobs.get(each.run)
                if job is not None and job.report is None:
                    job.until = self._clock.now()
                    job.report = JobReport(run=each.run, end=RunEnd.INTERRUPTED, reason="stopped")
            return {each.run: self._seen(each, "stop") for each in orders}

    def _answers(self, order: BackupOrder, word: str) -> bool:
        host = self.host(order.on)
        self.asked[word, order.on] += 1
        if host.away:
            host.away -= host.away > 0
            return False
        return True

    def _begin(self, order: BackupOrder) -> JobSeen:
        host = self.host(order.on)
        if not self._answers(order, "begin"):
            return JobSeen(run=order.run, state=JobState.UNREACHABLE, reason="no route to host")
        if host.refuses:
            done = {"end": "busy"} if host.busy else {}
            return JobSeen(run=order.run, state=JobState.REFUSED, reason=host.refuses, done=done)
        if host.deaf:
            host.deaf -= 1
            return JobSeen(run=order.run, state=JobState.ABSENT)
        if order.run not in self._jobs:
            self.begun.append(order)
            self._jobs[order.run] = _Job(
                order=order, until=self._clock.now() + host.takes, lost=host.loses > 0
            )
            host.loses -= host.loses > 0
        return self._state(order)

    def _seen(self, order: BackupOrder, word: str) -> JobSeen:
        if not self._answers(order, word):
            return JobSeen(run=order.run, state=JobState.UNREACHABLE, reason="no route to host")
        return self._state(order)

    def _state(self, order: BackupOrder) -> JobSeen:
        job = self._jobs.get(order.run)
        if job is None:
            return JobSeen(run=order.run, state=JobState.ABSENT)
        if job.lost:
            return JobSeen(run=order.run, state=JobState.LOST)
        if self._clock.now() < job.until:
            return JobSeen(run=order.run, state=JobState.RUNNING)
        job.report = job.report or self._make(job.order)
        return JobSeen(run=order.run, state=JobState.ENDED, report=job.report)

    def _usual(self, order: BackupOrder) -> JobReport:
        """What a host tells whose tools work, or that fails as it was told to."""
        host = self.host(order.on)
        if host.end is not RunEnd.DONE:
            return JobReport(run=order.run, end=host.end, reason=host.reason, skew=host.skew)
        drill = self._drilled(order) if order.verb is Verb.DRILL else None
        sets = () if drill else self._worked(order)
        return JobReport(
            run=order.run,
            end=RunEnd.DONE,
            sets=sets,
            drill=drill,
            seconds=host.takes.total_seconds(),
            skew=host.skew,
            tool="fake 1.0",
        )

    def _worked(self, order: BackupOrder) -> tuple[SeenSet, ...]:
        here = self.sets.setdefault((order.target, order.location), {})
        if order.verb is Verb.TAKE:
            made = self._taken(order)
            here[made.id] = made
            return (made,)
        if order.verb is Verb.COPY:
            everything = (each for (of, _), sets in self.sets.items() if of == order.target
                          for each in sets.values())  # fmt: skip
            here |= {each.id: each for each in everything if each.id in order.sets}
        level = order.level if order.verb is Verb.VERIFY else Level.PRESENT
        bad = self.host(order.on).damaged
        return tuple(
            SeenSet(
                id=each.id, kind=each.kind, parent=each.parent, taken=each.taken, size=each.size,
                level=Level.CLAIMED if each.id in bad else level, damaged=bad.get(each.id, ""),
            )
            for each in here.values()
        )  # fmt: skip

    def _taken(self, order: BackupOrder) -> SeenSet:
        now = self._clock.now() + timedelta(seconds=self.host(order.on).skew)
        return SeenSet(
            id=f"{order.target.name}/{now:%Y%m%dT%H%M%S%fZ}-{order.kind.value}",
            kind=order.kind,
            parent=order.parent,
            taken=now,
            size=1000,
            level=Level.PRESENT,
        )

    def _drilled(self, order: BackupOrder) -> DrillRecord:
        return DrillRecord(
            id=order.run,
            target=order.target,
            set=order.sets[-1] if order.sets else "",
            location=order.location,
            began=self._clock.now() - self.host(order.on).takes,
            passed=True,
            level=order.level,
            rto=timedelta(minutes=3),
        )
