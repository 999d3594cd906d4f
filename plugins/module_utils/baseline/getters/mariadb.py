# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""MariaDB and MySQL as the server itself tells it: variables in force and accounts.

The two differ in names, in where accounts are kept, and in what they can do at all. What a server
cannot do is said by the control that asks for it.
"""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import (
    Getter,
    chosen,
    texts,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.mariadb_accounts import (
    EMPTY,
    MARIADB,
    MYSQL,
    SET,
    Account,
    read_mariadb,
    read_mysql,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.mariadb_instances import (
    instances,
    select,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.operators import (
    at_least,
    at_most,
)

VARIABLES = "SHOW GLOBAL VARIABLES"
_Variables = dict[str, Any]
_Problem = Callable[[Account, _Variables, dict[str, Any]], str]


def _instances(system: Any, _query: dict[str, Any]) -> list[dict[str, Any]]:
    """One mapping per server: its socket and whether it is MariaDB or MySQL."""
    return [
        {
            "socket": socket,
            "server": "MariaDB" if _is_mariadb(known_variables(system, socket)) else "MySQL",
        }
        for socket in instances(system)
    ]


def _variables(system: Any, query: dict[str, Any]) -> list[dict[str, Any]]:
    """One mapping per server, without the variables that it lacks; ``of``: one make only."""
    names = texts(query["names"])
    make = chosen(query, "of", ("any", "mariadb", "mysql"), "any")
    found = []
    for socket in instances(system):
        known = known_variables(system, socket)
        if make in ("any", "mariadb" if _is_mariadb(known) else "mysql"):
            found.append({"socket": socket, **_some(known, names)})
    return found


def _some(known: _Variables, names: list[str]) -> _Variables:
    """Those of the names that the server knows."""
    return {name: known[name] for name in names if name in known}


def known_variables(system: Any, socket: str) -> _Variables:
    """Every variable of the server behind this socket, by its name in small letters."""
    return system.remember(
        ("mariadb variables", socket),
        lambda: {str(row[0]).lower(): row[1] for row in select(system, socket, VARIABLES)},
    )


def _is_mariadb(known: _Variables) -> bool:
    return "mariadb" in str(known.get("version")).lower()


def _accounts(system: Any, query: dict[str, Any]) -> list[dict[str, Any]]:
    """Accounts of every server about which the chosen view has something to say."""
    problem = _VIEWS[chosen(query, "view", tuple(_VIEWS))]
    found = []
    for socket in instances(system):
        known = known_variables(system, socket)
        for account in _read(system, socket, known):
            what = problem(account, known, query)
            if what:
                found.append({"socket": socket, "account": account.name, "problem": what})
    return found


def _read(system: Any, socket: str, known: _Variables) -> list[Account]:
    if _is_mariadb(known):
        return read_mariadb(select(system, socket, MARIADB))
    return read_mysql(select(system, socket, MYSQL))


def _as_installed(account: Account, known: _Variables, _query: dict[str, Any]) -> str:
    """What an installation may leave behind. A locked account lets nobody in."""
    if account.locked:
        return ""
    if not account.user:
        return "anonymous"
    if account.by_password(EMPTY):
        return "no password"
    here = ("localhost", "127.0.0.1", "::1", known.get("hostname"))
    return "root from elsewhere" if account.user == "root" and account.host not in here else ""


def _stored_by(account: Account, _known: _Variables, query: dict[str, Any]) -> str:
    """Passwords that one of ``plugins`` stores."""
    return ", ".join(one for one in account.by_password(SET) if one in texts(query["plugins"]))


def _admin_lifetime(account: Account, known: _Variables, query: dict[str, Any]) -> str:
    """Administrators whose password lives longer than ``days``."""
    if not account.admin or not account.by_password(SET):
        return ""
    days = account.lifetime
    if days is None:
        days = int(known.get("default_password_lifetime") or 0)
    if at_least(days, 1) and at_most(days, query["days"]):
        return ""
    return "never expires" if not days else "{0} days".format(days)


def _no_lock(account: Account, known: _Variables, query: dict[str, Any]) -> str:
    """MySQL's accounts that ``tries`` failures do not lock; MariaDB locks none by itself."""
    if _is_mariadb(known) or not account.by_password(SET, EMPTY):
        return ""
    if at_least(account.tries, 1) and at_most(account.tries, query["tries"]) and account.lock_days:
        return ""
    return "{0} tries, locked for {1} days".format(account.tries or "any", account.lock_days or 0)


_VIEWS: dict[str, _Problem] = {
    "as_installed": _as_installed,
    "stored_by": _stored_by,
    "admin_lifetime": _admin_lifetime,
    "no_lock": _no_lock,
}
GETTERS = (
    Getter("mariadb_instances", _instances),
    Getter("mariadb_variables", _variables, ("names",), ("of",)),
    Getter("mariadb_accounts", _accounts, ("view",), ("plugins", "days", "tries")),
)
