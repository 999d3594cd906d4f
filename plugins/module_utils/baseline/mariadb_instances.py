# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The MariaDB and MySQL servers of a host, each asked by root over its own socket.

An option file of the administrator may name a password, and also another host: the password is
taken, the host never. A server that is started with the host and has no socket is an error and
never "no MariaDB here".
"""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.daemons import (
    starts_with_host,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    OUTPUT,
    TOOL,
    ProbeError,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.sql_statement import one_line
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.system import command_failed

SOCKETS = ("/run/mysqld/*.sock", "/var/lib/mysql/*.sock")
CLIENTS = ("mariadb", "mysql")
_UNITS = ["mariadb.service", "mysql.service", "mysqld.service"]
_OPTION_FILE = "/root/.my.cnf"
# Four seconds, one less than a probe has: MariaDB counts seconds, MySQL milliseconds. Each of the
# two reads its own kind of comment and skips the other's.
_BEFORE = (
    "SET SESSION TRANSACTION READ ONLY; SET @storewarden = 1"
    " /*M!100108 , SESSION max_statement_time = 4 */"
    " /*!50708 , SESSION max_execution_time = 4000 */; "
)
_ESCAPES = {"t": "\t", "n": "\n", "0": "\0", "\\": "\\"}


def instances(system: Any) -> list[str]:
    """The sockets of all servers; an empty list where none is started with the host."""
    return system.remember(("mariadb instances",), lambda: _instances(system))


def _instances(system: Any) -> list[str]:
    found = []
    for pattern in SOCKETS:
        for path in system.glob(pattern):
            entry = system.stat(path)
            # mysqlx.sock speaks another protocol of the same server
            if entry is not None and entry.kind == "socket" and not path.endswith("/mysqlx.sock"):
                found.append(path)
    idle = [] if found else starts_with_host(system, _UNITS)
    if idle:
        raise ProbeError(OUTPUT, "{0} is started with the host, has no socket".format(idle[0]))
    return sorted(found)


def select(
    system: Any, socket: str | None, statement: str, database: str = "", user: str = ""
) -> list[list[str | None]]:
    """Rows of one SELECT or SHOW as texts; NULL is None (and so is the text NULL)."""
    client = next((one for one in CLIENTS if system.has_command(one)), CLIENTS[0])
    more = ["--user=" + user] if user else []
    more += ["--database=" + database] if database else []
    # the option file must be the first word
    head = ["--defaults-extra-file=" + _OPTION_FILE] if system.exists(_OPTION_FILE) else []
    result = system.run(argv([client, *head], socket, statement, more))
    if result.rc == 127:
        raise ProbeError(TOOL, "{0} is not installed".format(client))
    if result.rc != 0:
        name = client if socket is None else "{0} ({1})".format(client, socket)
        raise command_failed([name], result)
    return [_row(line) for line in str(result.stdout).split("\n") if line]


def argv(head: list[str], socket: str | None, statement: str, more: list[str]) -> list[str]:
    """The words of the call. Without a socket the client takes its own; never the network."""
    words = [*head, "--batch", "--skip-column-names", "--connect-timeout=3"]
    # a server may ask its client for any file that the client can read
    words += ["--protocol=socket", "--local-infile=0", "--default-character-set=utf8mb4"]
    words += ["--socket=" + socket] if socket else []
    return [*words, *more, "-e", _BEFORE + one_line(statement)]


def _row(line: str) -> list[str | None]:
    return [None if one == "NULL" else _unescaped(one) for one in line.split("\t")]


def _unescaped(text: str) -> str:
    """``--batch`` writes tab, line end, NUL and backslash with a backslash."""
    return re.sub(r"\\([tn0\\])", lambda match: _ESCAPES[match.group(1)], text)
