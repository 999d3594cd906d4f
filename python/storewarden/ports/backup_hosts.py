# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs on the stores' hosts: they are begun, run by themselves whatever happens to the line, and
are collected when the host can be reached again (docs/reference/backup-job.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from storewarden.domain.backup.catalog import DrillRecord, RunEnd, Target, Verb
from storewarden.domain.backup.policy import Level, Policy, SetKind


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupOrder:
    """One job. ``on`` is the host that does it: the target's own, or the trusted one of a place.
    ``sets`` are ids of the catalog, the newest last; ``part`` (k, n) reads the k-th of n parts."""

    run: str
    target: Target
    on: str
    verb: Verb
    policy: Policy
    kind: SetKind = SetKind.FULL
    parent: str = ""
    sets: tuple[str, ...] = ()
    location: str = ""
    level: Level = Level.CLAIMED
    part: tuple[int, int] = (1, 1)
    point: datetime | None = None
    disaster: datetime | None = None
    into: str = ""
    keep: bool = False
    kib: int = 0
    seconds: float = 6 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenSet:
    """A set as a host told of it; ``id`` and ``parent`` are the catalog's."""

    id: str
    kind: SetKind
    parent: str
    taken: datetime
    size: int
    manifest: str = ""
    level: Level = Level.CLAIMED
    damaged: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReport:
    """How a job came out, as its host told it, in the catalog's terms. ``skew`` is how far the
    host's clock is from ours, in seconds (more than 300 is told: reference, clock skew)."""

    run: str
    end: RunEnd
    reason: str = ""
    reason_zh: str = ""
    sets: tuple[SeenSet, ...] = ()
    removed: tuple[str, ...] = ()
    drill: DrillRecord | None = None
    kept: str = ""
    immutable: bool | None = None
    bytes: int = 0
    seconds: float = 0.0
    tool_seconds: float = 0.0
    tool: str = ""
    skew: float = 0.0
    notes: tuple[Mapping[str, str], ...] = ()


class JobState(StrEnum):
    """What is known of a job that was asked about."""

    RUNNING = "running"
    ENDED = "ended"  # there is a report
    REFUSED = "refused"  # the host did not begin it, and says why
    LOST = "lost"  # it was begun, and neither it nor its report is there any more
    ABSENT = "absent"  # the host never heard of it
    UNREACHABLE = "unreachable"  # the host did not answer; the job may well be running


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSeen:
    """One job as it was found; ``report`` with ENDED."""

    run: str
    state: JobState
    reason: str = ""
    reason_zh: str = ""
    report: JobReport | None = None
    done: Mapping[str, object] = field(default_factory=dict)


class BackupHosts(Protocol):
    """The way to the hosts."""

    def begin(self, orders: Sequence[BackupOrder]) -> Mapping[str, JobSeen]:
        """Hand the orders over, at most 50 hosts at a time; run id -> how it was found afterwards.
        An order that the host knows already is not begun again."""
        ...

    def collect(self, orders: Sequence[BackupOrder]) -> Mapping[str, JobSeen]:
        """Ask about jobs; what has ended brings its report and is kept on the host until
        ``forget``."""
        ...

    def forget(self, orders: Sequence[BackupOrder]) -> None:
        """What was recorded may go from the hosts."""
        ...

    def stop(self, orders: Sequence[BackupOrder]) -> Mapping[str, JobSeen]:
        """End jobs in the middle: TERM, 30 s, then all of it; they report ``interrupted``."""
        ...
