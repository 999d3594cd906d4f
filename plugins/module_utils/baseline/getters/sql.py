# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One read-only statement against a local database.

The statement is one question made of words that only read (see sql_statement), and the session is
read-only on top of that.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import Getter, chosen
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.mariadb_instances import (
    instances,
    select,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.postgresql_clusters import (
    FIELD,
    Cluster,
    as_json,
    ask,
    clusters,
    rows_of,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    OUTPUT,
    PERMISSION,
    QUERY,
    TIMEOUT,
    ProbeError,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.sql_statement import (
    one_line,
    refusal,
)

_ACCOUNT = re.compile(r"^[a-z_][a-z0-9_-]{0,31}$", re.I)
_ROWS = 500
_SECONDS = 4.0  # one less than a probe has


def _sql(system: Any, query: dict[str, Any]) -> list[list[Any]]:
    problem = refusal(query["statement"])
    if problem:
        raise ProbeError(QUERY, problem)
    engine = chosen(query, "engine", ("sqlite", "postgresql", "mariadb"))
    if engine != "sqlite":
        if not _ACCOUNT.match(str(query.get("user", "root"))):
            raise ProbeError(QUERY, "{0!r} is no account name".format(query["user"]))
        if str(query.get("database", "")).startswith("-"):
            raise ProbeError(QUERY, "{0!r} is no database name".format(query["database"]))
    look = {"sqlite": _sqlite, "postgresql": _postgresql, "mariadb": _mariadb}[engine]
    return look(system, query)[:_ROWS]


def _sqlite(system: Any, query: dict[str, Any]) -> list[list[Any]]:
    path = system.local_path(str(query.get("database", "")))
    if path is None:
        raise ProbeError(OUTPUT, "{0} does not exist".format(query.get("database")))
    uri = "file:{0}?{1}".format(
        path.replace("%", "%25").replace("?", "%3f").replace("#", "%23"),
        _sqlite_mode(path),
    )
    try:
        connection = sqlite3.connect(uri, uri=True, timeout=1.0)
        try:
            _limit(connection)
            return [
                list(row) for row in connection.execute(str(query["statement"])).fetchmany(_ROWS)
            ]
        finally:
            connection.close()
    except sqlite3.Error as error:
        if "interrupted" in str(error):
            raise ProbeError(TIMEOUT, "sqlite had no answer in {0:g} s".format(_SECONDS)) from None
        kind = PERMISSION if "unable to open" in str(error) else OUTPUT
        raise ProbeError(kind, "sqlite: {0}".format(error)) from None


def _limit(connection: sqlite3.Connection) -> None:
    """No signal gets through to a statement that runs inside this process; this does."""
    end = time.monotonic() + _SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > end, 10000)


def _sqlite_mode(path: str) -> str:
    """How to open without leaving a trace.

    A database with a write-ahead log gets its -wal and -shm files made by whoever opens it, a
    reader too. Where nobody has it open, nobody changes it; where somebody has, they are there.
    """
    if not _has_write_ahead_log(path):
        return "mode=ro"
    wal, index = (os.path.exists(path + ending) for ending in ("-wal", "-shm"))
    if wal and not index:
        raise ProbeError(OUTPUT, "{0} was left in the middle of a write".format(path))
    return "mode=ro" if wal else "mode=ro&immutable=1"


def _has_write_ahead_log(path: str) -> bool:
    """Bytes 18 and 19 of the header, the file format's write and read version, are 2 then."""
    try:
        with open(path, "rb") as stream:
            return stream.read(20)[18:] == b"\x02\x02"
    except OSError as error:
        raise ProbeError(PERMISSION, "{0}: {1}".format(path, error.strerror)) from None


def _postgresql(system: Any, query: dict[str, Any]) -> list[list[Any]]:
    words = (str(query["statement"]), str(query.get("database", "postgres")))
    found = _one_or_each(query, clusters(system), "PostgreSQL clusters")
    rows = []
    for cluster in found:
        lead = [cluster.name] if query.get("each") else []
        rows += [lead + row for row in _psql(system, cluster, *words, str(query.get("user", "")))]
    return rows


def _psql(
    system: Any, cluster: Cluster | None, statement: str, database: str, user: str
) -> list[list[Any]]:
    """SHOW cannot be part of a SELECT, so its rows come as lines."""
    if statement.lstrip().lower().startswith("select"):
        return [
            [value for _column, value in row]
            for row in rows_of(ask(system, cluster, as_json(statement), database, user))
        ]
    text = ask(system, cluster, one_line(statement), database, user)
    return [line.split(FIELD) for line in text.split("\n") if line]


def _mariadb(system: Any, query: dict[str, Any]) -> list[list[Any]]:
    words = [str(query.get(key, "")) for key in ("statement", "database", "user")]
    rows: list[list[Any]] = []
    for socket in _one_or_each(query, instances(system), "MariaDB or MySQL servers"):
        lead = [socket] if query.get("each") else []
        rows += [lead + row for row in select(system, socket, *words)]
    return rows


def _one_or_each(query: dict[str, Any], found: list[Any], what: str) -> list[Any]:
    """The only server, or with ``each`` all of them; without any the client finds its own."""
    if len(found) > 1 and not query.get("each"):
        text = "{0} {1} run on this host; the control must say each: true"
        raise ProbeError(QUERY, text.format(len(found), what))
    return list(found) if found or query.get("each") else [None]


GETTERS = (Getter("sql", _sql, ("engine", "statement"), ("database", "user", "each")),)
