# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filter made from the registers: what is let in and out, and when it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.kinds import plan
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import FixFailed, Step
from tests.unit.plugins.fix_hosts import ImaginedHost, lines

OURS = "/etc/nftables.d/50-storewarden.nft"
TILL = "/etc/nftables.d/51-storewarden-pos.nft"
MAIN = "/etc/nftables.conf"
NFT = {"/usr/sbin/nft": {"content": "x", "mode": "0755"}}
SSH = {"port": 22, "process": ["sshd"]}
LISTENERS = lines(
    'tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=46,fd=3))',
    'tcp LISTEN 0 128 0.0.0.0:443 0.0.0.0:* users:(("nginx",pid=50,fd=6))',
    'tcp LISTEN 0 128 0.0.0.0:3306 0.0.0.0:* users:(("mariadbd",pid=51,fd=6))',
)


def a_host(**more: Any) -> ImaginedHost:
    commands = {"ss -H -lntup": LISTENERS, "nft -j list ruleset": '{"nftables": []}'}
    commands |= more.pop("commands", {})
    files = {**NFT, MAIN: "#!/usr/sbin/nft -f\nflush ruleset\n", **more.pop("files", {})}
    units = more.pop("units", {"nftables": {"enabled": "disabled"}})
    return ImaginedHost(files=files, commands=commands, units=units, **more)


def incoming(*allowed: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "kind": "firewall",
        "chain": "input",
        "allowed": [SSH, *allowed],
        "sensitive": [3306],
        "sensitive_sources": [],
        "management": ["10.9.0.0/16"],
        **more,
    }


def rules(host: ImaginedHost, fix: dict[str, Any], path: str = OURS) -> list[str]:
    plan(host.look(), fix).act(host)
    return [line.strip() for line in host.text(path).split("\n")]


def refusal(host: ImaginedHost, fix: dict[str, Any]) -> str:
    with pytest.raises(FixFailed) as caught:
        plan(host.look(), fix)
    assert caught.value.zh != caught.value.en
    return caught.value.en


# -- what is let in -------------------------------------------------------------------------------


def test_ports_of_the_register_ssh_for_its_networks_alone() -> None:
    host = a_host()
    found = rules(
        host,
        incoming(
            {"port": 443},
            {"port": "8000-8010", "sources": ["10.20.0.0/17", "10.20.128.0/17", "fd00::/8"]},
            {"port": 53, "proto": "udp"},
        ),
    )
    assert "type filter hook input priority filter; policy drop;" in found
    assert 'ip saddr 10.9.0.0/16 tcp dport 22 counter name "allow_tcp_22" accept' in found
    assert 'tcp dport 443 counter name "allow_tcp_443" accept' in found
    assert 'udp dport 53 counter name "allow_udp_53" accept' in found
    ranged = 'tcp dport 8000-8010 counter name "allow_tcp_8000_8010" accept'
    assert f"ip saddr 10.20.0.0/16 {ranged}" in found  # two halves are one network
    assert f"ip6 saddr fd00::/8 {ranged}" in found
    assert "counter allow_tcp_22 { }" in found
    assert sum("dport 22 " in line for line in found) == 1


def test_loopback_answers_neighbours_and_a_lease_stand_before_the_ports() -> None:
    found = rules(a_host(), incoming())
    first_port = next(place for place, line in enumerate(found) if "dport 22" in line)
    for text in (
        "ct state established,related accept",
        'iif "lo" accept',
        "nd-neighbor-solicit",
        "udp sport 67 udp dport 68 accept",
        "udp dport 546 accept",
    ):
        assert any(text in line for line in found[:first_port]), text


def test_it_is_checked_loaded_and_there_after_a_boot() -> None:
    host = a_host()
    step = plan(host.look(), incoming())
    step.act(host)
    assert host.text(MAIN).endswith(f'flush ruleset\ninclude "{OURS}"\n')
    assert host.ran == [f"nft -c -f {MAIN}", f"nft -f {OURS}", "systemctl enable nftables.service"]
    assert {"kind": "nft", "table": "inet storewarden"} in step.items
    # a restart would flush what other programs have loaded
    assert {"kind": "unit", "name": "nftables.service", "after_restore": "leave"} in step.items


def test_ports_that_close_are_named_beforehand() -> None:
    assert plan(a_host().look(), incoming({"port": 443})).closes == (3306,)


def test_an_expired_port_is_left_out_and_an_early_one_is_not() -> None:
    fix = incoming({"port": 8443, "expires": "2025-12-31"}, {"port": 8444, "expires": "2026-01-01"})
    found = "\n".join(rules(a_host(), fix))
    assert "8443" not in found
    assert "tcp dport 8444 " in found


def test_a_udp_client_needs_no_rule() -> None:
    fix = incoming({"port": "32768-60999", "proto": "udp", "process": "rsyslogd"})
    assert "32768" not in "\n".join(rules(a_host(), fix))


def test_a_sensitive_port_gets_the_named_networks() -> None:
    fix = incoming({"port": 3306}, sensitive_sources=["10.20.0.0/16"])
    found = rules(a_host(), fix)
    assert any(line.startswith("ip saddr 10.20.0.0/16 tcp dport 3306 ") for line in found)


# -- when it refuses ------------------------------------------------------------------------------


def test_without_management_networks() -> None:
    assert "no management network" in refusal(a_host(), incoming(management=[]))


def test_when_the_port_of_sshd_is_not_on_the_list() -> None:
    host = a_host(commands={"ss -H -lntup": LISTENERS.replace(":22 ", ":2222 ")})
    assert "sshd listens on port 2222" in refusal(host, incoming())


def test_when_the_entry_of_sshd_has_expired() -> None:
    fix = incoming()
    fix["allowed"] = [{"port": 22, "expires": "2020-01-01"}]
    assert "sshd listens on port 22" in refusal(a_host(), fix)


def test_when_this_connection_comes_from_elsewhere() -> None:
    files = {
        "/proc/self/stat": "900 (python3) S 800 900 900 0",
        "/proc/800/stat": "800 (sudo) S 700 800 800 0",
        "/proc/700/stat": "700 (sshd: ops@notty) S 46 700 700 0",
    }
    ours = '0 0 10.1.1.1:22 192.0.2.7:50000 users:(("sshd",pid=700,fd=4))\n'
    others = '0 0 10.1.1.1:22 198.51.100.9:50001 users:(("sshd",pid=999,fd=4))\n'
    host = a_host(files=files, commands={"ss -H -tnp state established": others + ours})
    assert "comes from 192.0.2.7" in refusal(host, incoming())
    assert plan(host.look(), incoming(management=["192.0.2.0/24"])).changes


def test_a_sensitive_port_for_everybody() -> None:
    assert "port 3306 is sensitive" in refusal(a_host(), incoming({"port": 3306}))


@pytest.mark.parametrize("entry", [{"proto": "tcp"}, {"port": "ssh"}, {"port": 1, "proto": "icmp"}])
def test_an_entry_that_nobody_can_read(entry: dict[str, Any]) -> None:
    assert "needs a port" in refusal(a_host(), incoming(entry))


def test_a_network_that_is_none() -> None:
    assert "write an address or a network" in refusal(a_host(), incoming(management=["store lan"]))


def test_another_firewall_program_in_charge() -> None:
    assert "firewalld is this host's firewall" in refusal(
        a_host(units={"firewalld": {}}), incoming()
    )
    ufw = {"/usr/sbin/ufw": {"content": "x", "mode": "0755"}}
    status = "Status: {0}\nDefault: deny (incoming), allow (outgoing)\n"
    host = a_host(files=ufw, commands={"ufw status verbose": status.format("active")})
    assert "ufw is this host's firewall" in refusal(host, incoming())
    host = a_host(files=ufw, commands={"ufw status verbose": status.format("inactive")})
    assert plan(host.look(), incoming()).changes


def test_no_sshd_at_all() -> None:
    host = a_host(commands={"ss -H -lntup": ""})
    assert "no sshd listens" in refusal(host, incoming())


# -- what is let out ------------------------------------------------------------------------------


def outgoing(*allowed: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "kind": "firewall",
        "chain": "output",
        "allowed": list(allowed),
        "management": ["10.9.0.0/16"],
        **more,
    }


def test_destinations_of_the_register_and_the_answers_of_ssh() -> None:
    fix = outgoing(
        {"to": ["203.0.113.0/28"], "port": 443}, {"to": "10.20.0.1", "port": 53, "proto": "udp"}
    )
    found = rules(a_host(), fix, TILL)
    assert "type filter hook output priority filter; policy drop;" in found
    assert "ip daddr 203.0.113.0/28 tcp dport 443 accept" in found
    assert "ip daddr 10.20.0.1/32 udp dport 53 accept" in found
    assert "ip daddr 10.9.0.0/16 tcp sport 22 accept" in found


def test_nothing_to_let_out_is_refused() -> None:
    assert "baseline_pos_egress is empty" in refusal(a_host(), outgoing())


@pytest.mark.parametrize("entry", [{"port": 443}, {"port": 443, "to": ["0.0.0.0/0"]}])
def test_everywhere_is_no_destination(entry: dict[str, Any]) -> None:
    assert "needs `to`" in refusal(a_host(), outgoing(entry))


# -- settled --------------------------------------------------------------------------------------


def live(*statements: list[dict[str, Any]], policy: str = "drop") -> str:
    place = {"family": "inet", "table": "storewarden", "chain": "input"}
    chain = {
        "family": "inet", "table": "storewarden", "name": "input",
        "type": "filter", "hook": "input", "prio": 0, "policy": policy,
    }  # fmt: skip
    found: list[dict[str, Any]] = [{"chain": chain}]
    found += [{"rule": {**place, "expr": [*one, {"accept": None}]}} for one in statements]
    return json.dumps({"nftables": found})


def match(left: dict[str, Any], right: Any) -> dict[str, Any]:
    return {"match": {"op": "==", "left": left, "right": right}}


ANSWERS = [match({"ct": {"key": "state"}}, ["established", "related"])]
LOOPBACK = [match({"meta": {"key": "iif"}}, "lo")]
DOOR = [
    match(
        {"payload": {"protocol": "ip", "field": "saddr"}},
        {"prefix": {"addr": "10.9.0.0", "len": 16}},
    ),
    match({"payload": {"protocol": "tcp", "field": "dport"}}, 22),
]
ANYBODY = [match({"payload": {"protocol": "tcp", "field": "dport"}}, 8080)]


def settled(text: str) -> Step:
    host = a_host(units={"nftables": {}})
    plan(host.look(), incoming()).act(host)
    host.case["commands"]["nft -j list ruleset"] = text
    return plan(host.look(), incoming())


def test_loaded_as_written_there_is_nothing_to_do() -> None:
    assert settled(live(ANSWERS, LOOPBACK, DOOR)).changes == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (live(ANSWERS, LOOPBACK), "tcp 22 (10.9.0.0/16)"),
        (live(ANSWERS, LOOPBACK, DOOR, ANYBODY), None),
        (live(ANSWERS, DOOR), "let through"),
        (live(ANSWERS, LOOPBACK, DOOR, policy="accept"), "drops all but tcp 22 (10.9.0.0/16)"),
        ('{"nftables": []}', "drops all but tcp 22 (10.9.0.0/16)"),
    ],
)
def test_what_somebody_changed_by_hand_is_loaded_again(text: str, said: str | None) -> None:
    assert [change.after for change in settled(text).changes] == [said]
