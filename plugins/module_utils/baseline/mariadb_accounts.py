# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Accounts of MariaDB (JSON in mysql.global_priv) and MySQL (columns of mysql.user) in one form.

An account may have several ways in, of which one may be without any password, and a password
field may hold a text that is no password at all (Debian's root). What is stored is looked at
here, becomes one word, and is not kept.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    OUTPUT,
    ProbeError,
)

MARIADB = "SELECT User, Host, Priv FROM mysql.global_priv ORDER BY User, Host"
MYSQL = (
    "SELECT User, Host, plugin, IF(authentication_string = '', 'empty', 'set') AS stored, "
    "account_locked, IF('Y' IN (Super_priv, Grant_priv, Create_user_priv), 'Y', 'N') AS admin, "
    "password_lifetime, JSON_EXTRACT(User_attributes, '$.Password_locking') AS locking "
    "FROM mysql.user ORDER BY User, Host"
)
# As MariaDB 10.11 keeps them: GRANT OPTION, SUPER, CREATE USER.
_ADMIN_BITS = 1 << 10 | 1 << 15 | 1 << 25
_BY_PASSWORD = frozenset(
    "mysql_native_password mysql_old_password ed25519 parsec sha256_password "
    "caching_sha2_password cleartext_plugin_server".split()
)
_NATIVE = ("mysql_native_password", "mysql_old_password")
_NATIVE_HASH = re.compile(r"\*[0-9A-F]{40}$|[0-9a-f]{16}$", re.I)
EMPTY, SET, UNUSABLE, OTHER = "empty", "set", "unusable", "other"


class Account(NamedTuple):
    """``ways``: (plugin, EMPTY | SET | UNUSABLE | OTHER) of each way in; OTHER asks no password.

    ``lifetime``: days, 0 = never expires, None = the server's default. ``tries`` and
    ``lock_days``: MySQL's lock after failures, None where there is none.
    """

    user: str
    host: str
    ways: tuple[tuple[str, str], ...]
    locked: bool = False
    admin: bool = False
    lifetime: int | None = None
    tries: int | None = None
    lock_days: int | None = None

    @property
    def name(self) -> str:
        return "{0}@{1}".format(self.user or "(anonymous)", self.host)

    def by_password(self, *states: str) -> list[str]:
        """Plugins through which a password in one of these states lets somebody in."""
        return [] if self.locked else [plugin for plugin, state in self.ways if state in states]


def read_mariadb(rows: list[list[Any]]) -> list[Account]:
    """Accounts from the rows of MARIADB, roles left out."""
    found = []
    for user, host, text in rows:
        try:
            priv = json.loads(text)
        except (TypeError, ValueError):
            raise ProbeError(OUTPUT, "mysql.global_priv holds an entry that is no JSON") from None
        if not priv.get("is_role"):
            found.append(_of_mariadb(user or "", host or "", priv))
    return found


def _of_mariadb(user: str, host: str, priv: dict[str, Any]) -> Account:
    ways = [one or priv for one in priv.get("auth_or") or [priv]]
    lifetime = priv.get("password_lifetime", -1)
    return Account(
        user=user,
        host=host,
        ways=tuple(_way(one) for one in ways),
        locked=bool(priv.get("account_locked")),
        admin=bool(int(priv.get("access", 0)) & _ADMIN_BITS),
        lifetime=None if lifetime < 0 else int(lifetime),
    )


def _way(priv: dict[str, Any]) -> tuple[str, str]:
    plugin = str(priv.get("plugin") or _NATIVE[0])
    stored = str(priv.get("authentication_string") or "")
    return plugin, _state(plugin, stored)


def _state(plugin: str, stored: str) -> str:
    if plugin not in _BY_PASSWORD:
        return OTHER
    if not stored:
        return EMPTY
    return SET if plugin not in _NATIVE or _NATIVE_HASH.match(stored) else UNUSABLE


def read_mysql(rows: list[list[Any]]) -> list[Account]:
    """Accounts from the rows of MYSQL."""
    return [_of_mysql(*row) for row in rows]


def _of_mysql(*row: Any) -> Account:
    user, host, plugin, stored, locked, admin, lifetime, locking = row
    lock = json.loads(locking) if locking else {}
    return Account(
        user=user or "",
        host=host or "",
        ways=((str(plugin), stored if plugin in _BY_PASSWORD else OTHER),),
        locked=locked == "Y",
        admin=admin == "Y",
        lifetime=None if lifetime is None else int(lifetime),
        tries=lock.get("failed_login_attempts"),
        lock_days=lock.get("password_lock_time_days"),
    )
