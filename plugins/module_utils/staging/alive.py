# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps the dead man away while this process works, and lets an undo stop it first.

A module that unpacks a large archive may take longer than the restore point's deadline. It
registers itself as the apply, and asks for more time as it goes. A host that refuses has gone
back already, or is about to: then the work ends here.
"""

from __future__ import annotations

import os
import time
from typing import Any, Callable, Optional

from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from ansible_collections.storewarden.ops.plugins.module_utils.restore.verbs import Request, Verbs

_SHARE = 4  # asks for more time when a fourth of the grant is used up


class Alive:
    """``beat`` may be called as often as one likes."""

    def __init__(
        self,
        verbs: Optional[Any],
        ask: Optional[Request],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._verbs = verbs
        self._ask = ask
        self._now = now
        self._next = 0.0

    def beat(self) -> None:
        """RestoreError (Refused) when the host does not want the change any more."""
        if self._verbs is None or self._ask is None or self._now() < self._next:
            return
        self._verbs.extended(self._ask)
        self._next = self._now() + self._ask.deadline / _SHARE


def alive(point: dict[str, Any]) -> Alive:
    """For ``{id, owner, epoch, deadline}``; one that does nothing where there is no id."""
    if not point.get("id"):
        return Alive(None, None)
    ask = Request(
        id=str(point["id"]),
        owner=str(point.get("owner") or ""),
        epoch=int(point["epoch"]) if point.get("epoch") not in (None, "") else None,
        deadline=float(point.get("deadline") or 300.0),
        apply={"pid": os.getpid()},
    )
    return Alive(Verbs(Host()), ask)
