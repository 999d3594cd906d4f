# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PostgreSQL as the server itself tells it: settings in force, how passwords are stored, pg_hba.

Every cluster of the host is asked. Of a password the server says by which method it is stored;
the stored text stays in the server.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import Getter, texts
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.postgresql_clusters import (
    Cluster,
    clusters,
    select,
)

SETTINGS = "SELECT name, setting FROM pg_settings"
ROLES = (
    "SELECT rolname AS role, CASE WHEN rolpassword LIKE 'SCRAM-SHA-256$%' THEN 'scram-sha-256' "
    "WHEN rolpassword LIKE 'md5%' THEN 'md5' ELSE 'other' END AS stored "
    "FROM pg_authid WHERE rolpassword IS NOT NULL ORDER BY rolname"
)
HBA = (
    "SELECT line_number, type, database, user_name, address, netmask, auth_method, error, "
    "(pg_stat_file(current_setting('hba_file'))).modification > pg_conf_load_time() AS unread "
    "FROM pg_hba_file_rules ORDER BY line_number"
)
_UNREAD = "changed since the server read it"
_SAFE_TYPES = ("local", "hostssl", "hostgssenc")
_WIDEST = {4: 8, 6: 7}  # 10.0.0.0/8 and fc00::/7 are the widest private networks


def _clusters(system: Any, _query: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"cluster": one.name, "port": one.port} for one in clusters(system)]


def _settings(system: Any, query: dict[str, Any]) -> list[dict[str, Any]]:
    """One mapping per cluster, without the settings that its server does not know."""
    names = texts(query["names"])
    found = []
    for cluster in clusters(system):
        known = {row[0][1]: row[1][1] for row in select(system, cluster, SETTINGS)}
        values = {name: known[name] for name in names if name in known}
        found.append({"cluster": cluster.name, **values})
    return found


def _roles(system: Any, query: dict[str, Any]) -> list[dict[str, Any]]:
    """Roles whose password is stored otherwise than by one of these methods."""
    methods = texts(query["not_stored_as"])
    return [
        {"cluster": cluster.name, **dict(row)}
        for cluster in clusters(system)
        for row in select(system, cluster, ROLES)
        if dict(row)["stored"] not in methods
    ]


def _hba(system: Any, query: dict[str, Any]) -> list[dict[str, Any]]:
    """Rules of pg_hba.conf that let too much in, each with what is wrong about it."""
    methods = texts(query["refused_methods"])
    found = []
    for cluster in clusters(system):
        rules = [dict(row) for row in select(system, cluster, HBA)]
        if any(rule["unread"] for rule in rules):
            found.append(_finding(cluster, None, "pg_hba.conf", [_UNREAD]))
        for rule in rules:
            problems = _problems(rule, methods)
            if problems:
                found.append(_finding(cluster, rule["line_number"], _written(rule), problems))
    return found


def _finding(cluster: Cluster, line: Any, rule: str, problems: list[str]) -> dict[str, Any]:
    return {"cluster": cluster.name, "line": line, "rule": rule, "problems": problems}


def _written(rule: dict[str, Any]) -> str:
    """The rule as it stands in the file."""
    words = [rule["type"], *(",".join(rule[key] or []) for key in ("database", "user_name"))]
    words += [rule["address"], rule["netmask"], rule["auth_method"]]
    return " ".join(str(word) for word in words if word)


def _problems(rule: dict[str, Any], methods: list[str]) -> list[str]:
    if rule["error"]:
        return ["not understood by the server: {0}".format(rule["error"])]
    found: list[str] = []
    if rule["auth_method"] == "reject":
        return found
    if rule["auth_method"] in methods:
        found.append("method " + rule["auth_method"])
    if rule["type"] == "local":
        return found
    if rule["auth_method"] == "ident":
        found.append("method ident, which believes the other host")
    if _everywhere(rule):
        found.append("open to every address")
    if rule["type"] not in _SAFE_TYPES and not _this_host(rule):
        found.append("lets clients in without TLS")
    return found


def _network(rule: dict[str, Any]) -> Any:
    """The rule's network, or None for a name, samehost or samenet."""
    address, mask = rule["address"], rule["netmask"]
    try:
        net = ipaddress.ip_network(address, strict=False) if not mask else None
        if net is not None:
            return net
        bits = bin(int(ipaddress.ip_address(mask))).count("1")
        return ipaddress.ip_network("{0}/{1}".format(address, bits), strict=False)
    except ValueError:
        return None


def _everywhere(rule: dict[str, Any]) -> bool:
    """Every address; two halves of the Internet in two rules are that as well."""
    net = _network(rule)
    return rule["address"] == "all" or (net is not None and net.prefixlen < _WIDEST[net.version])


def _this_host(rule: dict[str, Any]) -> bool:
    net = _network(rule)
    return rule["address"] == "samehost" or (net is not None and net.is_loopback)


GETTERS = (
    Getter("pg_clusters", _clusters),
    Getter("pg_settings", _settings, ("names",)),
    Getter("pg_roles", _roles, ("not_stored_as",)),
    Getter("pg_hba", _hba, ("refused_methods",)),
)
