# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks on the database server, for what only one process of all machines may do.

PostgreSQL's advisory locks belong to a session: they end with the process or its machine,
however that happens (a machine that vanished is noticed by TCP keepalives within about two
minutes). So they are held on a connection of their own that does nothing else.
"""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from storewarden.adapters.ledger.connection import shown
from storewarden.adapters.ledger.failures import translated


class SessionLocks:
    """Named locks, held until they are dropped or the process ends."""

    def __init__(self, engine: Engine) -> None:
        """``engine`` leads to PostgreSQL."""
        self._engine = engine
        self._where = shown(engine.url)
        self._mutex = threading.Lock()
        self._session: Connection | None = None
        self._held: set[str] = set()

    def take(self, name: str) -> bool:
        """True when ``name`` is ours now; False while anybody has it, also we ourselves.

        Raises AdapterError when the server does not answer.
        """
        with self._mutex:
            if name in self._held or not self._ask("SELECT pg_try_advisory_lock(:key)", name):
                return False
            self._held.add(name)
            return True

    def drop(self, name: str) -> None:
        """Give ``name`` up; nothing happens when it is not ours."""
        with self._mutex:
            if name not in self._held:
                return
            self._held.discard(name)
            self._ask("SELECT pg_advisory_unlock(:key)", name)

    def keep(self, name: str) -> bool:
        """Whether ``name`` is still ours: with the connection it is lost, and taken again when
        nobody was faster. Raises AdapterError while the server is away."""
        with self._mutex:
            if name in self._held and self._session is not None and self._alive(self._session):
                return True
            self._forget()
            if not self._ask("SELECT pg_try_advisory_lock(:key)", name):
                return False
            self._held.add(name)
            return True

    def close(self) -> None:
        """Give up everything, before it returns: a session that merely ends is noticed later."""
        with self._mutex:
            if self._session is not None:
                with suppress(SQLAlchemyError):
                    self._session.execute(text("SELECT pg_advisory_unlock_all()"))
            self._forget()

    def _forget(self) -> None:
        """The connection and all locks are gone."""
        self._held.clear()
        session, self._session = self._session, None
        if session is not None:
            with suppress(SQLAlchemyError):
                session.invalidate()  # not back into the pool: the session ends
                session.close()

    def _ask(self, statement: str, name: str) -> bool:
        with translated(self._where):
            try:
                if self._session is None:
                    engine = self._engine.execution_options(isolation_level="AUTOCOMMIT")
                    self._session = engine.connect()
                return bool(self._session.execute(text(statement), {"key": _key(name)}).scalar())
            except DBAPIError:
                self._forget()
                raise

    def _alive(self, session: Connection) -> bool:
        try:
            session.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return False
        return True


def _key(name: str) -> int:
    """A name as the number that PostgreSQL locks: 64 bits with a sign."""
    sealed = hashlib.sha256(f"storewarden {name}".encode()).digest()
    return int.from_bytes(sealed[:8], "big", signed=True)
