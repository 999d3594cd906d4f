# SPDX-License-Identifier: GPL-3.0-or-later
"""The site's estate as everything that works on it sees it, read ahead and kept for a minute."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

from storewarden.domain.errors import StorewardenError
from storewarden.domain.estate.device import read_estate
from storewarden.flows.rollout_parts import EstateNow

if TYPE_CHECKING:
    from storewarden.wiring.site import Site

_KEPT = timedelta(minutes=1)
"""How old an inventory may be before it is read again: it takes Ansible a second or more."""

_OLDEST = timedelta(minutes=5)
"""How old one may be that is still used while it is read again."""

LOG = logging.getLogger("storewarden.rollouts")


class EstateSource:
    """The site's inventory as devices, read again every minute; the same object while it is.

    Nobody waits for that: each step of a wave would, and a wave has many. Who asks gets the last
    one while it is read again, unless that one is as old as ``oldest`` by now. There is never more
    than one reading: who has to wait while one is under way waits for that one.
    """

    def __init__(self, site: Site, *, oldest: timedelta = _OLDEST) -> None:
        self._site = site
        self._oldest = oldest
        self._lock = threading.Lock()
        self._known: tuple[datetime, EstateNow] | None = None
        self._reading: Future[EstateNow] | None = None

    def __call__(self) -> EstateNow:
        """The estate. Raises ConfigInvalid for an inventory that cannot be read."""
        with self._lock:
            now = self._site.clock.now()
            if self._known is not None and timedelta(0) <= now - self._known[0] < self._oldest:
                if now - self._known[0] >= _KEPT:
                    self._read_beside()
                return self._known[1]
            reading, mine = self._reading, self._reading is None
            if reading is None:
                reading = self._reading = Future()
        if mine:
            self._answer(reading)
        return reading.result()

    def ahead(self) -> None:
        """Begin to read it beside everything else, unless it was read before; returns at once.
        What is wrong with it is told to whoever asks for the estate."""
        with self._lock:
            if self._known is None:
                self._read_beside()

    def _read_beside(self) -> None:
        """Under the lock. One that failed changes nothing: it is read again when asked for."""
        if self._reading is not None:
            return
        self._reading = Future()
        threading.Thread(
            target=self._answer_beside, args=(self._reading,), name="estate", daemon=True
        ).start()

    def _answer_beside(self, reading: Future[EstateNow]) -> None:
        self._answer(reading)
        error = reading.exception()
        if error is not None:
            odd = None if isinstance(error, StorewardenError) else error
            said = {"fields": {"error": str(error)}}
            LOG.warning("the inventory cannot be read", extra=said, exc_info=odd)

    def _answer(self, reading: Future[EstateNow]) -> None:
        """Read it for whoever waits for ``reading``; its age is counted from the beginning."""
        try:
            now = self._site.clock.now()
            found = self._read()
        except BaseException as error:  # noqa: BLE001 - raised by whoever waits for it
            with self._lock:
                self._reading = None
            reading.set_exception(error)
            return
        with self._lock:
            found = self._keep(now, found)
            self._reading = None
        reading.set_result(found)

    def _keep(self, now: datetime, found: EstateNow) -> EstateNow:
        if self._known is not None and self._known[1].inventory == found.inventory:
            found = self._known[1]  # what was worked out of it still holds
        self._known = (now, found)
        return found

    def _read(self) -> EstateNow:
        config = self._site.config
        found = self._site.inventory.resolve(
            config.inventory, vault_password=config.secrets.vault_password_file
        )
        devices = read_estate(found.hosts, available_timezones().__contains__).devices
        return EstateNow(devices=devices, inventory=found)
