# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filter's rules as nft lists them, reduced to what controls ask."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import ProbeError
from tests.unit.plugins.baseline_host import Bench

# -- nft ---------------------------------------------------------------------------------------


def _rule(*expr: Any, chain: str = "input", family: str = "inet") -> dict[str, Any]:
    return {"rule": {"family": family, "table": "filter", "chain": chain, "expr": list(expr)}}


def _chain(
    name: str = "input", family: str = "inet", policy: str | None = None, hook: str = "input"
) -> dict[str, Any]:
    chain = {"family": family, "table": "filter", "name": name}
    base = {"type": "filter", "hook": hook, "prio": 0, "policy": policy}
    return {"chain": {**chain, **base} if policy else chain}


def _match(protocol: str, field: str, right: Any, op: str = "==") -> dict[str, Any]:
    payload = {"payload": {"protocol": protocol, "field": field}}
    return {"match": {"op": op, "left": payload, "right": right}}


def _nft(bench: Bench, *objects: dict[str, Any]) -> Bench:
    return bench.answer("nft", json.dumps({"nftables": [{"metainfo": {}}, *objects]}))


ACCEPT = {"accept": None}


@pytest.mark.parametrize(
    ("objects", "policy"),
    [
        ([], None),
        ([_chain(policy="drop")], "drop"),
        ([_chain(policy="accept")], "accept"),
        ([_chain(policy="drop", hook="forward")], None),
        ([_chain(policy="drop", family="ip")], "accept"),
        ([_chain(policy="drop", family="ip"), _chain(policy="drop", family="ip6")], "drop"),
        ([_chain(policy="accept"), _rule({"counter": {"packets": 1}}, {"drop": None})], "drop"),
        ([_chain(policy="accept"), _rule(_match("tcp", "dport", 1), {"drop": None})], "accept"),
    ],
)
def test_nft_policy(bench: Bench, objects: list[dict[str, Any]], policy: str | None) -> None:
    assert _nft(bench, *objects).look("nft", view="input_policy") == policy


def test_nft_accepts(bench: Bench) -> None:
    nets = {"set": {"family": "inet", "table": "filter", "name": "mgmt",
                    "elem": [{"prefix": {"addr": "10.9.0.0", "len": 24}}, "10.8.0.1",
                             {"elem": {"val": "10.7.0.1", "timeout": 60}}]}}  # fmt: skip
    state = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established"]}}
    loop = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}}
    services = {"vmap": {"key": {"payload": {"protocol": "tcp", "field": "dport"}},
                         "data": {"set": [[443, ACCEPT], [25, {"drop": None}],
                                          [80, {"jump": {"target": "web"}}]]}}}  # fmt: skip
    _nft(
        bench,
        _chain(policy="drop"),
        _chain("web"),
        nets,
        _rule(state, ACCEPT),
        _rule(loop, ACCEPT),
        _rule(_match("ip", "saddr", "@mgmt"), _match("tcp", "dport", 22),
              {"counter": "ssh_in"}, ACCEPT),
        _rule(_match("udp", "dport", {"set": [53, {"range": [100, 200]}]}), ACCEPT),
        _rule(_match("ip", "saddr", "10.0.0.9", op="!="), _match("tcp", "dport", 9), ACCEPT),
        _rule(_match("tcp", "dport", 23), {"drop": None}),
        _rule(_match("icmpv6", "type", "echo-request"), ACCEPT),
        _rule(services),
        _rule(_match("ip", "saddr", "10.1.1.1"), ACCEPT, chain="web"),
        {"counter": {"family": "inet", "table": "filter", "name": "ssh_in", "packets": 7}},
    )  # fmt: skip
    found = bench.look("nft", view="input_accepts")
    table = [(one["proto"], one["port"], one["sources"], one["counter"]) for one in found]
    assert table == [
        (None, None, [], None),
        (None, None, [], None),
        ("tcp", 22, ["10.7.0.1", "10.8.0.1", "10.9.0.0/24"], "ssh_in"),
        ("udp", 53, [], None),
        ("udp", "100-200", [], None),
        ("tcp", 9, ["!10.0.0.9"], None),
        ("icmpv6", None, [], None),
        ("tcp", 443, [], None),
        ("tcp", 80, ["10.1.1.1"], None),
    ]
    assert found[0]["states"] == ["established"]
    assert found[1]["iif"] == ["lo"]
    assert bench.look("nft", view="counters") == {"ssh_in": 7}


def test_nft_with_an_accepting_policy_lets_everything_in(bench: Bench) -> None:
    _nft(bench, _chain(policy="accept"))
    (found,) = bench.look("nft", view="input_accepts")
    assert found["port"] is None
    assert found["policy"] is True


def test_nft_jumping_in_a_circle_is_an_error(bench: Bench) -> None:
    jump = {"jump": {"target": "input"}}
    _nft(bench, _chain(policy="drop"), _rule(jump))
    with pytest.raises(ProbeError, match="circle"):
        bench.look("nft", view="input_accepts")


@pytest.mark.parametrize("output", ["", "[]", "{}", "Operation not permitted"])
def test_nft_without_json_is_an_error(bench: Bench, output: str) -> None:
    bench.answer("nft", output)
    with pytest.raises(ProbeError, match="nft did not print JSON"):
        bench.look("nft", view="counters")


# -- rules that iptables made ------------------------------------------------------------------

_L4TCP = {"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": 6}}
_LOG = {"xt": {"type": "target", "name": "LOG"}}


def test_a_protocol_by_its_number_is_that_protocol(bench: Bench) -> None:
    _nft(bench, _chain(policy="drop", family="ip"), _rule(_L4TCP, _LOG, ACCEPT, family="ip"))
    assert [one["proto"] for one in bench.look("nft", view="input_accepts")] == ["tcp"]
    bench.answer("ss", 'tcp LISTEN 0 9 0.0.0.0:3306 0.0.0.0:* users:(("db",pid=9,fd=3))\n')
    assert [one["port"] for one in bench.look("exposed_ports", ports=[3306])] == [3306]


@pytest.mark.parametrize("match", [{"type": "match", "name": "conntrack"}, None])
def test_a_match_that_nft_only_names_is_an_error_where_it_accepts(bench: Bench, match: Any) -> None:
    chain, other = _chain(policy="drop"), _chain("own")
    unread, jump = {"xt": match}, {"jump": {"target": "own"}}
    for rules in (
        [_rule(unread, {"counter": {"packets": 4}}, ACCEPT)],
        [_rule(unread, jump), _rule(ACCEPT, chain="own")],
    ):
        _nft(bench, chain, other, *rules)
        with pytest.raises(ProbeError, match="iptables match"):
            bench.look("nft", view="input_accepts")
        assert bench.look("nft", view="input_policy") == "drop"
    _nft(bench, chain, other, _rule(unread, jump))  # as fail2ban does: only refuses
    assert bench.look("nft", view="input_accepts") == []
