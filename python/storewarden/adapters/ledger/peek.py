# SPDX-License-Identifier: GPL-3.0-or-later
"""A look at a ledger that neither creates, upgrades nor locks anything."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from pysqlite3 import dbapi2 as sqlite

from storewarden.adapters.ledger.connection import Password, connect, locate, shown
from storewarden.adapters.ledger.failures import translated
from storewarden.domain.errors import LedgerConflict

_MIGRATIONS = Path(__file__).parent / "migrations"
_PATIENCE = 5.0  # seconds


def schema_of(path: Path) -> str:
    """The schema version of the ledger at `path`.

    Raises LedgerConflict when the file does not open, is damaged, is no ledger, or was
    written by a newer release. An older one is fine: opening it brings it forward.
    """
    try:
        with closing(
            sqlite.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=_PATIENCE)
        ) as connection:
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
            damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite.Error as error:
        raise LedgerConflict(f"does not open as a ledger: {error}", where=str(path)) from error
    if damage != "ok":
        raise LedgerConflict(f"is damaged: {damage}", where=str(path))
    return _known(str(rows[0][0]) if rows else "", str(path))


def schema_on(address: str, password: Password | None = None) -> str:
    """The schema version of the ledger on a server; "" when there is none yet.

    Raises LedgerConflict when a newer release wrote it, AdapterError when the server does not
    answer, ConfigInvalid and ContentMissing as ``connection`` does.
    """
    url = locate(address)
    engine = connect(url, _PATIENCE, password)
    try:
        with translated(shown(url)), engine.connect() as connection:
            schema = MigrationContext.configure(connection).get_current_revision() or ""
    finally:
        engine.dispose()
    return _known(schema, shown(url)) if schema else ""


def is_newest(schema: str) -> bool:
    """Whether a ledger of this schema is opened as it is, without being brought forward."""
    return schema == ScriptDirectory(str(_MIGRATIONS)).get_current_head()


def _known(schema: str, where: str) -> str:
    known = {entry.revision for entry in ScriptDirectory(str(_MIGRATIONS)).walk_revisions()}
    if schema not in known:
        raise LedgerConflict(
            f"has schema {schema or 'none'}, which this release does not know",
            where=where,
            hint="upgrade storewarden",
        )
    return schema
