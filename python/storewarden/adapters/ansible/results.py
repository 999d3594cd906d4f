# SPDX-License-Identifier: GPL-3.0-or-later
"""The result on disk, and back.

Reports stay in the event file, where the play itself wrote them: they may be
half a megabyte per host, and one copy cannot disagree with another.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import cast

from storewarden.adapters.ansible import eventlog
from storewarden.adapters.ansible.rundir import Request, RunDir, read_json, write_json
from storewarden.adapters.ansible.verdict import Evidence, Track, fold, judge
from storewarden.ports.runner import HostResult, HostStatus, RunOutcome, RunResult


def write_result(run: RunDir, request: Request, evidence: Evidence, left: tuple[int, ...]) -> None:
    """Judge, write the result by rename, then say so in the event file."""
    outcome, error, hosts = judge(evidence, fold(eventlog.records(run.events)))
    if left:
        still = f"processes that could not be ended: {', '.join(map(str, left))}"
        error = f"{error}; {still}" if error else still
    ended = time.time()
    write_json(
        run.result_file,
        {
            "outcome": outcome.value,
            "error": error,
            "started": request.started,
            "ended": ended,
            "hosts": {name: _flat(host) for name, host in hosts.items()},
        },
    )
    eventlog.append(run.events, "finished", ended, message=error or outcome.value)


def _flat(host: HostResult) -> dict[str, str]:
    return {"status": host.status.value, "message": host.message, "task": host.task}


def read_result(run: RunDir) -> RunResult | None:
    """The result with the reports, or None when there is none."""
    found = read_json(run.result_file)
    if found is None:
        return None
    track = fold(eventlog.records(run.events))
    hosts = cast("Mapping[str, Mapping[str, str]]", found["hosts"])
    return RunResult(
        run_id=run.path.name,
        outcome=RunOutcome(found["outcome"]),
        error=str(found["error"]),
        started=eventlog.moment(found["started"]),
        ended=eventlog.moment(found["ended"]),
        hosts={name: _host(name, flat, track) for name, flat in hosts.items()},
    )


def _host(name: str, flat: Mapping[str, str], track: Track) -> HostResult:
    seen = track.hosts.get(name)
    return HostResult(
        host=name,
        status=HostStatus(flat["status"]),
        message=flat["message"],
        task=flat["task"],
        report=seen.report if seen else {},
    )


def lost_result(run: RunDir, request: Request, evidence: Evidence, now: datetime) -> RunResult:
    """What can be said of a run that nobody watched to its end."""
    outcome, error, hosts = judge(evidence, fold(eventlog.records(run.events)))
    return RunResult(
        run_id=request.run_id,
        outcome=outcome,
        error=error,
        started=eventlog.moment(request.started),
        ended=None if evidence.playing else now,
        hosts=hosts,
    )
