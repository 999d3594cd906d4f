# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a copy of a SQLite database has to have in it: a count and an ordered hash for each
table."""

from __future__ import annotations

import hashlib
import sqlite3
from typing import Any, Iterator

ROWS = 200_000
"""The newest rows of each table that are hashed, unless ``source.rows`` says more or less."""


def manifest_of(base: sqlite3.Connection, rows: int) -> dict[str, Any]:
    """``{"schema": sha256, "tables": {name: {"low", "high", "count", "digest"}}}``, over the newest
    ``rows`` rows of each table; a table without rowid is read from its beginning.

    Raises sqlite3.DatabaseError for what is damaged."""
    found = {}
    for name in _tables(base):
        low, high = _range(base, name, rows)
        found[name] = _facts(base, name, low, high, rows)
    return {"schema": _schema(base), "tables": found}


def again(base: sqlite3.Connection, before: dict[str, Any], rows: int) -> dict[str, Any]:
    """The same over the ranges of the one from before; a table that is gone is left out."""
    there = set(_tables(base))
    tables = {
        name: _facts(base, name, facts["low"], facts["high"], rows)
        for name, facts in before["tables"].items()
        if name in there
    }
    return {"schema": _schema(base), "tables": tables}


def newest(base: sqlite3.Connection, table: str, column: str) -> float | None:
    """The newest moment of a column: seconds since 1970, or a text that SQLite reads as a time."""
    sql = (
        "SELECT MAX(CASE WHEN typeof({0}) IN ('integer', 'real') THEN CAST({0} AS REAL)"
        " ELSE (julianday({0}) - 2440587.5) * 86400.0 END) FROM {1}"
    )
    found = base.execute(sql.format(quoted(column), quoted(table))).fetchone()[0]
    return None if found is None else float(found)


def quoted(name: str) -> str:
    """A name as SQL wants it."""
    return '"' + name.replace('"', '""') + '"'


def _tables(base: sqlite3.Connection) -> list[str]:
    sql = (
        "SELECT name FROM sqlite_master WHERE type = 'table'"
        " AND name NOT LIKE 'sqlite!_%' ESCAPE '!' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
    )
    return [row[0] for row in base.execute(sql)]


def _schema(base: sqlite3.Connection) -> str:
    sql = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
    return _hash(base.execute(sql))[1]


def _range(base: sqlite3.Connection, table: str, rows: int) -> tuple[int | None, int | None]:
    """The rowids between which rows are hashed; (None, None) for a table that has none."""
    name = quoted(table)
    try:
        high = base.execute("SELECT MAX(rowid) FROM " + name).fetchone()[0]
    except sqlite3.OperationalError:
        return None, None
    sql = "SELECT rowid FROM {0} ORDER BY rowid DESC LIMIT 1 OFFSET ?".format(name)
    row = base.execute(sql, (rows - 1,)).fetchone()
    low = row[0] if row else base.execute("SELECT MIN(rowid) FROM " + name).fetchone()[0]
    return (0, -1) if high is None else (low, high)  # (0, -1): a range with nothing in it


def _facts(
    base: sqlite3.Connection, table: str, low: int | None, high: int | None, rows: int
) -> dict[str, Any]:
    name = quoted(table)
    if low is None:
        keys = ", ".join(quoted(key) for key in _keys(base, table))
        found = base.execute("SELECT * FROM {0} ORDER BY {1} LIMIT ?".format(name, keys), (rows,))
    else:
        sql = "SELECT rowid, * FROM {0} WHERE rowid BETWEEN ? AND ? ORDER BY rowid"
        found = base.execute(sql.format(name), (low, high))
    count, digest = _hash(found)
    return {"low": low, "high": high, "count": count, "digest": digest}


def _keys(base: sqlite3.Connection, table: str) -> list[str]:
    sql = "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk"
    columns = base.execute(sql, (table,))
    return [row[0] for row in columns]


def _hash(found: Iterator[Any]) -> tuple[int, str]:
    count, digest = 0, hashlib.sha256()
    for row in found:
        count += 1
        digest.update(repr(tuple(row)).encode("utf-8", "surrogateescape") + b"\n")
    return count, digest.hexdigest()
