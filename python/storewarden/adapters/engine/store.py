# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's own database: a SQLite file of its own, or the server the ledger lies on.

It holds only what is due when; the truth is in the ledger, so losing this file costs
nothing but the waiting times. DBOS would open SQLite through the system's library, which
is too old on some of our platforms, and in its slow mode, so the connection is made here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError

from storewarden.domain.errors import AdapterError, ConfigInvalid, ContentMissing

STORE_NAME = "engine.db"
_OLDEST = (3, 42, 0)  # unixepoch('subsec'), which DBOS uses without asking for the version
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR")  # the last: tables are missing
_PATIENCE = 30.0  # seconds for another connection's lock
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "busy_timeout=30000",
    "foreign_keys=ON",
)


def open_store(place: str | Path, password: Callable[[], str] | None = None) -> Engine:
    """An engine on the file or postgresql:// address ``place``; the file is made, for its owner.

    ``password`` is asked for each new connection to a server.
    Raises ConfigInvalid, ContentMissing (driver, or a SQLite that is too old), AdapterError.
    """
    if isinstance(place, Path) or "://" not in place:
        return _sqlite(Path(place))
    engine = _postgresql(place)
    if password is not None:
        event.listen(engine, "do_connect", partial(_log_in, password))
    return engine


def _log_in(password: Callable[[], str], *call: Any) -> None:
    call[3]["password"] = password()  # (dialect, record, arguments, keywords) of the driver


def _sqlite(path: Path) -> Engine:
    if sqlite.sqlite_version_info < _OLDEST:
        raise ContentMissing(
            f"SQLite {sqlite.sqlite_version} is too old for the controller",
            where="pysqlite3",
            hint="pip install --upgrade pysqlite3",
        )
    _make(path)
    url = URL.create("sqlite", database=str(path.absolute()))
    options = {"timeout": _PATIENCE, "check_same_thread": False}
    # As many connections as there may be duties at work, and DBOS's own.
    engine = create_engine(url, module=sqlite, connect_args=options, pool_size=8, max_overflow=40)
    event.listen(engine, "connect", _prepare)
    return engine


def _make(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise AdapterError(
            f"cannot be made: {error.strerror}", where=str(path), hint="set state_dir"
        ) from error


def _prepare(connection: Any, _record: object) -> None:
    # What DBOS sets on connections of its own, and what makes a commit survive a power cut.
    connection.isolation_level = "IMMEDIATE"
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def require_sound(database: Engine) -> None:
    """Look through a file. Raises SQLAlchemy's DatabaseError when it is damaged or no database."""
    if database.dialect.name != "sqlite":
        return
    with database.connect() as connection:
        told = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        if told != "ok":
            raise DatabaseError(None, None, sqlite.DatabaseError(str(told)))


def is_broken(place: str | Path, error: DatabaseError) -> bool:
    """Whether the file itself is the trouble, and not its disk, its owner or another process."""
    if not isinstance(place, Path):
        return False
    name = getattr(error.orig, "sqlite_errorname", None)
    if name is None:  # found by ``require_sound``
        return type(error.orig) is sqlite.DatabaseError
    return str(name).startswith(_DAMAGED)


def put_aside(place: str | Path, now: datetime) -> Path:
    """Rename a damaged file and what belongs to it; its new name. It may be wanted for a look."""
    file = Path(place)
    aside = file.with_name(f"{file.name}.damaged-{now:%Y%m%dT%H%M%SZ}")
    for side in ("-wal", "-shm", ""):
        path = file.with_name(file.name + side)
        if path.exists():
            path.replace(aside.with_name(aside.name + side))
    return aside


def _postgresql(place: str) -> Engine:
    try:
        url = make_url(place).set(drivername="postgresql+psycopg")
        return create_engine(
            url, pool_pre_ping=True, max_overflow=40, connect_args={"connect_timeout": 10}
        )
    except (ArgumentError, ValueError):
        raise ConfigInvalid("the address is not readable", where="ledger") from None
    except (ImportError, NoSuchModuleError):
        raise ContentMissing(
            "the PostgreSQL driver is not installed",
            where="ledger",
            hint="pip install 'storewarden[postgresql]'",
        ) from None
