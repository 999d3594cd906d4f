# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a copy of a MariaDB has to have in it. The server counts and hashes itself: no row leaves
it.

Per table the newest rows by the primary key are looked at, between two bounds that are kept; a
table without one whole number as its key is read whole, if it is not too large. The digest is a sum
over rows of a hash that has the key in it, so no row can change its place unseen.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .mariadb_client import Server

ROWS = 200_000
"""Rows of each table that are hashed at most, unless ``source.rows`` says more or less."""
_OWN = "('mysql', 'information_schema', 'performance_schema', 'sys')"
_WHOLE = ("tinyint", "smallint", "mediumint", "int", "bigint")
_PLAIN = (*_WHOLE, "decimal", "float", "double", "date", "time", "datetime", "timestamp", "year")
_COLUMNS = (
    "SELECT CONCAT(HEX(c.table_schema), '.', HEX(c.table_name)), HEX(c.column_name), c.data_type,"
    " c.column_key, MD5(CONCAT_WS('|', c.ordinal_position, c.column_type, c.is_nullable,"
    " COALESCE(c.collation_name, ''))), COALESCE(t.table_rows, 0)"
    " FROM information_schema.columns c JOIN information_schema.tables t"
    " USING (table_schema, table_name)"
    " WHERE t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND c.table_schema NOT IN "
    + _OWN
    + " ORDER BY 1, c.ordinal_position;"
)


class Table(NamedTuple):
    """``columns``: (name, type) in their order; ``key``: the one whole number that is its primary
    key, "" for any other kind."""

    schema: str
    name: str
    columns: tuple[tuple[str, str], ...]
    key: str
    shape: str
    about: int

    @property
    def shown(self) -> str:
        return self.schema + "." + self.name

    @property
    def place(self) -> str:
        return quoted(self.schema) + "." + quoted(self.name)


def manifest_of(server: Server, rows: int) -> dict[str, Any]:
    """``{"schema.table": {"shape", "low", "high", "count", "digest"}}``; ``count`` -1 for a table
    that is too large to be read whole."""
    tables = tables_of(server)
    bounds = _bounds(server, tables, rows)
    whole = {one.shown for one in tables if not one.key and one.about <= 2 * rows}
    asked = {
        one.shown: bounds[one.shown] if one.key else ("", "")
        for one in tables
        if one.key or one.shown in whole
    }
    return _facts(server, tables, asked)


def again(server: Server, before: dict[str, Any]) -> dict[str, Any]:
    """The same over the bounds of the one from before; a table that is gone is left out."""
    tables = [one for one in tables_of(server) if one.shown in before]
    asked = {
        one.shown: (before[one.shown]["low"], before[one.shown]["high"])
        for one in tables
        if before[one.shown]["count"] >= 0
    }
    return _facts(server, tables, asked)


def newest(server: Server, schema_table: str, column: str) -> float | None:
    """The newest moment of a column: a time in UTC, or a number of seconds since 1970."""
    schema, _, name = schema_table.partition(".")
    place, value = quoted(schema) + "." + quoted(name), quoted(column)
    sql = "SELECT data_type FROM information_schema.columns WHERE table_schema = {0}"
    sql += " AND table_name = {1} AND column_name = {2};"
    sql += " SELECT UNIX_TIMESTAMP(MAX({3})), MAX({3}) FROM {4};"
    found = server.rows(sql.format(_text(schema), _text(name), _text(column), value, place))
    if len(found) < 2:
        return None
    text = found[1][1] if found[0][0] in _PLAIN[:8] else found[1][0]
    return None if text == "NULL" else float(text)


def tables_of(server: Server) -> list[Table]:
    """All tables that are not the server's own, in the order of their names."""
    found: dict[str, list[list[str]]] = {}
    for row in server.rows(_COLUMNS):
        found.setdefault(row[0], []).append(row[1:])
    return sorted((_table(name, rows) for name, rows in found.items()), key=lambda one: one.shown)


def quoted(name: str) -> str:
    """A name as SQL wants it."""
    return "`" + name.replace("`", "``") + "`"


def _text(value: str) -> str:
    return "X'{0}'".format(value.encode().hex())


def _table(name: str, rows: list[list[str]]) -> Table:
    schema, _, table = name.partition(".")
    columns = tuple((_unhex(row[0]), row[1]) for row in rows)
    keys = [(_unhex(row[0]), row[1]) for row in rows if row[2] == "PRI"]
    key = keys[0][0] if len(keys) == 1 and keys[0][1] in _WHOLE else ""
    shape = ".".join(row[3][:8] for row in rows)
    return Table(_unhex(schema), _unhex(table), columns, key, shape, int(rows[0][4]))


def _unhex(text: str) -> str:
    return bytes.fromhex(text).decode("utf-8", "surrogateescape")


def _bounds(server: Server, tables: list[Table], rows: int) -> dict[str, tuple[str, str]]:
    """Table -> the lowest and the highest key that is looked at; (1, 0) for a table without
    rows."""
    keyed = [one for one in tables if one.key]
    if not keyed:
        return {}
    sql = "SELECT COALESCE(MIN(k), 1), COALESCE(MAX(k), 0) FROM"
    sql += " (SELECT {0} AS k FROM {1} ORDER BY {0} DESC LIMIT {2}) AS newest;"
    asked = "\n".join(sql.format(quoted(one.key), one.place, rows) for one in keyed)
    found = server.rows(asked)
    pairs = zip(keyed, found)  # noqa: B905 - Python 3.9
    return {one.shown: (row[0], row[1]) for one, row in pairs}


def _facts(
    server: Server, tables: list[Table], asked: dict[str, tuple[str, str]]
) -> dict[str, Any]:
    found = {
        one.shown: {"shape": one.shape, "low": "", "high": "", "count": -1, "digest": ""}
        for one in tables
    }
    read = [one for one in tables if one.shown in asked]
    if not read:
        return found
    answers = server.rows("\n".join(_digest(one, asked[one.shown]) for one in read))
    for one, row in zip(read, answers):  # noqa: B905 - Python 3.9
        low, high = asked[one.shown]
        digest = "{0:016x}.{1}".format(int(row[1]), row[2])
        found[one.shown].update(low=low, high=high, count=int(row[0]), digest=digest)
    return found


def _digest(table: Table, bounds: tuple[str, str]) -> str:
    parts = ", ".join(
        "COALESCE({0}, '~')".format("CAST({0} AS CHAR)" if kind in _PLAIN else "HEX({0})").format(
            quoted(name)
        )
        for name, kind in table.columns
    )
    where = ""
    if table.key:
        where = " WHERE {0} BETWEEN {1} AND {2}".format(quoted(table.key), *map(int, bounds))
    # 60 bits of the hash, so that the conversion never meets the edge of its range
    return (
        "SELECT COUNT(*), COALESCE(BIT_XOR(CAST(CONV(LEFT(h, 15), 16, 10) AS UNSIGNED)), 0),"
        " COALESCE(SUM(CRC32(h)), 0) FROM (SELECT SHA1(CONCAT_WS('|', {0})) AS h FROM {1}{2})"
        " AS hashed;".format(parts, table.place, where)
    )
