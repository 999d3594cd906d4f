# SPDX-License-Identifier: GPL-3.0-or-later
"""Noticing from outside that there is something to do.

Other processes write to the ledger (an audit, a command at a shell) without knowing of the
controller. So a thread looks, once a second, at a number that grows with the ledger, and at a
folder in which any process of the same user may leave the name of a duty. The more duties
follow, the longer they are left alone between two looks: what grows all the time would else
keep them busy all the time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, unquote

from storewarden.domain.errors import AdapterError, ConfigInvalid, StorewardenError

LOG = logging.getLogger("storewarden.engine")
_WATCH_EVERY = 10  # looks between two calls of ``watch``
_PER_LOOK = 20  # followers that may be woken at every look; with more of them, less often


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What is looked at: ``read`` grows when the ledger does, and ``followers`` are the duties
    that then have work; ``folder`` is where other processes leave names. ``every`` is the time
    between two looks; a second costs a controller at rest next to nothing."""

    read: Callable[[], int]
    followers: Collection[str] = ()
    folder: Path | None = None
    every: timedelta = timedelta(seconds=1)


def ask_to_wake(folder: Path, name: str) -> None:
    """Ask the controller that uses ``folder``, from any process. Nothing happens without one."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / quote(name, safe="")).touch(mode=0o600)
    except OSError as error:
        raise AdapterError(f"cannot be written: {error.strerror}", where=str(folder)) from error


class PulseThread:
    """Looks; ``wake``s whom somebody asked for, ``nudge``s the followers of the ledger, and calls
    ``watch`` now and then, for what else may have to be seen to."""

    def __init__(
        self,
        pulse: Pulse,
        wake: Callable[[str], None],
        nudge: Callable[[str], None],
        watch: Callable[[], None],
    ) -> None:
        self._pulse = pulse
        self._wake, self._nudge = wake, nudge
        self._watch = watch
        self._stop = threading.Event()
        self._seen: int | None = None
        self._rest = 0  # looks until followers may be woken again
        self._silent = False
        self._thread = threading.Thread(target=self._run, name="storewarden-pulse", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; returns when it has ended."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        looks, every = 0, self._pulse.every.total_seconds()
        while not self._stop.wait(every):
            looks += 1
            self._guarded(self._look)
            if looks % _WATCH_EVERY == 0:
                self._guarded(self._watch)

    def _guarded(self, act: Callable[[], None]) -> None:
        """A look that fails is no reason to stop looking; it is told once, until one succeeds."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - this thread must live as long as the process
            told = str(error) if isinstance(error, StorewardenError) else type(error).__name__
            if not self._silent:
                LOG.warning("the ledger cannot be watched", extra={"fields": {"error": told}})
            self._silent = True
        else:
            self._silent = False

    def _look(self) -> None:
        for name in self._asked():
            try:
                self._wake(name)
            except ConfigInvalid:
                continue  # left by somebody who knows another release's duties
        height = self._pulse.read()
        self._rest = max(0, self._rest - 1)
        if height != self._seen and not self._rest:
            self._seen = height
            self._rest = 1 + len(self._pulse.followers) // _PER_LOOK
            for name in self._pulse.followers:
                self._nudge(name)

    def _asked(self) -> list[str]:
        folder = self._pulse.folder
        if folder is None or not folder.is_dir():
            return []
        names = []
        for path in folder.iterdir():
            path.unlink(missing_ok=True)  # first: asked again from now on is a wish of its own
            names.append(unquote(path.name))
        return names
