# SPDX-License-Identifier: GPL-3.0-or-later
"""How far an audit has come, as data; who watches decides how to show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Step(Enum):
    """What happened."""

    RESOLVED = "resolved"  # the inventory is read; ``total`` hosts are to be audited
    COLLECTED = "collected"  # a run of an earlier, interrupted audit was collected
    STARTED = "started"  # a run (one shard) has started; ``total`` is its number of hosts
    PHASE = "phase"  # a run came to its next task, ``message``
    HOST = "host"  # one host is done; ``state`` tells how
    WARNING = "warning"  # something to know that does not stop the audit
    ENDED = "ended"  # the audit is over; the report follows


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One step; ``done``, ``missed`` and ``total`` count hosts of the whole audit.

    ``missed`` are hosts that are done but were not audited.
    """

    step: Step
    audit: str
    done: int = 0
    missed: int = 0
    total: int = 0
    host: str = ""
    state: str = ""
    message: str = ""
    run: str = ""


type Watcher = Callable[[Progress], None]


def unwatched(_progress: Progress) -> None:
    """Shows nothing."""
