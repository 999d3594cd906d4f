# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders go to hosts, and what came of them goes into the catalog.

A run is written down before its host hears of it; its end, its sets and its copies in one step
after; only then the host may forget. Whoever comes after a crash finds the open runs and asks their
hosts. A report may come twice: the catalog leaves out what it knows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from storewarden.domain.backup.catalog import Catalog, Run, RunEnd, Target, Verb
from storewarden.domain.backup.catalog_events import CatalogEvent
from storewarden.domain.errors import LedgerConflict
from storewarden.flows.backup_outcome import Known, as_ended, ended, events_of, part_of
from storewarden.ports.backup_catalog import BackupCatalog
from storewarden.ports.backup_hosts import BackupHosts, BackupOrder, JobReport, JobSeen, JobState
from storewarden.ports.clock import Clock

GRACE = timedelta(minutes=2)
"""How long a host may know nothing of a job: the order may still be on its way. Chosen."""

OVERDUE = timedelta(hours=1)
"""How long after a job's own deadline its host may stay away before nobody waits. Chosen."""

GIVEN_UP = "nobody heard of it"
"""What the reason of a run begins with whose host stayed away: the job may have ended there."""

_SECONDS = 6 * 3600.0  # ports.backup_hosts: BackupOrder.seconds
_FIRST, _LONGEST = 1.0, 30.0
_PARTS_BACK = timedelta(days=62)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An order with what the catalog wants to know of it."""

    order: BackupOrder
    night: str = ""
    by: str = ""
    change: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkParts:
    """What working needs. ``again`` makes the order of a run that is known from the catalog, None
    when its policy left the settings; ``home`` names the place of a target's own repository;
    ``wait`` sleeps so many seconds and says whether somebody wants to stop."""

    catalog: BackupCatalog
    hosts: BackupHosts
    clock: Clock
    again: Callable[[Run], BackupOrder | None]
    home: Callable[[Target], str]
    wait: Callable[[float], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one order stands. ``run.end`` None: it goes on; ``state`` is what its host said last."""

    run: Run
    state: JobState
    en: str = ""
    zh: str = ""
    report: JobReport | None = None


type Told = Callable[[Outcome], None]


def run_name(target: Target, verb: Verb, location: str, at: datetime, part: tuple[int, int]) -> str:
    """The id of a run: when, what, which part of how many, and a few letters of whose."""
    mark = hashlib.sha256(f"{target.name}@{location}@{at.isoformat()}".encode()).hexdigest()[:10]
    which = f"{part[0]}of{part[1]}-" if part[1] > 1 else ""
    return f"{at:%Y%m%dT%H%M%SZ}-{verb.value}-{which}{mark}"


def run_of(asked: Asked, now: datetime) -> Run:
    """The catalog's record of an order."""
    order = asked.order
    return Run(
        id=order.run,
        target=order.target,
        kind=order.kind,
        began=now,
        verb=order.verb,
        location=order.location,
        sets=order.sets,
        level=order.level,
        night=asked.night,
        by=asked.by,
        change=asked.change,
    )


def begin(parts: WorkParts, asked: Sequence[Asked]) -> tuple[Outcome, ...]:
    """Write the runs down and hand the orders over; how each stands afterwards. What somebody else
    has under way already comes back as busy, and is not written down again."""
    wanted = {each.order.run: run_of(each, parts.clock.now()) for each in asked}
    fresh = {each.id for each in parts.catalog.begin(list(wanted.values()))}
    orders = [each.order for each in asked if each.order.run in fresh]
    seen = parts.hosts.begin(orders) if orders else {}
    found = _settled(parts, {run: wanted[run] for run in fresh}, orders, seen)
    return tuple(found.get(name) or _others(run) for name, run in wanted.items())


def collect(parts: WorkParts, runs: Sequence[Run]) -> tuple[Outcome, ...]:
    """Ask about open runs and record what has ended; the host forgets only then."""
    orders = {run.id: parts.again(run) for run in runs}
    there = [each for each in orders.values() if each is not None]
    seen = dict(parts.hosts.collect(there)) if there else {}
    for run in runs:
        if orders[run.id] is None:  # whom to ask left the settings
            seen[run.id] = JobSeen(run=run.id, state=JobState.UNREACHABLE)
    found = _settled(parts, {run.id: run for run in runs}, there, seen)
    return tuple(found[run.id] for run in runs)


def recover(parts: WorkParts) -> tuple[Outcome, ...]:
    """Every open run of the catalog, whoever began it: collected, left to go on, or ended."""
    return collect(parts, parts.catalog.open_runs())


def ordered(
    parts: WorkParts, asked: Sequence[Asked], told: Told = lambda _outcome: None
) -> tuple[Outcome, ...]:
    """Begin and wait for every end. When somebody wants to stop, what runs goes on by itself and
    is collected later."""
    begun = begin(parts, asked)
    for each in begun:
        told(each)
    return awaited(parts, begun, told)


def awaited(
    parts: WorkParts, begun: Sequence[Outcome], told: Told = lambda _outcome: None
) -> tuple[Outcome, ...]:
    """Ask for what goes on until it has ended, less and less often."""
    found = {each.run.id: each for each in begun}
    pause = _FIRST
    while waiting := [each.run for each in found.values() if each.run.end is None]:
        if parts.wait(pause):
            break
        pause = min(pause * 1.5, _LONGEST)
        for each in collect(parts, waiting):
            if each.run.end is not None or each.state is not found[each.run.id].state:
                told(each)
            found[each.run.id] = each
    return tuple(found[each.run.id] for each in begun)


def stop(parts: WorkParts, run: Run) -> Outcome:
    """End a run in the middle; what its host says then."""
    order = parts.again(run)
    if order is not None:
        parts.hosts.stop([order])
    return collect(parts, [run])[0]


def _others(run: Run) -> Outcome:
    en, zh = "another run of it is under way", "已有相同的任务在进行"
    return Outcome(
        run=as_ended(run, ended(_bare(run), RunEnd.BUSY, en, zh)),
        state=JobState.REFUSED,
        en=en,
        zh=zh,
    )


def _bare(run: Run) -> Known:
    return Known(run=run, catalog=Catalog(), policy=None, home="", now=run.began)


def _settled(
    parts: WorkParts,
    runs: Mapping[str, Run],
    orders: Sequence[BackupOrder],
    seen: Mapping[str, JobSeen],
) -> dict[str, Outcome]:
    """Record what has ended, each run by itself: one that cannot be recorded holds up no other."""
    of = {each.run: each for each in orders}
    found, over = dict[str, Outcome](), list[str]()
    for name, run in runs.items():
        job = seen.get(name) or JobSeen(run=name, state=JobState.UNREACHABLE)
        events = _recorded(parts, run, of.get(name), job)
        if events:
            over.append(name)
        after = as_ended(run, events)
        found[name] = Outcome(
            run=after,
            state=job.state,
            en=after.reason or job.reason,
            zh=after.reason_zh or job.reason_zh,
            report=job.report,
        )
    heard = [each for each in orders if each.run in over and _has_it(seen.get(each.run))]
    if heard:
        parts.hosts.forget(heard)
    return found


def _has_it(job: JobSeen | None) -> bool:
    return job is not None and job.state in (JobState.ENDED, JobState.LOST)


def _recorded(
    parts: WorkParts, run: Run, order: BackupOrder | None, job: JobSeen
) -> tuple[CatalogEvent, ...]:
    """What was recorded of a job as it was found. A report that says what cannot have happened ends
    its run all the same: it would be refused for ever."""
    events = _events(parts, run, order, job)
    try:
        parts.catalog.record(events)
    except LedgerConflict as error:
        en, zh = f"its report does not fit: {error.what}", f"报告与目录不符：{error.what}"
        known = known_of(parts, run, order, parts.clock.now())
        events = ended(known, RunEnd.REJECTED, en, zh)
        parts.catalog.record(events)
    return events


def _events(
    parts: WorkParts, run: Run, order: BackupOrder | None, job: JobSeen
) -> tuple[CatalogEvent, ...]:
    """What is to be recorded; nothing while it may still go on."""
    now = parts.clock.now()
    if job.state is JobState.ENDED and job.report is not None:
        return events_of(known_of(parts, run, order, now), job.report)
    deadline = run.began + timedelta(seconds=order.seconds if order else _SECONDS) + OVERDUE
    end = _without_report(run, job, now, deadline)
    if end is None:
        return ()
    return ended(known_of(parts, run, order, now), *end)


def _without_report(
    run: Run, job: JobSeen, now: datetime, deadline: datetime
) -> tuple[RunEnd, str, str] | None:
    if job.state is JobState.REFUSED:
        told = str(job.done.get("end"))
        end = RunEnd(told) if told in set(RunEnd) else RunEnd.FAILED
        return end, job.reason or "the host refused it", job.reason_zh or "主机拒绝执行"
    if job.state is JobState.LOST and now - run.began > GRACE:
        return RunEnd.INTERRUPTED, "it was cut off on its host", "任务在主机上中断"
    if job.state is JobState.ABSENT and now - run.began > GRACE:
        return RunEnd.INTERRUPTED, "its host never heard of it", "主机未收到该任务"
    if job.state is JobState.UNREACHABLE and now > deadline:
        why, why_zh = job.reason or "its host did not answer", job.reason_zh or "主机无响应"
        return RunEnd.INTERRUPTED, f"{GIVEN_UP}: {why}", f"结果未知：{why_zh}"
    return None


def known_of(parts: WorkParts, run: Run, order: BackupOrder | None, now: datetime) -> Known:
    """What a report of a run is read against."""
    before: Iterable[Run] = ()
    if part_of(run.id)[1] > 1:
        target = run.target
        before = parts.catalog.runs(
            host=target.host, policy=target.policy, verb=run.verb, since=now - _PARTS_BACK
        )
    return Known(
        run=run,
        catalog=parts.catalog.of([run.target]),
        policy=order.policy if order else None,
        home=parts.home(run.target),
        now=now,
        before=tuple(before),
    )
