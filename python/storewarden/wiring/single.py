# SPDX-License-Identifier: GPL-3.0-or-later
"""One controller per ledger, beside one per state directory; and one worker of each name.

Two controllers with state directories of their own may still share a ledger, on one machine
through its file, on several through its server. Both would deliver the same entries. Two workers
of one name would take each other's dispatches for their own.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Protocol

from storewarden.adapters.engine.lock import ControllerLock
from storewarden.adapters.ledger.session_locks import SessionLocks
from storewarden.domain.errors import AdapterError, Refused, StorewardenError
from storewarden.wiring.site import Site

_NAME = "controller"
_EVERY = 10.0  # seconds between two questions to the server


class Single(Protocol):
    """The right to be a ledger's controller, or its worker of a name."""

    def take(self) -> None:
        """Raises Refused when another one has it, AdapterError when nobody can be asked."""
        ...

    def require(self) -> None:
        """Raises Refused when it was lost to another one."""
        ...

    def release(self) -> None:
        """Give it up."""
        ...


def single_controller(site: Site) -> Single:
    """By a lock beside the ledger's file, or on its server."""
    file = site.config.ledger_file
    return _OnServer(site, _NAME, "another controller") if file is None else _OnFile(site)


def single_worker(site: Site, name: str) -> Single:
    """The right to be the worker ``name`` of a ledger on a server."""
    return _OnServer(site, f"worker {name}", f"another worker named {name}")


class _OnFile:
    def __init__(self, site: Site) -> None:
        beside = site.config.beside_ledger("controller")
        self._lock = ControllerLock(beside.parent, name=beside.name, whose="ledger")

    def take(self) -> None:
        self._lock.take()

    def require(self) -> None:
        """The kernel takes no lock away."""

    def release(self) -> None:
        self._lock.release()


class _OnServer:
    def __init__(self, site: Site, name: str, other: str) -> None:
        self._site = site
        self._name, self._other = name, other
        self._asked = 0.0

    def take(self) -> None:
        if not self._locks.take(self._name):
            raise self._refusal()
        self._asked = time.monotonic()

    def require(self) -> None:
        if time.monotonic() - self._asked < _EVERY:
            return
        self._asked = time.monotonic()
        try:
            kept = self._locks.keep(self._name)
        except AdapterError:  # the server is away, for everybody's duties as well
            return
        if not kept:
            raise self._refusal()

    def release(self) -> None:
        with suppress(StorewardenError):  # without its server it ends with the process
            self._locks.drop(self._name)

    @property
    def _locks(self) -> SessionLocks:
        locks = self._site.ledger.locks
        assert locks is not None  # noqa: S101 - a ledger on a server has them
        return locks

    def _refusal(self) -> Refused:
        hint = "one controller per ledger; stop that one first"
        return Refused(
            f"{self._other}, perhaps on another machine, works with this ledger",
            where=self._site.ledger.place,
            hint=hint if self._name == _NAME else "another --name, or stop that one first",
        )
