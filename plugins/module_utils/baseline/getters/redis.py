# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Redis: who gets in, from where, in the clear or not, and what they may do then.

The views answer with the findings, so an empty list is the good case. ``in`` of a finding says
whether it holds now ("running"), after a restart ("file"), or both.
"""

from __future__ import annotations

from typing import Any, Iterator

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import (
    Getter,
    chosen,
    texts,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.redis_access import User
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.redis_server import (
    Reading,
    readings,
)

_WILDCARDS = ("*", "0.0.0.0", "::", "::*")
_TLS_DEFAULT = "TLSv1.2 TLSv1.3"  # what an empty tls-protocols stands for

_Finding = dict[str, Any]


def _instances(found: list[Reading], _query: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(one.instance for one in found))


def _open_users(found: list[Reading], _query: dict[str, Any]) -> list[_Finding]:
    """Users that are let in without a password."""
    return _merged(
        (one, {"user": user.name}) for one in found for user in one.users if user.on and user.open
    )


def _broad_users(found: list[Reading], query: dict[str, Any]) -> list[_Finding]:
    """Users beside the administrators that reach every key or may run dangerous commands."""
    admins = texts(query.get("admins") or [])
    return _merged(
        (one, {"user": user.name, "why": why})
        for one in found
        for user in one.users
        if user.on and user.name not in admins
        for why in [_breadth(user, one)]
        if why
    )


def _breadth(user: User, reading: Reading) -> str:
    why = ["all keys"] if user.all_keys else []
    return ", ".join(why + (["dangerous commands"] if user.dangerous(reading.categories) else []))


def _wildcard_binds(found: list[Reading], _query: dict[str, Any]) -> list[_Finding]:
    return _merged(
        (one, {"bind": " ".join(one.binds())})
        for one in found
        if _listens(one) and any(word.lstrip("-") in _WILDCARDS for word in one.binds())
    )


def _listens(one: Reading) -> bool:
    return any((one.get(key) or "0") != "0" for key in ("port", "tls-port"))


def _unprotected(found: list[Reading], _query: dict[str, Any]) -> list[_Finding]:
    return _merged(
        (one, {"protected-mode": one.get("protected-mode")})
        for one in found
        if one.get("protected-mode") != "yes"
    )


def _plain_links(found: list[Reading], _query: dict[str, Any]) -> list[_Finding]:
    """Ports beyond loopback without TLS, and replication from elsewhere without TLS."""

    def links(one: Reading) -> Iterator[tuple[Reading, _Finding]]:
        if (one.get("port") or "0") != "0" and one.listens_beyond():
            yield one, {"port": one.get("port"), "bind": " ".join(one.binds())}
        master = one.get("replicaof") or one.get("slaveof")
        inside = master.startswith(("127.", "localhost ", "::1 "))
        if master and not inside and one.get("tls-replication") != "yes":
            yield one, {"replicates": master}

    return _merged(link for one in found for link in links(one))


def _weak_tls(found: list[Reading], query: dict[str, Any]) -> list[_Finding]:
    """TLS ports that speak a protocol outside ``protocols``."""
    good = " ".join(texts(query.get("protocols") or [])).split()
    return _merged(
        (one, {"protocols": weak})
        for one in found
        if (one.get("tls-port") or "0") != "0"
        for weak in [
            [
                word
                for word in (one.get("tls-protocols") or _TLS_DEFAULT).split()
                if word not in good
            ]
        ]
        if weak
    )


def _merged(findings: Any) -> list[_Finding]:
    """The same finding of the file and of the running server is one."""
    places: list[tuple[_Finding, list[str]]] = []
    for reading, finding in findings:
        entry = {"instance": reading.instance, **finding}
        sources = next((known for one, known in places if one == entry), None)
        if sources is None:
            places.append((entry, [reading.source]))
        else:
            sources.append(reading.source)
    return [{**entry, "in": " and ".join(sources)} for entry, sources in places]


_VIEWS: dict[str, Any] = {
    "instances": _instances,
    "open_users": _open_users,
    "broad_users": _broad_users,
    "wildcard_binds": _wildcard_binds,
    "unprotected": _unprotected,
    "plain_links": _plain_links,
    "weak_tls": _weak_tls,
}


def _redis(system: Any, query: dict[str, Any]) -> Any:
    configs, auth_file = texts(query["configs"]), str(query.get("auth_file") or "")
    view = chosen(query, "view", tuple(_VIEWS))
    key = ("redis", tuple(configs), auth_file)
    found = system.remember(key, lambda: readings(system, configs, auth_file))
    return _VIEWS[view](found, query)


GETTERS = (Getter("redis", _redis, ("view", "configs"), ("auth_file", "admins", "protocols")),)
