# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may come in over SSH, from where, and with how many factors, as sshd itself sees it.

Both getters answer with the findings, so an empty list is the good case.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import Getter, texts
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.accounts import (
    accounts,
    logs_in,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.daemons import (
    effective,
    spec_text,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    QUERY,
    ProbeError,
)

_HAVE = ("publickey",)
_KNOW = ("password", "keyboard-interactive")


def _ssh_open_sources(system: Any, query: dict[str, Any]) -> list[str]:
    """AllowUsers entries that are not bound to one of ``nets``; "everybody" where there is none.

    sshd matches a wildcard also against the host name that the client's own DNS claims, so only
    an address or a network binds. Negated entries let nobody in.
    """
    nets = [_network(one) for one in texts(query["nets"] or [])]
    found: list[str] = []
    for spec in [""] + [spec_text(one) for one in query.get("specs") or []]:
        lines = effective(system, spec).get("allowusers", [])
        entries = [word for line in lines for word in line.split() if not word.startswith("!")]
        found += [one for one in entries if one not in found and not _bound(one, nets)]
        found += [] if lines or "everybody" in found else ["everybody"]
    return found


def _network(text: str) -> Any:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ProbeError(QUERY, "{0!r} is not an address or network".format(text)) from None


def _bound(entry: str, nets: list[Any]) -> bool:
    _user, at, host = entry.rpartition("@")
    try:
        source = ipaddress.ip_network(host, strict=False)
    except ValueError:
        return False
    return bool(at) and any(source.version == n.version and source.subnet_of(n) for n in nets)


def _ssh_one_factor(system: Any, query: dict[str, Any]) -> list[str]:
    """Administrators for whom sshd is content with one factor, as "name: methods"."""
    found = []
    for name in _administrators(system, query):
        spec = "user={0},host=outside.invalid,addr={1}".format(name, query["address"])
        settings = effective(system, spec)
        if name == "root" and settings.get("permitrootlogin") == ["no"]:
            continue
        methods = " ".join(settings.get("authenticationmethods", ["any"]))
        if not all(_two_factors(one) for one in methods.split()):
            found.append("{0}: {1}".format(name, methods))
    return found


def _administrators(system: Any, query: dict[str, Any]) -> list[str]:
    """Everybody with user id 0 or in one of the groups, who has a shell and is no exception."""
    groups, skipped = set(texts(query["groups"] or [])), texts(query.get("except") or [])
    return [
        user["name"]
        for user in accounts(system)
        if (user["uid"] == 0 or groups & set(user["groups"]))
        and logs_in(user["shell"])
        and user["name"] not in skipped
    ]


def _two_factors(methods: str) -> bool:
    """Something one has and something one knows; two keys are one factor."""
    names = {one.split(":", 1)[0] for one in methods.split(",")}
    return bool(names & set(_HAVE)) and bool(names & set(_KNOW))


GETTERS = (
    Getter("ssh_open_sources", _ssh_open_sources, ("nets",), ("specs",)),
    Getter("ssh_one_factor", _ssh_one_factor, ("groups", "address"), ("except",)),
)
