# SPDX-License-Identifier: GPL-3.0-or-later
"""What is around the rows: the triggers that guard the journal, the schema, the file's pages.

A row may be right and a query still lie: through an index that leaves it out, a trigger that
writes something else, a guard of the right name that guards nothing. So the schema must be
the one that this release makes, and every index must agree with its table.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.pool import StaticPool

from storewarden.adapters.ledger.upgrade import make_schema
from storewarden.ports.ledger import Problem

_GUARDS = ("journal_no_update", "journal_no_delete")
_ON_SERVER = frozenset({*_GUARDS, "journal_no_truncate"})
_MOST = 20  # damages that are listed

_TRIGGERS = (
    "SELECT tgname, tgenabled, prosrc FROM pg_trigger"
    " JOIN pg_proc ON pg_proc.oid = tgfoid JOIN pg_class ON pg_class.oid = tgrelid"
    " WHERE relnamespace = current_schema()::regnamespace AND NOT tgisinternal"
)


def problems(connection: Connection) -> list[Problem]:
    """What somebody took away, put in or replaced."""
    if connection.dialect.name != "sqlite":
        return _server_triggers(connection)
    return [*_schema(_objects(connection)), *_damages(connection)]


def _schema(there: Mapping[tuple[str, str], str]) -> list[Problem]:
    expected, found = _expected(), []
    for kind, name in sorted(expected.keys() | there.keys()):
        wanted, present = expected.get((kind, name)), there.get((kind, name))
        if wanted == present:
            continue
        if present is None:
            what = "deleted: somebody removed the guard of the journal" if name in _GUARDS else ""
            what = what or "deleted: the schema has it"
        else:
            what = "inserted: it is none of the ledger's" if wanted is None else "altered"
        found.append(Problem(where=f"{kind} {name}", what=what))
    return found


def _damages(connection: Connection) -> list[Problem]:
    told = connection.execute(text(f"PRAGMA integrity_check({_MOST})")).scalars().all()
    return [
        Problem(where="file", what=f"damaged: {' '.join(line.split())}")
        for line in told
        if line != "ok"
    ]


def _objects(connection: Connection) -> dict[tuple[str, str], str]:
    """Kind and name -> how it was made; without SQLite's own."""
    rows = connection.execute(text("SELECT type, name, tbl_name, sql FROM sqlite_master"))
    own = (row for row in rows if not row.name.startswith("sqlite_"))
    return {(row.type, row.name): f"{row.tbl_name} {row.sql}" for row in own}


@cache
def _expected() -> Mapping[tuple[str, str], str]:
    """The objects of a ledger of this release, made in memory."""
    engine = create_engine(
        "sqlite://", module=sqlite, poolclass=StaticPool, connect_args={"isolation_level": None}
    )
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    try:
        with engine.begin() as connection:
            make_schema(connection)
            return _objects(connection)
    finally:
        engine.dispose()


def _server_triggers(connection: Connection) -> list[Problem]:
    rows = {row.tgname: row for row in connection.execute(text(_TRIGGERS))}
    found = []
    for name in sorted(_ON_SERVER | rows.keys()):
        row = rows.get(name)
        if name not in _ON_SERVER:
            what = "inserted: it is none of the ledger's"
        elif row is None or row.tgenabled in ("D", b"D"):
            what = "deleted: somebody removed the guard of the journal"
        elif "RAISE EXCEPTION 'the journal is append-only'" not in row.prosrc:
            what = "altered"
        else:
            continue
        found.append(Problem(where=f"trigger {name}", what=what))
    return found
