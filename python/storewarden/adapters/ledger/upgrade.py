# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema a ledger has, the one this release knows, and the way between them.

Older is brought forward in one transaction, after a copy of the file was laid
beside it. Newer is refused: a release that does not know a column would write
rows that the newer one cannot explain.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import Connection, Engine, text

from storewarden.adapters.ledger.connection import shown, writing
from storewarden.domain.errors import LedgerConflict

_MIGRATIONS = Path(__file__).parent / "migrations"
_POSTGRESQL_LOCK = 0x73746F7265  # any number, the same in every process
_PAUSE = 0.05

# Alembic keeps what it works on in globals: two threads that open two new ledgers would each write
# the other's schema.
_ONE_AT_A_TIME = threading.Lock()


def bring_forward(engine: Engine, patience: float, migrations: Path = _MIGRATIONS) -> None:
    """Give the database the schema of ``migrations``, creating it when it is empty.

    Raises LedgerConflict when it is newer, or when another process takes longer
    than ``patience`` seconds to do the same.
    """
    config, where = _config(migrations), shown(engine.url)
    script = ScriptDirectory.from_config(config)
    newest = script.get_current_head() or ""
    if _sqlite(engine) and _ready(engine, newest):
        return
    with _alone_with(engine, patience):
        _wal(engine)
        with writing(engine).connect() as connection, connection.begin():
            _lock(connection)
            present = _revision(connection)
            _refuse_unknown(present, script, newest, where)
            if present == newest:
                return
            if present and _sqlite(engine):
                _copy_aside(Path(str(engine.url.database)), present)
            _upgrade(config, connection, newest)


def make_schema(connection: Connection) -> None:
    """This release's schema in a database that is empty."""
    _upgrade(_config(_MIGRATIONS), connection, "head")


def _upgrade(config: Config, connection: Connection, target: str) -> None:
    config.attributes["connection"] = connection
    with _ONE_AT_A_TIME:
        command.upgrade(config, target)


def _config(migrations: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    return config


def _sqlite(engine: Engine) -> bool:
    return engine.dialect.name == "sqlite"


def _ready(engine: Engine, newest: str) -> bool:
    """Whether an ordinary open has nothing to do; asks without taking any lock."""
    with engine.connect() as connection:
        mode = connection.execute(text("PRAGMA journal_mode")).scalar_one()
        return mode == "wal" and _revision(connection) == newest


def _revision(connection: Connection) -> str:
    return MigrationContext.configure(connection).get_current_revision() or ""


def _refuse_unknown(present: str, script: ScriptDirectory, newest: str, where: str) -> None:
    known = {revision.revision for revision in script.walk_revisions()}
    if present and present not in known:
        raise LedgerConflict(
            f"was written by a newer storewarden (schema {present}, this one knows {newest})",
            where=where,
            hint="upgrade storewarden, or restore a ledger of this version",
        )


@contextmanager
def _alone_with(engine: Engine, patience: float) -> Iterator[None]:
    if _sqlite(engine):
        with alone(Path(str(engine.url.database)), patience):
            engine.dispose()  # a restore may have put another file there while we waited
            yield
    else:
        yield


@contextmanager
def alone(file: Path, patience: float) -> Iterator[None]:
    """One process at a time creates, upgrades or replaces a file; waits ``patience`` seconds.

    SQLite's own locks do not cover the switch to WAL. The lock lies on the
    folder: opening and closing the database file itself would drop the locks
    SQLite holds on it in this process.
    """
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        _wait_for(folder, patience, str(file))
        yield
    finally:
        os.close(folder)


def _wait_for(folder: int, patience: float, where: str) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise LedgerConflict(
                    "another process is upgrading or replacing the ledger",
                    where=where,
                    hint="wait until it is done",
                ) from None
            time.sleep(_PAUSE)
        else:
            return


def _wal(engine: Engine) -> None:
    """Readers beside the writer. The mode is a property of the file and stays."""
    if _sqlite(engine):
        raw = engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA journal_mode=WAL").fetchall()
        finally:
            raw.close()


def _lock(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _POSTGRESQL_LOCK})


def _copy_aside(path: Path, present: str) -> None:
    """A copy through SQLite, so that what lies in the WAL is in it."""
    target = path.with_name(f"{path.name}.schema-{present}")
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
    source, copy = sqlite.connect(str(path)), sqlite.connect(str(target))
    try:
        source.backup(copy)
    finally:
        copy.close()
        source.close()
