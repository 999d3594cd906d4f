# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The PostgreSQL clusters of a host, each asked over its own socket as the account that owns it.

A host may run several, on several ports; a control that looked at one would call the host good.
Debian's own list tells them, also those that should run and do not: these are asked too, and the
answer is an error and never "no PostgreSQL here". Elsewhere the sockets tell them.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

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

LIST = ["pg_lsclusters", "-h", "-s"]
SOCKETS = "/run/postgresql"
FIELD = "\x1f"  # cannot occur in a setting
READ_ONLY = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
# A second less than a probe has: the server must not work on for a client that was killed.
SECONDS = "SET statement_timeout = 4000"
_SOCKET = re.compile(r"\.s\.PGSQL\.(\d+)$")


class Cluster(NamedTuple):
    """``name``: "15/main" as Debian says, else "port 5432". ``owner``: the account to ask as."""

    name: str
    port: int
    owner: str
    runs: bool


def clusters(system: Any) -> list[Cluster]:
    """Every cluster that runs, or that is started with the host and does not run."""
    return system.remember(("postgresql clusters",), lambda: _clusters(system))


def _clusters(system: Any) -> list[Cluster]:
    listed = _listed(system) if system.has_command(LIST[0]) else []
    known = {one.port for one in listed}
    others = [one for one in _by_sockets(system) if one.port not in known]
    found = listed + others
    # Debian's postgresql.service is there without any cluster and says nothing.
    if not found and not system.has_command(LIST[0]):
        idle = starts_with_host(system, ["postgresql.service"])
        if idle:
            raise ProbeError(OUTPUT, "{0} is started with the host, has no socket".format(idle[0]))
    return found


def _listed(system: Any) -> list[Cluster]:
    """Debian's list: version, cluster, port, status with the words of start.conf, owner, .."""
    found = []
    for line in system.ask(LIST).splitlines():
        words = line.split()
        if len(words) < 5 or not words[2].isdigit():
            raise ProbeError(OUTPUT, "pg_lsclusters says {0!r}".format(line))
        status = words[3].split(",")
        runs = status[0] == "online"
        if runs or "auto" in status:
            owner = words[4] if words[4] != "<unknown>" else "postgres"
            found.append(Cluster("/".join(words[:2]), int(words[2]), owner, runs))
    return found


def _by_sockets(system: Any) -> list[Cluster]:
    found = []
    for path in system.glob(SOCKETS + "/.s.PGSQL.*"):
        match = _SOCKET.search(path)
        entry = system.stat(path)
        if match and entry is not None and entry.kind == "socket":
            owner = system.user_name(entry.uid)
            found.append(Cluster("port " + match.group(1), int(match.group(1)), owner, True))
    return found


def select(
    system: Any, cluster: Cluster, statement: str, database: str = "postgres"
) -> list[list[tuple[str, Any]]]:
    """Rows of one SELECT as (column, value) pairs; numbers, booleans, lists and NULL as such.

    The server itself writes each row as JSON, so no name in it can pose as a separator.
    """
    return rows_of(ask(system, cluster, as_json(statement), database))


def rows_of(text: str) -> list[list[tuple[str, Any]]]:
    """What psql printed for a statement made by `as_json`."""
    try:
        return [json.loads(line, object_pairs_hook=list) for line in text.splitlines() if line]
    except ValueError:
        raise ProbeError(OUTPUT, "psql's answer is not what was asked for") from None


def as_json(statement: str) -> str:
    """The SELECT with each of its rows as one JSON object on one line."""
    return "SELECT row_to_json(storewarden_row) FROM ({0}) AS storewarden_row".format(
        one_line(statement)
    )


def ask(system: Any, cluster: Cluster | None, statement: str, database: str, user: str = "") -> str:
    """What psql prints, as the cluster's owner, in a session that cannot write."""
    if cluster is not None and not cluster.runs:
        what = "the PostgreSQL cluster {0} is started with the host and does not run"
        raise ProbeError(OUTPUT, what.format(cluster.name))
    result = system.run(argv(cluster, statement, database, user))
    if result.rc == 127:
        raise ProbeError(TOOL, "psql is not installed")
    if result.rc != 0:
        name = "psql" if cluster is None else "psql ({0})".format(cluster.name)
        raise command_failed([name], result)
    return str(result.stdout)


def argv(cluster: Cluster | None, statement: str, database: str, user: str = "") -> list[str]:
    """The words of the call; without a cluster psql goes where it would go by itself."""
    owner = user or (cluster.owner if cluster else "postgres")
    words = ["runuser", "-u", owner, "--", "psql", "-X", "-A", "-t", "-q", "-F", FIELD]
    words += ["-h", SOCKETS, "-p", str(cluster.port)] if cluster else []
    words += ["-v", "ON_ERROR_STOP=1", "-d", database]
    for one in (READ_ONLY, SECONDS, statement):
        words += ["-c", one]
    return words
