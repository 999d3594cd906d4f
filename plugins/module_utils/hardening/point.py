# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The restore point of one group, and the words that a fix says to it."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any, Iterator, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import RestoreError
from ansible_collections.storewarden.ops.plugins.module_utils.restore.pack import Phase
from ansible_collections.storewarden.ops.plugins.module_utils.restore.store import Store
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from ansible_collections.storewarden.ops.plugins.module_utils.restore.verbs import (
    Answer,
    Request,
    Verbs,
)

FOLDER = "/var/lib/storewarden/restore"
_SOURCES = ("/var/cache/apt/archives",)
# Days that a restore point which ended stays on its host: longer than any look back at a change.
_KEPT_DAYS = 30.0
# What an undo waits for a transaction that must not be ended in its middle, in seconds.
_TRANSACTION = 1800.0


class Name(NamedTuple):
    """Which restore point, whose, and how long the host waits for a confirmation (seconds)."""

    id: str
    owner: str
    epoch: int | None
    deadline: float


class Point:
    """One restore point on this host. Raises RestoreError, and Refused for the host's own no."""

    def __init__(self, name: Name, folder: str = FOLDER) -> None:
        self.name = name
        self._folder = folder

    def capture(self, items: list[dict[str, Any]]) -> None:
        """Keep everything that the change may touch; what ended long ago makes room first."""
        with contextlib.suppress(RestoreError, OSError):
            Verbs(Host(), self._folder).expired(Request(days=_KEPT_DAYS))
        self._say("captured", items=items, package_sources=list(_SOURCES))

    def arm(self, long: bool) -> None:
        """From here on the host goes back by itself; an undo ends this process first."""
        wait = _TRANSACTION if long else 0.0
        self._say("armed", apply={"pid": os.getpid(), "wait": wait})

    def stands(self) -> bool:
        """Whether it is armed. An undo that has begun holds the host's lock and waits for this
        process to end, so this is asked without the lock."""
        state = Store(Host(), self._folder).pack(self.name.id).last_state()
        return state.get("phase") == Phase.ARMED.value

    def extend(self) -> None:
        """The whole deadline once more, from now on."""
        self._say("extended")

    def confirm(self) -> dict[str, Any]:
        """The change stays."""
        return self._say("confirmed").report

    def undo(self) -> dict[str, Any]:
        """The change is taken back now; the report with its ``record``."""
        return self._say("undone").report

    def inspect(self) -> dict[str, Any]:
        """Where it stands."""
        return self._say("inspected").report

    @contextlib.contextmanager
    def kept_alive(self, wanted: bool) -> Iterator[None]:
        """Extend the deadline again and again while something long runs."""
        if not wanted:
            yield
            return
        done = threading.Event()
        thread = threading.Thread(target=self._extend_until, args=(done,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _extend_until(self, done: threading.Event) -> None:
        while not done.wait(self.name.deadline / 3):
            # A host that goes back is seen by the caller before its next step.
            with contextlib.suppress(RestoreError, OSError):
                if self.stands():
                    self.extend()

    def _say(self, word: str, **fields: Any) -> Answer:
        request = Request(
            id=self.name.id, owner=self.name.owner, epoch=self.name.epoch,
            items=fields.get("items", []), exclude=[],
            package_sources=fields.get("package_sources", []), deadline=self.name.deadline,
            apply=fields.get("apply"), dead_man="auto", days=0.0, dry=False,
        )  # fmt: skip
        answer: Answer = getattr(Verbs(Host(), self._folder), word)(request)
        return answer
