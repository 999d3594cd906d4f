# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a hardening has come, as data; who watches decides how to show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from storewarden.flows.audit_progress import Progress, Watcher
from storewarden.flows.audit_progress import Step as AuditStep


class Step(Enum):
    """What happened."""

    AUDIT = "audit"  # an audit before or after goes on; ``done`` of ``total`` hosts
    BEGUN = "begun"  # fixing (or undoing) begins on ``total`` hosts
    GROUP = "group"  # one apply group of one host has ended; ``state`` is its outcome
    HOST = "host"  # one host is done; ``state`` tells how
    COLLECTED = "collected"  # a run of an earlier, cut off hardening was collected
    WARNING = "warning"  # something to know that does not stop the work
    ENDED = "ended"  # it is over; the report follows


@dataclass(frozen=True, slots=True, kw_only=True)
class HardenProgress:
    """One step; ``done`` and ``total`` count hosts, ``bad`` those of them that did not end well."""

    step: Step
    session: str = ""
    host: str = ""
    group: str = ""
    state: str = ""
    message: str = ""
    done: int = 0
    bad: int = 0
    total: int = 0


type HardenWatcher = Callable[[HardenProgress], None]


def unwatched(_progress: HardenProgress) -> None:
    """Shows nothing."""


def audits_shown(watch: HardenWatcher, which: str) -> Watcher:
    """A watcher of an audit that tells ``watch``; ``which`` is "before" or "after"."""

    def show(progress: Progress) -> None:
        if progress.step is AuditStep.WARNING:
            watch(HardenProgress(step=Step.WARNING, message=progress.message))
        elif progress.step is AuditStep.COLLECTED:
            watch(HardenProgress(step=Step.COLLECTED, message=progress.message))
        elif progress.step in (AuditStep.RESOLVED, AuditStep.HOST):
            watch(
                HardenProgress(
                    step=Step.AUDIT,
                    message=which,
                    done=progress.done,
                    bad=progress.missed,
                    total=progress.total,
                )
            )

    return show
