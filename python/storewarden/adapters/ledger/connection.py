# SPDX-License-Identifier: GPL-3.0-or-later
"""One way to connect to either database, with the traps of each closed.

SQLite comes from the ``pysqlite3`` wheel, since the system's own is too old on
some of our platforms. The driver's habit of opening transactions by itself is
turned off: a writer takes the lock when it begins (BEGIN IMMEDIATE), or two
writers that both began by reading would fail instead of waiting. A commit is
on the disk before the call returns (synchronous=FULL), also in WAL mode.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from storewarden.adapters.ledger.ownership import leave_to_owner
from storewarden.domain.errors import AdapterError, ConfigInvalid, ContentMissing

_WRITES = "storewarden_writes"

type Password = Callable[[], str]
"""Reads a password where it is kept."""


def locate(place: str | Path) -> URL:
    """The URL of a path or URL as written in the configuration.

    Raises ConfigInvalid for anything that is neither a file nor PostgreSQL.
    """
    if isinstance(place, Path) or "://" not in place:
        return URL.create("sqlite", database=str(Path(place).expanduser().absolute()))
    try:
        url = make_url(place)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        # The text may hold a password, so it is not repeated.
        raise ConfigInvalid(
            "the address is not readable",
            where="ledger",
            hint="write a file path, or postgresql://USER@HOST/DATABASE",
        ) from None
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        return locate(Path(str(url.database)))
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    raise ConfigInvalid(
        f"{url.get_backend_name()} is not supported",
        where="ledger",
        hint="write a file path, or postgresql://USER@HOST/DATABASE",
    )


def shown(url: URL) -> str:
    """The place for messages: the file, or the address without its password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.render_as_string(hide_password=True)


def connect(url: URL, patience: float, password: Password | None = None) -> Engine:
    """An engine whose ``writing`` transactions are serial; ``patience`` seconds for locks.

    Creates the SQLite file (0600) and its folder (0700) when they are missing. ``password`` is
    asked for each new connection, so that one that was changed is found without a restart.
    """
    if url.get_backend_name() == "sqlite":
        _create_file(Path(str(url.database)))
        return _sqlite(url, patience)
    engine = _postgresql(url, patience)
    if password is not None:
        event.listen(engine, "do_connect", partial(_log_in, password))
    return engine


def _log_in(password: Password, *call: Any) -> None:
    call[3]["password"] = password()  # (dialect, record, arguments, keywords) of the driver


def writing(engine: Engine) -> Engine:
    """The same engine for transactions that write."""
    return engine.execution_options(**{_WRITES: True})


def reading(engine: Engine) -> Engine:
    """The same engine for transactions that see one moment throughout."""
    if engine.dialect.name == "sqlite":
        return engine  # WAL: a read transaction is a snapshot
    return engine.execution_options(isolation_level="REPEATABLE READ")


def _create_file(path: Path) -> None:
    try:
        # The mode holds for folders made here; one that exists is its owner's business.
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        leave_to_owner(path, path.parent)
    except FileExistsError:
        # Not opened to look: closing it would drop this process's SQLite locks on it.
        if not path.is_file():
            raise ConfigInvalid("is not a file", where=str(path)) from None
    except OSError as failure:
        raise AdapterError(
            f"the ledger cannot be created: {failure.strerror}",
            where=str(path),
            hint="check that the folder is writable and has free space",
        ) from failure


def _sqlite(url: URL, patience: float) -> Engine:
    options = {"isolation_level": None, "timeout": patience, "check_same_thread": False}
    engine = create_engine(url, module=sqlite, connect_args=options)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # Bytes that are no UTF-8 are somebody's tampering: verify has to see them, not stumble.
    connection.text_factory = _text
    cursor = connection.cursor()
    try:
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
            cursor.execute(f"PRAGMA {pragma}")
    finally:
        cursor.close()


def _text(stored: bytes) -> str:
    return stored.decode("utf-8", "surrogateescape")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


_KEEPALIVE = (  # a machine that vanished holds its locks for about two minutes, not for hours
    "-c tcp_keepalives_idle=60 -c tcp_keepalives_interval=15 -c tcp_keepalives_count=4"
)


def _postgresql(url: URL, patience: float) -> Engine:
    milliseconds = int(patience * 1000)
    arguments = {
        "connect_timeout": max(2, int(patience)),
        "options": f"-c lock_timeout={milliseconds} -c synchronous_commit=on {_KEEPALIVE}",
    }
    try:
        return create_engine(url, connect_args=arguments, pool_pre_ping=True)
    except (ImportError, NoSuchModuleError):
        raise ContentMissing(
            "the PostgreSQL driver is not installed",
            where="ledger",
            hint="pip install 'storewarden[postgresql]'",
        ) from None
