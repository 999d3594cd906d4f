# SPDX-License-Identifier: GPL-3.0-or-later
"""The ticks of each duty as they lie in the engine's database.

Called outside of workflows only: what is asked here is never part of a replay.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from dbos import DBOS, WorkflowStatus

from storewarden.adapters.engine.duties import PREFIX, chain_of, number_of

DELAYED, ENQUEUED, PENDING = "DELAYED", "ENQUEUED", "PENDING"
GIVEN_UP = "MAX_RECOVERY_ATTEMPTS_EXCEEDED"
_LIVE = frozenset({DELAYED, ENQUEUED, PENDING})
_ENDED = ("SUCCESS", "ERROR", "CANCELLED", GIVEN_UP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One tick of a chain: the ``failures`` in a row before it, and how it stands now."""

    name: str
    number: int
    failures: int = 0
    status: str = ""
    version: str = ""

    @property
    def live(self) -> bool:
        """Whether it is still to run, or runs."""
        return self.status in _LIVE


class Chains:
    """The chains of one application version."""

    def __init__(self, version: str) -> None:
        self._version = version

    def newest(self, name: str) -> Link | None:
        """The last tick that was ever enqueued; None for a duty that is new here."""
        found = DBOS.list_workflows(
            workflow_id_prefix=chain_of(name), sort_desc=True, limit=1, load_output=False
        )
        return _link(name, found[0]) if found else None

    def strange(self, link: Link) -> bool:
        """Whether it waits for another version of the workflow, and would wait for ever."""
        return link.live and link.version != self._version

    def cancel(self, identity: str) -> None:
        """Let a tick of another version go."""
        DBOS.cancel_workflows([identity])

    def forget(self, before: datetime, most: int) -> int:
        """Delete ticks that ended and were enqueued before a moment; how many, at most ``most``."""
        rows = DBOS.list_workflows(
            workflow_id_prefix=f"{PREFIX}/",
            status=list(_ENDED),
            end_time=before.isoformat(),
            limit=most,
            load_input=False,
            load_output=False,
        )
        doomed = [row.workflow_id for row in rows]
        if doomed:
            DBOS.delete_workflows(doomed)
        return len(doomed)


def _link(name: str, row: WorkflowStatus) -> Link:
    arguments: Collection[object] = row.input["args"] if row.input else ()
    failures = list(arguments)[2] if len(arguments) == 3 else 0
    return Link(
        name=name,
        number=number_of(row.workflow_id),
        failures=failures if isinstance(failures, int) else 0,
        status=row.status,
        version=row.app_version or "",
    )
