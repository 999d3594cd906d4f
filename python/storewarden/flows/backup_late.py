# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that nobody waited for any more: their host was away longer than anybody is patient.

Such a job goes on by itself, and its report lies on its host. When the host answers again it is
asked: what the job found goes into the catalog, the host forgets it, and the run stays a failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from storewarden.domain.backup.catalog import Run, RunEnd
from storewarden.domain.errors import LedgerConflict
from storewarden.flows.backup_outcome import events_of
from storewarden.flows.backup_work import GIVEN_UP, Outcome, WorkParts, known_of
from storewarden.ports.backup_hosts import BackupOrder, JobReport, JobSeen, JobState

_KEPT = timedelta(days=60)
"""How long a host keeps what nobody came back for (module_utils/backup_jobs/visit.py)."""


def late(parts: WorkParts, hosts: Sequence[str]) -> tuple[Outcome, ...]:
    """Ask about the given-up jobs of these hosts' targets; how each was found."""
    since = parts.clock.now() - _KEPT
    runs = [
        each
        for host in hosts
        for each in parts.catalog.runs(host=host, since=since)
        if _given_up(each)
    ]
    orders = {run.id: parts.again(run) for run in runs}
    there = [each for each in orders.values() if each is not None]
    seen = parts.hosts.collect(there) if there else {}
    found, over = list[Outcome](), list[BackupOrder]()
    for run in runs:
        order, job = orders[run.id], seen.get(run.id)
        if order is None or job is None:
            continue
        _record(parts, run, order, job)
        if job.state in (JobState.ENDED, JobState.LOST):
            over.append(order)
        found.append(Outcome(run=run, state=job.state, report=job.report))
    if over:
        parts.hosts.forget(over)
    return tuple(found)


def _given_up(run: Run) -> bool:
    return run.end is RunEnd.INTERRUPTED and run.reason.startswith(GIVEN_UP)


def _record(parts: WorkParts, run: Run, order: BackupOrder, job: JobSeen) -> None:
    """A run ends once, so its end stays what it is; a report that does not fit is dropped."""
    if job.state is not JobState.ENDED or job.report is None:
        return
    now = parts.clock.now()
    known = replace(known_of(parts, run, order, now), now=_when(run, job.report, now), heard=now)
    try:
        parts.catalog.record(events_of(known, job.report))
    except LedgerConflict:
        return


def _when(run: Run, report: JobReport, now: datetime) -> datetime:
    """When the job ended, by the clock of the catalog: what it saw, it saw then and not today."""
    return min(now, run.began + timedelta(seconds=max(report.seconds, 0.0)))
