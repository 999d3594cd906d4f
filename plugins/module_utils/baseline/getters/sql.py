# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One read-only statement against a local database.

The statement must be a single SELECT or SHOW, and the session is read-only on top of that: a
SELECT can call a function that writes.
"""

from __future__ import annotations

import os
import re
import sqlite3
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import Getter, chosen
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    OUTPUT,
    PERMISSION,
    QUERY,
    TOOL,
    ProbeError,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.system import command_failed

_STATEMENT = re.compile(r"^\s*(select|show)\b[^;]*;?\s*$", re.I | re.S)
_ACCOUNT = re.compile(r"^[a-z_][a-z0-9_-]{0,31}$", re.I)
_FIELD = "\x1f"  # cannot occur in a setting
_ROWS = 500


def refusal(statement: Any) -> str | None:
    """Why a control may not run this statement, or None."""
    if isinstance(statement, str) and _STATEMENT.match(statement):
        return None
    return "statement must be one SELECT or SHOW"


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
            return [
                list(row) for row in connection.execute(str(query["statement"])).fetchmany(_ROWS)
            ]
        finally:
            connection.close()
    except sqlite3.Error as error:
        kind = PERMISSION if "unable to open" in str(error) else OUTPUT
        raise ProbeError(kind, "sqlite: {0}".format(error)) from None


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
    argv = [
        "runuser",
        "-u",
        str(query.get("user", "postgres")),
        "--",
        "psql",
        "-X",
        "-A",
        "-t",
        "-q",
    ]
    argv += ["-F", _FIELD, "-v", "ON_ERROR_STOP=1", "-d", str(query.get("database", "postgres"))]
    argv += ["-c", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"]
    argv += ["-c", str(query["statement"])]
    return _rows(_answer(system, argv, "psql"), _FIELD)


def _mariadb(system: Any, query: dict[str, Any]) -> list[list[Any]]:
    client = next((one for one in ("mariadb", "mysql") if system.has_command(one)), "mariadb")
    argv = [client, "--batch", "--skip-column-names", "--connect-timeout=3"]
    argv += ["--user=" + str(query["user"])] if query.get("user") else []
    statement = str(query["statement"]).rstrip().rstrip(";")
    argv += ["-e", "SET SESSION TRANSACTION READ ONLY; " + statement]
    argv += [str(query["database"])] if query.get("database") else []
    return _rows(_answer(system, argv, client), "\t")


def _answer(system: Any, argv: list[str], tool: str) -> str:
    result = system.run(argv)
    if result.rc == 127:
        raise ProbeError(TOOL, "{0} is not installed".format(tool))
    if result.rc != 0:
        raise command_failed([tool], result)
    return str(result.stdout)


def _rows(text: str, separator: str) -> list[list[Any]]:
    return [line.split(separator) for line in text.split("\n") if line]


GETTERS = (Getter("sql", _sql, ("engine", "statement"), ("database", "user")),)
