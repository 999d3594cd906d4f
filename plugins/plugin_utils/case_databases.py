# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Databases of an imagined host, for the cases of controls (docs/reference/control-format.md).

A case says what the server holds; from it comes what the server's client would print for the
getters' own questions. A question that no getter asks has no answer, as on the host of any case.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters import (
    mariadb,
    postgresql,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.mariadb_accounts import (
    MARIADB,
    MYSQL,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.mariadb_instances import (
    CLIENTS,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.mariadb_instances import (
    argv as mariadb_argv,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.postgresql_clusters import (
    LIST,
    Cluster,
    as_json,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.postgresql_clusters import (
    argv as psql_argv,
)

_Answer = str | dict[str, Any]
_FIRST_PORT = 5432
_MAKES = {"mariadb": "10.11.14-MariaDB-0+deb12u2", "mysql": "8.0.39"}
_MYSQL_ROW = ("plugin", "stored", "locked", "admin", "lifetime", "locking")
_HBA = ("type", "database", "user_name", "address", "auth_method")


def database_files(case: Mapping[str, Any]) -> dict[str, Any]:
    """Files that tell getters that there is a database to ask."""
    found: dict[str, Any] = {socket: {"kind": "socket"} for socket in case.get("mariadb", {})}
    if "postgresql" in case:
        found["/usr/bin/" + LIST[0]] = ""
    return found


def database_answer(case: Mapping[str, Any], argv: list[str]) -> _Answer | None:
    """What a command prints that asks a database; None for every other command."""
    if argv == LIST and "postgresql" in case:
        return "".join(_listed(case["postgresql"]))
    if argv[0] not in ("runuser", *CLIENTS):
        return None
    return next((answer for asked, answer in _answers(case) if asked == argv), None)


def _answers(case: Mapping[str, Any]) -> Iterator[tuple[list[str], _Answer]]:
    for place, (name, held) in enumerate(case.get("postgresql", {}).items()):
        cluster = Cluster(name, _FIRST_PORT + place, "postgres", True)
        for statement, answer in _psql_prints(held):
            yield psql_argv(cluster, as_json(statement), "postgres"), answer
    for socket, held in case.get("mariadb", {}).items():
        for statement, answer in _mariadb_prints(held):
            yield mariadb_argv([CLIENTS[0]], socket, statement, []), answer


def _listed(clusters: Mapping[str, Any]) -> Iterator[str]:
    for place, (name, held) in enumerate(clusters.items()):
        status = "down,auto" if held == "down" else "online,auto"
        version, cluster = name.split("/")
        folder = f"/var/lib/postgresql/{name} /var/log/postgresql/{version}-{cluster}.log"
        yield f"{version} {cluster} {_FIRST_PORT + place} {status} postgres {folder}\n"


def _psql_prints(held: Any) -> Iterator[tuple[str, _Answer]]:
    if held == "down":
        return
    if held == "hang" or "error" in held:
        for statement in (postgresql.SETTINGS, postgresql.ROLES, postgresql.HBA):
            yield statement, _refusal(held)
        return
    settings = held.get("settings", {}).items()
    rules = enumerate(held.get("hba", []), 1)
    yield postgresql.SETTINGS, _json_rows({"name": one, "setting": it} for one, it in settings)
    yield postgresql.ROLES, _json_rows(held.get("roles", []))
    yield postgresql.HBA, _json_rows(_hba_row(number, rule) for number, rule in rules)


def _json_rows(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _refusal(held: Any) -> _Answer:
    return {"hang": True} if held == "hang" else {"rc": 2, "stderr": held["error"]}


def _hba_row(number: int, rule: Any) -> dict[str, Any]:
    """A rule as it stands in pg_hba.conf (address with its length), or the view's row itself."""
    row = {"line_number": number, "netmask": None, "error": None, "unread": False}
    if isinstance(rule, dict):
        return {**row, **rule}
    words = rule.split()
    if words[0] == "local":
        words.insert(3, None)
    row |= dict(zip(_HBA, words, strict=True))
    return {**row, "database": [words[1]], "user_name": [words[2]]}


def _mariadb_prints(held: Any) -> Iterator[tuple[str, _Answer]]:
    statements = (mariadb.VARIABLES, MARIADB, MYSQL)
    if held == "hang" or "error" in held:
        yield from ((statement, _refusal(held)) for statement in statements)
        return
    make = held.get("make", "mariadb")
    variables = {"version": _MAKES[make], "hostname": "store-server", **held.get("variables", {})}
    yield mariadb.VARIABLES, _table(variables.items())
    accounts = [
        (*name.split("@"), *_account(make, one)) for name, one in held.get("accounts", {}).items()
    ]
    yield (MARIADB if make == "mariadb" else MYSQL), _table(accounts)


def _account(make: str, account: Mapping[str, Any]) -> list[Any]:
    if make == "mariadb":
        return [json.dumps(account)]
    cells = [account.get(key) for key in _MYSQL_ROW]
    return [json.dumps(cell) if isinstance(cell, dict) else cell for cell in cells]


def _table(rows: Any) -> str:
    """Rows as ``--batch`` prints them."""
    return "".join("\t".join(map(_cell, row)) + "\n" for row in rows)


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    return str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
