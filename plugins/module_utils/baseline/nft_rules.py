# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The live nftables rule set (libnftables JSON), reduced to what a control asks.

A packet must be let through by every base chain of a hook, so one dropping chain of the inet
family (or one each of ip and ip6) drops. Jumps are followed; conditions pile up on the way.
Rules made by iptables (ufw is such a maker) may hold matches that the JSON only names: what they
let in cannot be told, and that is said.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    OUTPUT,
    ProbeError,
)

_PROTOCOLS = ("icmp", "icmpv6", "igmp", "esp", "ah", "tcp", "udp", "sctp", "dccp")
_NUMBERS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}  # as iptables writes l4proto
_LISTS = ("ports", "source_ports", "sources", "destinations", "iif", "states")
_DEPTH = 16  # the kernel's own limit on jumps


class _Rules:
    """The objects of one rule set by what they are."""

    def __init__(self, objects: list[dict[str, Any]]) -> None:
        self.chains = [one["chain"] for one in objects if "chain" in one]
        self.rules = [one["rule"] for one in objects if "rule" in one]
        self.sets = {
            _key(one["set"]): one["set"].get("elem", []) for one in objects if "set" in one
        }
        self.maps = {
            _key(one["map"]): one["map"].get("elem", []) for one in objects if "map" in one
        }
        self.counters = {
            _key(one["counter"]): one["counter"] for one in objects if "counter" in one
        }

    def base(self, hook: str) -> list[dict[str, Any]]:
        return [
            one
            for one in self.chains
            if one.get("hook") == hook and one.get("type", "filter") == "filter"
        ]

    def of_chain(self, family: str, table: str, chain: str) -> list[dict[str, Any]]:
        place = (family, table, chain)
        return [one for one in self.rules if (one["family"], one["table"], one["chain"]) == place]


def _key(thing: dict[str, Any]) -> tuple[str, str, str]:
    return (thing.get("family", ""), thing.get("table", ""), thing.get("name", ""))


def policy(objects: list[dict[str, Any]], hook: str) -> str | None:
    """``drop`` or ``accept`` for what no rule accepts; None without any base chain on the hook."""
    rules = _Rules(objects)
    chains = rules.base(hook)
    if not chains:
        return None
    dropping = {one["family"] for one in chains if _drops(rules, one)}
    return "drop" if "inet" in dropping or {"ip", "ip6"} <= dropping else "accept"


def _drops(rules: _Rules, chain: dict[str, Any]) -> bool:
    if chain.get("policy") == "drop":
        return True
    own = rules.of_chain(chain["family"], chain["table"], chain["name"])
    # a last rule that refuses everything is a policy in other words
    last = own[-1]["expr"] if own else []
    return (
        bool(last)
        and all(set(one) <= {"drop", "reject", "counter", "log", "comment"} for one in last)
        and any("drop" in one or "reject" in one for one in last)
    )


def counters(objects: list[dict[str, Any]]) -> dict[str, int]:
    """Packets of every named counter."""
    return {
        name: int(counter.get("packets", 0))
        for (_family, _table, name), counter in sorted(_Rules(objects).counters.items())
    }


def accepts(objects: list[dict[str, Any]], hook: str) -> list[dict[str, Any]]:
    """What is let through: proto, port (number, "lo-hi" or None = any), sources, iif, states; and
    ``destinations`` and ``source_ports`` where a rule names them."""
    rules = _Rules(objects)
    found: list[dict[str, Any]] = []
    for chain in rules.base(hook):
        place = (chain["family"], chain["table"], chain["name"])
        _walk(rules, place, _anything(), found, 0)
        if chain.get("policy", "accept") == "accept" and not _drops(rules, chain):
            found.append(_finished(dict(_anything(), policy=True)))
    return found


def basics(objects: list[dict[str, Any]], hook: str) -> list[str]:
    """What a dropping chain must let through first: ``loopback``, ``established``, if it does."""
    found = []
    for entry in accepts(objects, hook):
        whole = entry["port"] is None and entry["proto"] is None and not entry["sources"]
        if whole and entry["iif"] == ["lo"]:
            found.append("loopback")
        if whole and not entry["iif"] and "established" in entry["states"]:
            found.append("established")
    return sorted(set(found))


def _anything() -> dict[str, Any]:
    """A packet of which nothing is known; ``unread``: a match that cannot be told."""
    lists: dict[str, Any] = {name: [] for name in _LISTS}
    return {**lists, "proto": None, "counter": None, "unread": None}


def _walk(
    rules: _Rules,
    place: tuple[str, str, str],
    outer: dict[str, Any],
    found: list[dict[str, Any]],
    depth: int,
) -> None:
    if depth > _DEPTH:
        raise ProbeError(OUTPUT, "nft chains jump in a circle at {0}".format(place[2]))
    for rule in rules.of_chain(*place):
        seen = {name: list(one) if isinstance(one, list) else one for name, one in outer.items()}
        for statement in rule["expr"]:
            for verdict, condition in _verdicts(rules, place, statement, seen):
                if "accept" in verdict:
                    _refuse_unread(place, condition)
                    found.extend(_entries(condition))
                for word in ("jump", "goto"):
                    if word in verdict:
                        target = (place[0], place[1], verdict[word]["target"])
                        _walk(rules, target, condition, found, depth + 1)


def _refuse_unread(place: tuple[str, str, str], condition: dict[str, Any]) -> None:
    if condition["unread"]:
        what = "chain {0} accepts by the iptables match {1}, which nft only names"
        raise ProbeError(OUTPUT, what.format(place[2], condition["unread"]))


def _verdicts(
    rules: _Rules, place: tuple[str, str, str], statement: dict[str, Any], seen: dict[str, Any]
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Verdicts this statement may give, each with its conditions; a match only narrows ``seen``."""
    if "match" in statement:
        match = statement["match"]
        values = _values(rules, place, match["right"])
        _narrow(seen, match["left"], values, match.get("op") == "!=")
    elif "counter" in statement:
        named = statement["counter"]
        seen["counter"] = named if isinstance(named, str) else (seen["counter"] or None)
    elif "xt" in statement:
        extension = statement["xt"] or {}
        if extension.get("type") != "target":  # a target such as LOG narrows nothing
            seen["unread"] = str(extension.get("name", "(unnamed)"))
    elif "vmap" in statement:
        found = []
        for key, verdict in _map_entries(rules, place, statement["vmap"]["data"]):
            condition = dict(seen)
            _narrow(condition, statement["vmap"]["key"], _values(rules, place, key), False)
            found.append((verdict, condition))
        return found
    return [(statement, seen)] if {"accept", "jump", "goto"} & set(statement) else []


def _map_entries(rules: _Rules, place: tuple[str, str, str], data: Any) -> list[Any]:
    if isinstance(data, str):
        return list(rules.maps.get((place[0], place[1], data.lstrip("@")), []))
    return list(data.get("set", []))


def _narrow(seen: dict[str, Any], left: Any, values: list[str], negated: bool) -> None:
    """Records a condition that controls ask about; any other condition stays unsaid."""
    values = ["!" + one if negated else one for one in values]
    payload, meta = left.get("payload") or {}, left.get("meta") or {}
    if payload.get("field") == "dport":
        seen["ports"] = values
        seen["proto"] = payload["protocol"] if payload["protocol"] != "th" else seen["proto"]
    elif payload.get("field") == "sport":
        seen["source_ports"] = values
        seen["proto"] = payload["protocol"] if payload["protocol"] != "th" else seen["proto"]
    elif payload.get("field") == "saddr":
        # a set may be listed in the order of its hashes, which a reload changes
        seen["sources"] = seen["sources"] + sorted(values)
    elif payload.get("field") == "daddr":
        seen["destinations"] = seen["destinations"] + sorted(values)
    elif meta.get("key") in ("iif", "iifname", "oif", "oifname"):
        seen["iif"] = values
    elif meta.get("key") in ("l4proto", "protocol") or payload.get("field") in (
        "protocol",
        "nexthdr",
    ):
        seen["proto"] = ",".join(_NUMBERS.get(one, one) for one in values)
    elif "ct" in left and left["ct"].get("key") == "state":
        seen["states"] = values
    elif payload.get("protocol") in _PROTOCOLS:
        seen["proto"] = payload["protocol"]  # icmp type echo-request: icmp and nothing else


def _values(rules: _Rules, place: tuple[str, str, str], right: Any) -> list[str]:
    if isinstance(right, list):
        return [text for one in right for text in _values(rules, place, one)]
    if isinstance(right, str) and right.startswith("@"):
        return _values(rules, place, rules.sets.get((place[0], place[1], right[1:]), []))
    if isinstance(right, dict) and "set" in right:
        return _values(rules, place, right["set"])
    if isinstance(right, dict) and "elem" in right:  # with a timeout or a counter of its own
        return _values(rules, place, right["elem"]["val"])
    return [_value(right)]


def _value(right: Any) -> str:
    if isinstance(right, dict) and "prefix" in right:
        return "{0}/{1}".format(right["prefix"]["addr"], right["prefix"]["len"])
    if isinstance(right, dict) and "range" in right:
        return "{0}-{1}".format(*right["range"])
    return str(right)


def _entries(condition: dict[str, Any]) -> list[dict[str, Any]]:
    ports: list[Any] = condition["ports"] or [None]
    return [
        _finished(dict(condition, port=int(one) if str(one).isdigit() else one)) for one in ports
    ]


def _finished(condition: dict[str, Any]) -> dict[str, Any]:
    entry = {name: condition[name] for name in ("proto", "sources", "iif", "states", "counter")}
    entry["port"] = condition.get("port")
    for name in ("destinations", "source_ports"):
        if condition[name]:
            entry[name] = condition[name]
    if condition.get("policy"):
        entry["policy"] = True
    return entry
