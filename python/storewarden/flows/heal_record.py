# SPDX-License-Identifier: GPL-3.0-or-later
"""Each repair is a run of its standing change: the change's record says what was done under it.

Told after the end was recorded, with a key made of the repair's id: told again nothing happens. A
change that was withdrawn or has ended meanwhile refuses the run, and keeps what it refused; the
repair was made all the same.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from storewarden.domain.change.commands import Run
from storewarden.domain.errors import ConfigInvalid, LedgerConflict, Refused
from storewarden.domain.healing.record import End, HostEnd, Repair, RepairState
from storewarden.flows.harden_ready import WorkDesk

_LOG = logging.getLogger("storewarden.healing")
_BAD = frozenset({End.FAILED, End.NOT_WELL, End.UNKNOWN, End.UNREACHABLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTeller:
    """Call it with a repair that has ended. ``desk`` is where "storewarden" itself stands."""

    desk: Callable[[], WorkDesk]

    def __call__(self, repair: Repair) -> None:
        """Raises AdapterError when the ledger is away: then it is told again."""
        run = run_of(repair)
        if run is None:
            return
        try:
            self.desk().act(repair.change, f"repair-{repair.id}", run)
        except (Refused, ConfigInvalid, LedgerConflict) as error:
            _LOG.warning("%s was not told of its run %s: %s", repair.change, repair.id, error)


def run_of(repair: Repair) -> Run | None:
    """The run, with the hosts on which it began; None when it began nowhere."""
    begun = [each for each in repair.ends if each.end is not End.NOT_BEGUN]
    if repair.state is not RepairState.ENDED or not begun:
        return None
    return Run(
        run=repair.id,
        hosts=tuple(each.host for each in begun),
        began=repair.begun_at or repair.opened_at,
        succeeded=not any(each.end in _BAD for each in begun),
        note=f"{repair.action}: {_counted(begun)}",
    )


def _counted(ends: list[HostEnd]) -> str:
    counts = Counter(each.end.value for each in ends)
    return ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in sorted(counts.items()))
