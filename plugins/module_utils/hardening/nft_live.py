# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether our table is loaded as it would be written: compared by what it lets through.

nft prints rules in another form than they were given, and another version in yet another one; what
is accepted, for whom, is the same in all of them.
"""

from __future__ import annotations

import ipaddress
import json
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.nft_rules import (
    accepts,
    policy,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.nft_text import (
    Opening,
    collapsed,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import Change

_LEASE = (67, 68, 546, 547)  # ports of DHCP
_LIST = ["nft", "-j", "list", "ruleset"]


def differences(system: Any, table: str, hook: str, openings: list[Opening]) -> list[Change]:
    """What the live table lacks, lets through too much, or accepts as a whole."""
    what = "nft table inet {0}".format(table)
    objects = _objects(system, table)
    found = policy(objects, hook)
    if found != "drop":
        ports = ", ".join(_said(one) for one in openings)
        return [Change(what, found, "drops all but {0}".format(ports or "answers"))]
    live = {_said(one) for one in _live(objects, hook)}
    wanted = {_said(one) for one in openings}
    changes = [Change(what, one, None) for one in sorted(live - wanted)]
    changes += [Change(what, None, one) for one in sorted(wanted - live)]
    if not changes and not _basics(objects, hook):
        changes.append(Change(what, "answers or loopback are dropped", "let through"))
    return changes


def _objects(system: Any, table: str) -> list[dict[str, Any]]:
    result = system.run(_LIST)
    try:
        listed = json.loads(result.stdout)["nftables"] if result.rc == 0 else []
    except (ValueError, KeyError):
        listed = []
    return [
        one
        for one in listed
        if all(
            (thing.get("family"), thing.get("table")) == ("inet", table)
            for thing in one.values()
            if isinstance(thing, dict)
        )
    ]


def _live(objects: list[dict[str, Any]], hook: str) -> list[Opening]:
    """The accepted ports of the table, without its fixed part (states, interfaces, ICMP, DHCP)."""
    found: dict[tuple[str, str, str], list[Any]] = {}
    everybody: set[tuple[str, str, str]] = set()
    for one in accepts(objects, hook):
        if one["states"] or one["iif"] or "icmp" in str(one["proto"]) or one["port"] in _LEASE:
            continue
        key = (str(one["proto"] or "any"), str(one["port"] or ""), "dport")
        if one.get("source_ports") and one["port"] is None:
            key = (key[0], ",".join(one["source_ports"]), "sport")
        named = one.get("destinations", []) if hook == "output" else one["sources"]
        found.setdefault(key, []).extend(_network(text) for text in named)
        if not named:
            everybody.add(key)
    return [
        Opening(key[0], key[1], () if key in everybody else _joined(nets), key[2])
        for key, nets in found.items()
    ]


def _network(text: str) -> Any:
    first, dash, last = text.partition("-")
    try:
        if dash:
            ends = ipaddress.ip_address(first), ipaddress.ip_address(last)
            return list(ipaddress.summarize_address_range(*ends))
        return [ipaddress.ip_network(text, strict=False)]
    except ValueError:
        return []  # not an address: the table is not as we write it


def _joined(lists: list[Any]) -> tuple[Any, ...]:
    return collapsed(net for nets in lists for net in nets)


def _basics(objects: list[dict[str, Any]], hook: str) -> bool:
    entries = accepts(objects, hook)
    answers = any("established" in one["states"] and not one["iif"] for one in entries)
    return answers and any(one["iif"] == ["lo"] for one in entries)


def _said(one: Opening) -> str:
    text = "{0} {1}".format(one.proto, one.port or "all ports")
    text = "answers of " + text if one.side == "sport" else text
    return text + (" ({0})".format(", ".join(map(str, one.nets))) if one.nets else " (everybody)")
