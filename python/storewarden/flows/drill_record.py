# SPDX-License-Identifier: GPL-3.0-or-later
"""A rehearsal that has come back, read together with what the catalog wrote down of it.

One that failed is recorded like one that passed. One that never began (somebody else was at work on
the target, its host is away) is none, and is told as such.
"""

from __future__ import annotations

from dataclasses import dataclass

from storewarden.domain.backup.catalog import DrillRecord, RunEnd
from storewarden.domain.backup.policy import Level
from storewarden.flows.backup_work import Outcome
from storewarden.ports.backup_hosts import BackupOrder

_ELSEWHERE = frozenset({RunEnd.DONE, RunEnd.FAILED, RunEnd.REJECTED, RunEnd.AUTH})
"""Ends after which another copy may well do better; room and interruptions are the host's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """One order and what came of it; ``record`` is None when nothing was rehearsed, ``elsewhere``
    when another copy may do better."""

    order: BackupOrder
    record: DrillRecord | None
    reason: str = ""
    reason_zh: str = ""
    elsewhere: bool = False

    @property
    def passed(self) -> bool:
        """Whether it proved its copy."""
        return self.record is not None and self.record.passed


def rehearsal_of(
    order: BackupOrder, outcome: Outcome | None, record: DrillRecord | None
) -> Rehearsal:
    """What an order came to; ``record`` is the catalog's, None when there is none."""
    if outcome is None or record is None:
        en = (outcome.en if outcome else "") or "its host has not told yet how it came out"
        zh = (outcome.zh if outcome else "") or "主机尚未返回结果"
        return Rehearsal(order=order, record=None, reason=en, reason_zh=zh)
    told = outcome.report.drill if outcome.report is not None else None
    spoilt = told is None or not told.passed or told.level < Level.STARTED
    return Rehearsal(
        order=order,
        record=record,
        reason=record.reason,
        reason_zh=outcome.zh or record.reason,
        elsewhere=not record.passed and spoilt and outcome.run.end in _ELSEWHERE,
    )
