# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the data was before the backup, said so that it can be said again of what was restored.

Of each table: how many rows a *closed* range holds, and a sum over a hash of each of them, so that
the order in which rows lie does not matter and one bit in one row does. A range is closed when
nobody writes to it any more: business days before today by the column that ``source.closed``
names, else all keys up to the highest one of that moment. A table without either, and one that
``source.closed`` maps to "", is not compared: it stands in ``open``. Numbers of a table that is
updated behind its newest key differ after a restore although nothing is wrong: such a table wants
a column of days, or "".

The manifest lies beside the set, and as a row in the database itself, so that what was restored
proves which moment it knew. One row of a minute (the timer of role backup_postgresql) says how new
data is.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from .failures import Unfit
from .postgresql_source import Asked

SCHEMA = "storewarden"
_OWN = """
CREATE SCHEMA IF NOT EXISTS storewarden;
CREATE TABLE IF NOT EXISTS storewarden.storewarden_backup_manifest
  (run text PRIMARY KEY, taken timestamptz NOT NULL DEFAULT now(), manifest jsonb NOT NULL);
CREATE TABLE IF NOT EXISTS storewarden.storewarden_heartbeat
  (one boolean PRIMARY KEY DEFAULT true CHECK (one), at timestamptz NOT NULL);
"""
_BEAT = """
INSERT INTO storewarden.storewarden_heartbeat (one, at) VALUES (true, clock_timestamp())
  ON CONFLICT (one) DO UPDATE SET at = excluded.at;
"""
_HAS_BEAT = "SELECT to_regclass('storewarden.storewarden_heartbeat') IS NOT NULL"
_NEWEST_BEAT = "SELECT extract(epoch FROM at) FROM storewarden.storewarden_heartbeat"
_KEPT_DAYS = 400  # manifests in the database; those of older sets are beside the sets
_RECORD_HASH = 14  # the version that knows hash_record_extended
_SETTLE = 10.0
# Types whose binary hash says the same as their text; all others are hashed as text.
_PLAIN = (
    "bool int2 int4 int8 oid text varchar bpchar name numeric float4 float8 date time timestamp "
    "timestamptz uuid bytea"
).split()
_SESSION = (
    "SET client_min_messages = error; SET datestyle = 'ISO, YMD'; SET timezone = 'UTC';"
    " SET intervalstyle = 'iso_8601'; SET bytea_output = 'hex'; SET extra_float_digits = 3;"
    " SET search_path = pg_catalog; SET default_transaction_read_only = on;"
)
_TABLES = """
SELECT coalesce(json_agg(json_build_object('name', t.name, 'types', t.types, 'columns', t.columns,
  'key', t.key) ORDER BY t.name COLLATE "C"), '[]') FROM (
  SELECT n.nspname || '.' || c.relname AS name,
    (SELECT json_agg(DISTINCT y.typname) FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS types,
    (SELECT json_object_agg(a.attname, y.typname) FROM pg_attribute a
      JOIN pg_type y ON y.oid = a.atttypid
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
    (SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid
      AND a.attnum = i.indkey[0] WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnkeyatts = 1
      AND a.atttypid IN (20, 21, 23)) AS key
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT LIKE 'pg\\_%'
    AND n.nspname NOT IN ('information_schema', 'storewarden')
    AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
      AND d.objid = c.oid AND d.deptype = 'e')) t
"""
_OF_USERS = "nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('information_schema', 'storewarden')"
_SHAPE = """
SELECT line FROM (
  SELECT 'column ' || n.nspname || '.' || c.relname || '.' || a.attname || ' '
      || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull
      || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '') AS line
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm') AND {users}
  UNION ALL SELECT 'index ' || pg_get_indexdef(i.indexrelid) FROM pg_index i
    JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {users}
  UNION ALL SELECT 'constraint ' || n.nspname || '.' || k.conname || ' '
      || pg_get_constraintdef(k.oid)
    FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace WHERE {users}
  UNION ALL SELECT 'view ' || n.nspname || '.' || c.relname || ' ' || pg_get_viewdef(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('v', 'm') AND {users}
  UNION ALL SELECT 'trigger ' || pg_get_triggerdef(g.oid) FROM pg_trigger g
    JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT g.tgisinternal AND {users}
  UNION ALL SELECT 'function ' || pg_get_functiondef(f.oid) FROM pg_proc f
    JOIN pg_namespace n ON n.oid = f.pronamespace WHERE f.prokind IN ('f', 'p') AND {users}
    AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass
      AND d.objid = f.oid AND d.deptype = 'e')
) lines ORDER BY line COLLATE "C"
"""


def written(asked: Asked, closed: dict[str, str], run: str) -> dict[str, Any]:
    """The manifest of this moment, which the database holds as well from now on. Raises Unfit for a
    table or column of ``closed`` that is not there."""
    names = asked.databases()
    found = {name: _ranges(asked, name, closed) for name in names}
    _check(found, closed)
    manifest = measured(asked, found)
    if names:
        row = quoted(json.dumps(manifest, sort_keys=True, ensure_ascii=True))
        asked.ask(
            "SET client_min_messages = error; BEGIN; {0} {1} INSERT INTO"
            " storewarden.storewarden_backup_manifest (run, manifest) VALUES ({2}, {3}::jsonb)"
            " ON CONFLICT (run) DO UPDATE SET manifest = excluded.manifest, taken = now();"
            " DELETE FROM storewarden.storewarden_backup_manifest"
            " WHERE taken < now() - interval '{4} days'; COMMIT;".format(
                _OWN, _BEAT, quoted(run), row, _KEPT_DAYS
            ),
            names[0],
        )
    return manifest


def again(asked: Asked, before: dict[str, Any]) -> dict[str, Any]:
    """The same of what was restored, over the ranges of the manifest from before."""
    return measured(asked, before.get("ranges", {}))


def measured(asked: Asked, ranges: dict[str, Any]) -> dict[str, Any]:
    """Counts, hashes and shapes over these ranges (database -> table -> range)."""
    return {
        "format": 1,
        "ranges": ranges,
        "tables": {
            "{0}.{1}".format(database, table): found
            for database, tables in sorted(ranges.items())
            for table, found in _counted(asked, database, tables).items()
        },
        "shapes": {database: _shape(asked, database) for database in sorted(ranges)},
    }


def known(asked: Asked, run: str, database: str) -> dict[str, Any] | None:
    """The manifest that the restored database itself holds of this run; None for none."""
    sql = "SELECT manifest FROM storewarden.storewarden_backup_manifest WHERE run = {0}"
    there = "SELECT to_regclass('storewarden.storewarden_backup_manifest') IS NOT NULL"
    if asked.ask(there, database) != "t":
        return None
    text = asked.ask(sql.format(quoted(run)), database)
    return dict(json.loads(text)) if text else None


def heartbeat(asked: Asked) -> float | None:
    """The newest heartbeat of all databases, in seconds since 1970; None where there is none."""
    beats = [
        asked.ask(_NEWEST_BEAT, database)
        for database in asked.every()
        if asked.ask(_HAS_BEAT, database) == "t"
    ]
    return max((float(beat) for beat in beats if beat), default=None)


def quoted(text: str) -> str:
    """A string of SQL, whatever it holds.

    >>> quoted("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def named(text: str) -> str:
    """A quoted name of SQL; ``schema.table`` gets both quoted."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in text.split(".", 1))


def _ranges(asked: Asked, database: str, closed: dict[str, str]) -> dict[str, Any]:
    tables = json.loads(asked.ask(_SESSION + _TABLES, database))
    modern = asked.version >= _RECORD_HASH
    found = {
        each["name"]: _range(each, _wanted(database, each["name"], closed), modern)
        for each in tables
    }
    highest = _highest(asked, database, found)
    today = asked.ask(_SESSION + "SELECT current_date", database)
    for name, each in found.items():
        if each["by"] != "open":
            each["end"] = today if each["by"] == "day" else highest[name]
    _settled(asked)
    return found


def _highest(asked: Asked, database: str, ranges: dict[str, Any]) -> dict[str, Any]:
    parts = [
        "SELECT {0}, (SELECT max({1}) FROM {2})".format(
            quoted(name), named(each["column"]), named(name)
        )
        for name, each in ranges.items()
        if each["by"] == "key"
    ]
    if not parts:
        return {}
    sql = "SELECT json_object_agg(n, m) FROM ({0}) x (n, m)".format(" UNION ALL ".join(parts))
    return dict(json.loads(asked.ask(_SESSION + sql, database)))


def _settled(asked: Asked) -> None:
    """Wait for transactions that may still bring rows below the highest key. Gives up after ten
    seconds: a transaction that is open for hours is somebody's error, and not for us to end."""
    newest = asked.ask("SELECT txid_snapshot_xmax(txid_current_snapshot())")
    sql = "SELECT txid_snapshot_xmin(txid_current_snapshot()) >= " + newest
    ends = time.monotonic() + _SETTLE
    while asked.ask(sql) != "t" and time.monotonic() < ends:
        time.sleep(0.2)


def _wanted(database: str, table: str, closed: dict[str, str]) -> str | None:
    short = table[len("public.") :] if table.startswith("public.") else table
    names = ("{0}.{1}".format(database, table), table, short)
    return next((closed[name] for name in names if name in closed), None)


def _range(table: dict[str, Any], wanted: str | None, modern: bool) -> dict[str, Any]:
    plain = modern and all(each in _PLAIN for each in table["types"] or ())
    if wanted:
        kind = (table["columns"] or {}).get(wanted)
        if kind not in ("date", "timestamp", "timestamptz"):
            raise Unfit(
                "closed: {0} has no column {1} of days or times".format(table["name"], wanted),
                "closed：{0} 没有日期或时间列 {1}".format(table["name"], wanted),
            )
        return {"by": "day", "column": wanted, "plain": plain}
    if wanted is None and table["key"]:
        return {"by": "key", "column": table["key"], "plain": plain}
    return {"by": "open", "plain": plain}


def _check(found: dict[str, Any], closed: dict[str, str]) -> None:
    there = set()
    for database, tables in found.items():
        for name in tables:
            there |= {name, name.replace("public.", "", 1), "{0}.{1}".format(database, name)}
    gone = sorted(set(closed) - there)
    if gone:
        raise Unfit(
            "closed: there is no table " + ", ".join(gone), "closed：没有表 " + "、".join(gone)
        )


def _counted(asked: Asked, database: str, tables: dict[str, Any]) -> dict[str, Any]:
    have = {table["name"] for table in json.loads(asked.ask(_SESSION + _TABLES, database))}
    parts = [
        "SELECT {0} AS name, count(*) AS rows, coalesce(sum({1}::numeric), 0)::text AS hash"
        " FROM {2} t{3}".format(quoted(name), _hash(each), named(name), _where(each))
        for name, each in sorted(tables.items())
        if each["by"] != "open" and name in have
    ]
    if not parts:
        return {}
    sql = "SELECT json_object_agg(name, json_build_object('rows', rows, 'hash', hash)) FROM ({0}) x"
    answer = asked.ask(_SESSION + sql.format(" UNION ALL ".join(parts)), database)
    return dict(sorted(json.loads(answer).items()))


def _hash(each: dict[str, Any]) -> str:
    # Reading the row as text costs three times as much as hashing what it is.
    return "hash_record_extended(t, 0)" if each["plain"] else "hashtextextended(t::text, 0)"


def _where(each: dict[str, Any]) -> str:
    if each["end"] is None:
        return " WHERE false"
    if each["by"] == "day":
        return " WHERE t.{0} < date {1}".format(named(each["column"]), quoted(each["end"]))
    return " WHERE t.{0} <= {1}".format(named(each["column"]), int(each["end"]))


def _shape(asked: Asked, database: str) -> str:
    text = asked.ask(_SESSION + _SHAPE.format(users=_OF_USERS), database)
    return hashlib.sha256(text.encode()).hexdigest()
