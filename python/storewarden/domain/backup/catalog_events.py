# SPDX-License-Identifier: GPL-3.0-or-later
"""What may happen to the catalog: each an entry of the journal, never taken back.

``received`` and ``at`` are the catalog's own clock; what a host says of its time is kept beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from storewarden.domain.backup.catalog import (
    BackupSet,
    DrillRecord,
    Run,
    RunEnd,
)
from storewarden.domain.backup.policy import Level


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBegan:
    """A run was ordered; written before the host hears of it."""

    run: Run


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """How it came out. A run ends once; whoever tells it again changes nothing."""

    run: str
    at: datetime
    end: RunEnd
    reason: str = ""
    reason_zh: str = ""
    set: str = ""
    seconds: float = 0.0
    tool_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFound:
    """A set came into the catalog, without copies; those are told one by one."""

    set: BackupSet


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySeen:
    """Somebody looked at a copy, or made it. A level is never taken down by a look that was not as
    deep; ``damaged`` is, and stays until a look of level READ or deeper finds it whole. With
    ``doubt`` somebody wanted to look as deep as ``level`` and could not, which says why."""

    set: str
    location: str
    at: datetime
    level: Level
    damaged: str = ""
    immutable_until: datetime | None = None
    doubt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyGone:
    """A copy was removed, by an approved deletion (``by`` is its number) or by somebody unknown
    ("")."""

    set: str
    location: str
    at: datetime
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """A rehearsal has ended."""

    drill: DrillRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldChanged:
    """A set was put under legal hold, or released from it."""

    set: str
    at: datetime
    hold: bool
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionProposed:
    """Sets were proposed to go."""

    number: str
    at: datetime
    sets: tuple[str, ...]
    digest: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionDecided:
    """Somebody else said yes or no; or it was withdrawn, because the list was not the same."""

    number: str
    at: datetime
    state: str
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionEnded:
    """What was removed ("SET@LOCATION") and what was not, with the reason."""

    number: str
    at: datetime
    gone: tuple[str, ...]
    left: tuple[tuple[str, str], ...] = ()


type CatalogEvent = (
    RunBegan
    | RunEnded
    | SetFound
    | CopySeen
    | CopyGone
    | Drilled
    | HoldChanged
    | DeletionProposed
    | DeletionDecided
    | DeletionEnded
)
