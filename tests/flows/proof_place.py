# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets in a real ledger, with copies in three places, and hosts that answer what a test says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta

from storewarden.adapters.ledger.sql import SqlLedger
from storewarden.domain.backup.catalog import (
    BackupSet,
    DrillRecord,
    Location,
    RunEnd,
    Target,
    Verb,
)
from storewarden.domain.backup.catalog_events import CatalogEvent, CopySeen, SetFound
from storewarden.domain.backup.policy import (
    BackupTier,
    CopyWanted,
    Drill,
    Every,
    Level,
    Method,
    Policy,
    Retention,
    Selector,
    SetKind,
    Step,
    Verify,
)
from storewarden.flows.backup_work import Asked, Outcome, WorkParts, ordered
from storewarden.ports.backup_hosts import BackupOrder, JobReport, SeenSet
from storewarden.testing.backup_hosts import FakeBackupHosts
from storewarden.testing.ledger import ManualClock

NOW = datetime(2026, 6, 1, 15, 30, tzinfo=UTC)  # 23:30 in Shanghai
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
TILL = Target(host="pos01", policy="tills")
OTHER = Target(host="pos02", policy="tills")
PLACES = ("host", "hub", "away")
LOCATIONS = {
    "host": Location(name="host", medium="disk", credentials="store", point=(31.23, 121.47)),
    "hub": Location(name="hub", medium="nas", credentials="hub", point=(31.30, 121.50)),
    "away": Location(name="away", medium="object", credentials="away", point=(39.90, 116.40)),
}
POLICY = Policy(
    id="tills",
    tier=BackupTier.POS_DATABASE,
    method=Method.SQLITE,
    selector=Selector(),
    window=(time(1), time(5)),
    schedule=(Step(kind=SetKind.FULL, every=Every.DAY),),
    rpo=timedelta(hours=25),
    rto=timedelta(minutes=10),
    copies=(
        CopyWanted(location="host"),
        CopyWanted(location="hub"),
        CopyWanted(location="away", immutable=30 * DAY),
    ),
    retention=Retention(keep=30 * DAY, fulls=2),
    verify=(Verify(level=Level.READ, every=7 * DAY),),
    drill=Drill(every=92 * DAY, sample=100),
)
AWAY = JobReport(run="", end=RunEnd.INTERRUPTED)
"""As an answer: the host does not answer at all."""


@dataclass
class ProofPlace:
    """``answers`` are asked for (verb, location) first; what nobody says goes well. ``orders`` is
    everything that hosts were asked for."""

    ledger: SqlLedger
    clock: ManualClock
    policy: Policy = POLICY
    answers: dict[tuple[Verb, str], JobReport] = field(default_factory=dict)
    orders: list[BackupOrder] = field(default_factory=list)
    immutable: bool = True

    def __post_init__(self) -> None:
        self.hosts = FakeBackupHosts(self.clock, self._report)

    def has(
        self,
        target: Target,
        at: datetime,
        *,
        received: datetime | None = None,
        kind: SetKind = SetKind.FULL,
        parent: str = "",
        places: Sequence[str] = PLACES,
        level: Level = Level.READ,
    ) -> str:
        """A set with copies that were seen an hour ago; its id."""
        ident = f"{target.name}/{at:%Y%m%dT%H%M%SZ}-{kind.value}"
        found = BackupSet(
            id=ident,
            target=target,
            kind=kind,
            taken=at,
            received=received or at,
            size=100 << 20,
            parent=parent,
            manifest="ab" * 32,
        )
        seen = self.clock.now() - HOUR
        events: list[CatalogEvent] = [SetFound(set=found)]
        events += [CopySeen(set=ident, location=each, at=seen, level=level) for each in places]
        self.ledger.backups.record(events)
        return ident

    def carry(self, orders: Sequence[BackupOrder], *, change: str = "") -> Mapping[str, Outcome]:
        """Written down, done by hosts in memory, recorded; nobody waits longer than an hour."""
        self.orders += orders
        asked = [Asked(order=each, by="wang", change=change) for each in orders]
        for order in orders:
            answer = self.answers.get((order.verb, order.location))
            self.hosts.host(order.on).away = -1 if answer is AWAY else 0
        stop = self.clock.now() + HOUR

        def wait(seconds: float) -> bool:
            return self.clock.advance(timedelta(seconds=seconds)) >= stop

        parts = WorkParts(
            catalog=self.ledger.backups,
            hosts=self.hosts,
            clock=self.clock,
            again=lambda run: next(each for each in self.orders if each.run == run.id),
            home=lambda _target: "host",
            wait=wait,
        )
        return {each.run.id: each for each in ordered(parts, asked)}

    def _report(self, order: BackupOrder) -> JobReport:
        answer = self.answers.get((order.verb, order.location)) or _well(order, self.immutable)
        drill = answer.drill
        if drill is not None:
            drill = replace(
                drill,
                id=order.run,
                target=order.target,
                set=order.sets[-1],
                location=order.location,
                began=self.clock.now(),
            )
        return replace(answer, run=order.run, drill=drill)


def failed(reason: str, end: RunEnd = RunEnd.FAILED) -> JobReport:
    """A job that ended badly."""
    return JobReport(run="", end=end, reason=reason)


def drilled(
    *,
    rto: timedelta = timedelta(minutes=2),
    rpo: timedelta | None = HOUR,
    passed: bool = True,
    level: Level = Level.PROVEN,
    differences: tuple[str, ...] = (),
) -> JobReport:
    """A rehearsal as a host tells of it."""
    record = DrillRecord(
        id="",
        target=TILL,
        set="",
        location="",
        began=NOW,
        passed=passed,
        level=level,
        rto=rto,
        rpo=rpo,
        phases={"fetch": 20.0, "restore": 60.0, "start": 10.0, "verify": 30.0},
        differences=differences,
    )
    return JobReport(run="", end=RunEnd.DONE, drill=record)


def _well(order: BackupOrder, immutable: bool) -> JobReport:
    if order.verb is Verb.DRILL:
        return drilled()
    if order.verb is Verb.TAKE:
        fresh = SeenSet(
            id=f"{order.target.name}/fresh", kind=SetKind.FULL, parent="", taken=NOW, size=100
        )
        return JobReport(run="", end=RunEnd.DONE, sets=(fresh,))
    if order.verb is Verb.PRUNE:
        return JobReport(run="", end=RunEnd.DONE, removed=order.sets)
    if order.verb is Verb.CANARY:
        return JobReport(run="", end=RunEnd.DONE, immutable=immutable)
    return JobReport(run="", end=RunEnd.DONE, kept=order.into, seconds=42.0)
