# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Open ports against our own records: what is approved, who may reach it, who still uses it.

Each getter answers with the findings, so that an empty list is the good case and the evidence
names the port. Listeners come from the kernel (ss), reachability from the live nft rules.
"""

from __future__ import annotations

import datetime
import ipaddress
import json
import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import Getter, texts
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.network import (
    look_listen,
    look_nft,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.idleness import (
    history,
    reading,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    OUTPUT,
    QUERY,
    ProbeError,
)

_ROOM = 1200  # bytes: a reading with its idle ports must not be cut, the next one needs it
_ASK_NFT = ["nft", "-j", "list", "ruleset"]
_ANYWHERE = ("0.0.0.0", "*", "::")  # a socket on these answers on every address


# -- approved? ------------------------------------------------------------------------------------


def _unlisted_ports(system: Any, query: dict[str, Any]) -> list[dict[str, Any]]:
    allowed = [_entry(one) for one in query["allowed"] or []]
    changing = _chosen_by_the_kernel(system)
    found: list[dict[str, Any]] = []
    for one in look_listen(system, {"proto": "any"}):
        if not any(_covers(entry, one) for entry in allowed):
            shown = {name: one[name] for name in ("proto", "port", "address", "process")}
            if one["proto"] == "udp" and changing[0] <= one["port"] <= changing[1]:
                shown["port"] = "{0}-{1}".format(*changing)
            found += [] if shown in found else [shown]
    return found


def _chosen_by_the_kernel(system: Any) -> tuple[int, int]:
    """Ports that a program gets which asks for any. A UDP client (rsyslog sending, a resolver)
    looks like a listener there, with another number after every start: the range stands for it.
    """
    words = (system.read("/proc/sys/net/ipv4/ip_local_port_range") or "").split()
    if len(words) == 2 and all(word.isdigit() for word in words):
        return int(words[0]), int(words[1])
    return 32768, 60999  # ip(7), what a kernel starts with


def _entry(entry: Any) -> dict[str, Any]:
    """An entry of the allow-list, its port a number or "lo-hi"; else it is the operator's slip."""
    port = entry.get("port", "") if isinstance(entry, dict) else ""
    if not re.match(r"\d+(-\d+)?$", str(port)):
        raise ProbeError(QUERY, "allowed ports: {0!r} has no port number".format(entry))
    if str(entry.get("proto", "tcp")) not in ("tcp", "udp"):
        raise ProbeError(QUERY, "allowed ports: proto of {0!r} is not tcp or udp".format(entry))
    return dict(entry, port=str(port))


def _covers(entry: dict[str, Any], listener: dict[str, Any]) -> bool:
    if str(entry.get("proto", "tcp")) != listener["proto"]:
        return False
    if not _in_range(entry["port"], listener["port"]):
        return False
    if entry.get("process") and listener["process"] not in texts(entry["process"]):
        return False
    return not entry.get("bind") or _bound_within(listener["address"], texts(entry["bind"]))


def _bound_within(address: str, places: list[str]) -> bool:
    """Whether a listener sits on one of the named addresses or networks."""
    if address in places:
        return True
    if address in _ANYWHERE:
        return False
    return any(ipaddress.ip_address(address) in _network(place) for place in places)


def _network(text: str) -> Any:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ProbeError(QUERY, "{0!r} is not an address or network".format(text)) from None


def _expired_entries(system: Any, query: dict[str, Any]) -> list[dict[str, Any]]:
    """Entries whose day has passed; the day itself still counts, in UTC."""
    today = datetime.datetime.fromtimestamp(system.now(), datetime.timezone.utc).date()
    key = str(query["key"])
    return [
        {name: entry[name] for name in ("port", "proto", "approval", key) if name in entry}
        for entry in query["entries"] or []
        if isinstance(entry, dict) and entry.get(key) and _day(entry[key]) < today
    ]


def _expired_open(system: Any, query: dict[str, Any]) -> list[dict[str, Any]]:
    """Expired entries whose port still listens and is let in; a host without nft lets in all."""
    expired = _expired_entries(system, query)
    if not expired:
        return []
    listeners = look_listen(system, {"proto": "any"})
    filtered = system.has_command("nft") or system.run(_ASK_NFT).rc != 127
    accepts = _openings(system) if filtered else [{"proto": None, "port": None, "sources": []}]
    return [
        one
        for one in expired
        if any(
            _covers({"port": str(one["port"]), "proto": one.get("proto", "tcp")}, listener)
            and any(_reaches(accept, listener) for accept in accepts)
            for listener in listeners
        )
    ]


def _day(text: Any) -> datetime.date:
    try:
        return datetime.datetime.strptime(str(text), "%Y-%m-%d").date()
    except ValueError:
        raise ProbeError(QUERY, "{0!r} is not a day like 2026-01-31".format(text)) from None


# -- reachable by whom? ---------------------------------------------------------------------------


def _exposed_ports(system: Any, query: dict[str, Any]) -> list[dict[str, Any]]:
    """Sensitive listeners with the rule that opens them too wide; ``sources`` empty = everybody."""
    ports = {int(one) for one in query["ports"] or []}
    approved = [_network(one) for one in texts(query.get("sources") or [])]
    listeners = [one for one in look_listen(system, {"proto": "any"}) if one["port"] in ports]
    if not listeners:
        return []
    accepts = _openings(system)
    return [
        {
            "proto": listener["proto"],
            "port": listener["port"],
            "address": listener["address"],
            "process": listener["process"],
            "sources": accept["sources"],
        }
        for listener in listeners
        for accept in accepts
        if _reaches(accept, listener) and not _named(accept["sources"], approved)
    ]


def _openings(system: Any) -> list[dict[str, Any]]:
    """What the live rules let in from outside; without an input chain that is everything."""
    policy = look_nft(system, {"view": "input_policy"})
    if policy is None:
        return [{"proto": None, "port": None, "sources": []}]
    return [
        one
        for one in look_nft(system, {"view": "input_accepts"})
        # where one chain drops, the permissive policy of another opens nothing
        if not (policy == "drop" and one.get("policy")) and _opens(one)
    ]


def _opens(accept: dict[str, Any]) -> bool:
    """Answers to what the host began, and its talk to itself, open nothing."""
    states = accept["states"]
    return not (states and "new" not in states) and accept["iif"] != ["lo"]


def _reaches(accept: dict[str, Any], listener: dict[str, Any]) -> bool:
    proto = accept["proto"]
    if proto is not None and listener["proto"] not in str(proto).split(","):
        return False
    port = accept["port"]
    if port is None:
        return True
    text = str(port)
    if text.startswith("!"):
        return not _in_range(text[1:], listener["port"])
    return _in_range(text, listener["port"])


def _in_range(text: str, port: int) -> bool:
    low, _dash, high = text.partition("-")
    if not low.isdigit():
        return True  # a service name or an expression we cannot read: better to look twice
    return int(low) <= port <= int(high or low)


def _named(sources: list[str], approved: list[Any]) -> bool:
    """Whether a rule names its sources, and each lies in an approved network (if any are given)."""
    if not sources or any(one.startswith("!") for one in sources):
        return False
    networks = [network for one in sources for network in _networks(one)]
    if any(one.prefixlen == 0 for one in networks):
        return False
    return not approved or all(
        any(one.version == wide.version and one.subnet_of(wide) for wide in approved)
        for one in networks
    )


def _networks(source: str) -> list[Any]:
    first, dash, last = source.partition("-")
    try:
        if dash:
            ends = ipaddress.ip_address(first), ipaddress.ip_address(last)
            return list(ipaddress.summarize_address_range(*ends))
        return [ipaddress.ip_network(source, strict=False)]
    except ValueError:
        return [ipaddress.ip_network("0.0.0.0/0")]  # not an address: no named source


# -- still used? ----------------------------------------------------------------------------------


def _idle_ports(system: Any, query: dict[str, Any]) -> dict[str, Any]:
    """What is needed to record a sample today, and what the samples so far say."""
    counters = look_nft(system, {"view": "counters"})
    if len(json.dumps(counters)) > _ROOM:
        what = "{0} named counters are more than one reading holds".format(len(counters))
        raise ProbeError(OUTPUT, what)
    boot = (system.read("/proc/sys/kernel/random/boot_id") or "").strip() or None
    now = reading(system.now(), counters, boot)
    return history(query.get("samples") or [], now, float(query["days"]))


GETTERS = (
    Getter("unlisted_ports", _unlisted_ports, ("allowed",)),
    Getter("expired_entries", _expired_entries, ("entries", "key")),
    Getter("expired_open", _expired_open, ("entries", "key")),
    Getter("exposed_ports", _exposed_ports, ("ports",), ("sources",)),
    Getter("idle_ports", _idle_ports, ("days",), ("samples",)),
)
