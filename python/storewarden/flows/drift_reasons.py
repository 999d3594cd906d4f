# SPDX-License-Identifier: GPL-3.0-or-later
"""Which change explains a drift: the record of changes beside the record of audits.

Drift that no change explains is what somebody has to look at (guide 2.2: production
is changed through the tool only, never by hand).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from storewarden.domain.baseline.drift import ChangeSpan, explained
from storewarden.domain.change.record import Change
from storewarden.ports.changes import ChangeBook
from storewarden.ports.reports import AuditReport

type Sessions = Callable[[Change], Iterable[ChangeSpan]]
"""When the runs of a standing change worked, and on which hosts: it is never started itself."""


def no_sessions(_change: Change) -> Iterable[ChangeSpan]:
    """Nobody knows."""
    return ()


def with_reasons(
    report: AuditReport, book: ChangeBook, sessions: Sessions = no_sessions
) -> AuditReport:
    """The report with the number of its change at every drift that has one."""
    if not report.drift:
        return report
    # Asked host by host: years of changes lie behind the few that touched these.
    found = {
        change.number: change
        for host in sorted({drift.host for drift in report.drift})
        for change in book.changes(host=host)
    }
    standing = [each for each in found.values() if each.standing is not None]
    runs = (span for change in standing for span in sessions(change))
    return replace(report, drift=explained(report.drift, (*spans(found.values()), *runs)))


def spans(changes: Iterable[Change]) -> tuple[ChangeSpan, ...]:
    """When each of them worked on its hosts; those that never began are left out."""
    return tuple(
        ChangeSpan(
            number=change.number,
            hosts=frozenset(change.hosts),
            start=change.started_at,
            until=change.ended_at,
        )
        for change in changes
        if change.started_at is not None
    )
