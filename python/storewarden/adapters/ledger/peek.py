# SPDX-License-Identifier: GPL-3.0-or-later
"""A look at a ledger file that neither creates, upgrades nor locks anything."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from alembic.script import ScriptDirectory
from pysqlite3 import dbapi2 as sqlite

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
    schema = str(rows[0][0]) if rows else ""
    known = {entry.revision for entry in ScriptDirectory(str(_MIGRATIONS)).walk_revisions()}
    if schema not in known:
        raise LedgerConflict(
            f"has schema {schema or 'none'}, which this release does not know",
            where=str(path),
            hint="upgrade storewarden",
        )
    return schema
