# SPDX-License-Identifier: GPL-3.0-or-later
"""Open ports against our records: what is approved, who may reach it, who still uses it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.idleness import (
    Reading,
    history,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import ProbeError
from tests.unit.plugins.baseline_host import Bench

_SS = 'tcp LISTEN 0 128 {0}:{1} 0.0.0.0:* users:(("{2}",pid=9,fd=3))\n'
_NOW = datetime(2026, 3, 1, tzinfo=UTC)


def _days_ago(days: float) -> str:
    return (_NOW - timedelta(days=days)).isoformat()


def _idle(samples: list[dict[str, Any]], now: dict[str, int], boot: str = "b") -> dict[str, Any]:
    return history(samples, Reading(_NOW.timestamp(), now, boot), 30)


# -- the allow-list -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "bind", "covered"),
    [
        ("10.1.2.3", "10.1.0.0/16", True),
        ("10.1.2.3", ["192.0.2.1", "10.1.2.3"], True),
        ("10.2.2.3", "10.1.0.0/16", False),
        ("0.0.0.0", "0.0.0.0", True),
        ("0.0.0.0", "10.1.0.0/16", False),
        ("*", "10.1.0.0/16", False),
        ("0.0.0.0", None, True),
    ],
)
def test_bind_limits_where_a_listener_may_sit(
    bench: Bench, address: str, bind: Any, covered: bool
) -> None:
    bench.answer("ss", _SS.format(address, 8443, "nginx"))
    found = bench.look("unlisted_ports", allowed=[{"port": 8443, "bind": bind}])
    assert (found == []) is covered


def test_another_program_on_an_approved_port_is_named(bench: Bench) -> None:
    bench.answer("ss", _SS.format("0.0.0.0", 22, "socat"))
    found = bench.look("unlisted_ports", allowed=[{"port": 22, "process": ["sshd", "systemd"]}])
    assert found == [{"proto": "tcp", "port": 22, "address": "0.0.0.0", "process": "socat"}]


@pytest.mark.parametrize(
    "entry", ["22", {"proto": "tcp"}, {"port": "ssh"}, {"port": 1, "proto": "x"}]
)
def test_an_entry_that_says_nothing_is_an_error(bench: Bench, entry: Any) -> None:
    bench.answer("ss", "")
    with pytest.raises(ProbeError, match="allowed ports"):
        bench.look("unlisted_ports", allowed=[entry])


def test_an_entry_without_a_last_day_never_expires(bench: Bench) -> None:
    assert (
        bench.look(
            "expired_entries", entries=[{"port": 1}, {"port": 2, "expires": None}], key="expires"
        )
        == []
    )


# -- reachable by whom --------------------------------------------------------------------------


def _rules(*matches: dict[str, Any], policy: str = "drop") -> str:
    place = {"family": "inet", "table": "t", "chain": "input"}
    chain = {"family": "inet", "table": "t", "name": "input", "hook": "input", "type": "filter"}
    expressions = [{"match": match} for match in matches]
    rule = {"rule": {**place, "expr": [*expressions, {"accept": None}]}}
    return json.dumps({"nftables": [{"chain": {**chain, "policy": policy}}, rule]})


def _field(protocol: str, field: str, right: Any, op: str = "==") -> dict[str, Any]:
    return {"op": op, "left": {"payload": {"protocol": protocol, "field": field}}, "right": right}


_PORT = _field("tcp", "dport", 3306)


@pytest.mark.parametrize(
    ("rules", "approved", "exposed"),
    [
        (_rules(_PORT), [], True),
        (_rules(_PORT, policy="accept"), [], True),
        (_rules(_field("tcp", "dport", 22)), [], False),
        (_rules(_field("udp", "dport", 3306)), [], False),
        (_rules(_field("tcp", "dport", {"range": [3000, 4000]})), [], True),
        (_rules(_field("tcp", "dport", 22, "!=")), [], True),
        (_rules(_field("ip", "saddr", "10.1.1.1"), _PORT), [], False),
        (_rules(_field("ip", "saddr", "10.1.1.1"), _PORT), ["10.1.0.0/16"], False),
        (_rules(_field("ip", "saddr", "10.2.1.1"), _PORT), ["10.1.0.0/16"], True),
        (_rules(_field("ip6", "saddr", "fd00::1"), _PORT), ["10.1.0.0/16"], True),
        (
            _rules(_field("ip", "saddr", {"range": ["10.1.0.1", "10.1.9.9"]}), _PORT),
            ["10.1.0.0/16"],
            False,
        ),
        (
            _rules(_field("ip", "saddr", {"range": ["10.1.0.1", "10.2.0.0"]}), _PORT),
            ["10.1.0.0/16"],
            True,
        ),
        (
            _rules({"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established"]}),
            [],
            False,
        ),
        (_rules({"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}), [], False),
        (_rules({"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "eth0"}), [], True),
        ('{"nftables": []}', [], True),
    ],
)
def test_a_sensitive_port_is_exposed(
    bench: Bench, rules: str, approved: list[str], exposed: bool
) -> None:
    bench.answer("ss", _SS.format("0.0.0.0", 3306, "mariadbd")).answer("nft", rules)
    found = bench.look("exposed_ports", ports=[3306], sources=approved)
    assert bool(found) is exposed


def test_nft_is_not_asked_when_nothing_sensitive_listens(bench: Bench) -> None:
    bench.answer("ss", _SS.format("0.0.0.0", 22, "sshd"))
    assert bench.look("exposed_ports", ports=[3306]) == []


def test_loopback_and_answers_must_be_let_in_as_a_whole(bench: Bench) -> None:
    lo = {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}
    bench.answer("nft", _rules(lo))
    assert bench.look("nft", view="input_basics") == ["loopback"]
    bench.answer("nft", _rules(lo, _PORT))
    assert bench.look("nft", view="input_basics") == []


# -- idle ports ---------------------------------------------------------------------------------


def test_an_equal_counter_proves_silence() -> None:
    seen = _idle([{"at": _days_ago(40), "counters": {"fax": 5, "web": 1}}], {"fax": 5, "web": 9})
    assert seen["idle"] == ["fax"]
    assert seen["observed_days"] == 40.0


def test_29_days_prove_nothing() -> None:
    assert _idle([{"at": _days_ago(29), "counters": {"fax": 5}}], {"fax": 5})["idle"] == []


def test_use_in_between_is_not_silence() -> None:
    samples = [
        {"at": _days_ago(40), "counters": {"fax": 5}},
        {"at": _days_ago(20), "counters": {"fax": 6}},
    ]
    assert _idle(samples, {"fax": 6})["idle"] == []


def test_a_reboot_is_neither_use_nor_silence() -> None:
    samples = [
        {"at": _days_ago(40), "counters": {"fax": 0}, "boot": "a"},
        {"at": _days_ago(1), "counters": {"fax": 0}, "boot": "a"},
    ]
    seen = _idle(samples, {"fax": 0})
    assert (seen["idle"], seen["observed_days"]) == (["fax"], 39.0)


def test_packets_after_a_reload_are_use_though_the_counter_fell() -> None:
    samples = [
        {"at": _days_ago(40), "counters": {"fax": 500}},
        {"at": _days_ago(1), "counters": {"fax": 500}},
    ]
    assert _idle(samples, {"fax": 3})["idle"] == []


def test_one_fallen_counter_shows_the_restart_of_all() -> None:
    samples = [{"at": _days_ago(40), "counters": {"fax": 0, "web": 900}}]
    seen = _idle(samples, {"fax": 0, "web": 2})
    assert (seen["idle"], seen["observed_days"]) == ([], 0.0)


def test_a_long_blind_gap_ends_what_is_known() -> None:
    samples = [
        {"at": _days_ago(100), "counters": {"fax": 0}, "boot": "a"},
        {"at": _days_ago(60), "counters": {"fax": 0}, "boot": "a"},
    ]
    assert _idle(samples, {"fax": 0})["observed_days"] == 0.0


def test_samples_from_the_future_and_out_of_order_do_no_harm() -> None:
    samples = [
        {"at": _days_ago(1), "counters": {"fax": 5}},
        {"at": _days_ago(-5), "counters": {"fax": 5}},
        {"at": _days_ago(40), "counters": {"fax": 5}},
    ]
    assert _idle(samples, {"fax": 5})["observed_days"] == 40.0


@given(
    st.lists(st.integers(0, 3), min_size=30, max_size=45),
    st.sets(st.integers(0, 44), max_size=5),
)
def test_a_port_with_use_that_a_sample_saw_is_never_idle(new: list[int], boots: set[int]) -> None:
    """Daily samples of traffic and reboots: whoever had packets in the last 30 days is used."""
    count, boot, samples = 0, 0, []
    for day, packets in enumerate(new):
        if day in boots:
            count, boot = 0, boot + 1
        count += packets
        age = len(new) - 1 - day
        samples.append({"at": _days_ago(age), "counters": {"fax": count}, "boot": str(boot)})
    last = samples.pop()
    seen = history(samples, Reading(_NOW.timestamp(), last["counters"], last["boot"]), 30)
    if any(new[-30:]):
        assert seen["idle"] == []
    elif not boots and len(new) > 31 and not any(new[-31:]):
        assert seen["idle"] == ["fax"]


@pytest.mark.parametrize(
    "sample", ["x", {}, {"at": "yesterday", "counters": {}}, {"at": _days_ago(1), "counters": 5}]
)
def test_a_sample_that_is_none_is_an_error(sample: Any) -> None:
    with pytest.raises(ProbeError, match="not a counter sample"):
        _idle([sample], {"fax": 0})


def test_the_reading_is_a_sample_for_next_time(bench: Bench) -> None:
    counter = {"counter": {"family": "inet", "table": "t", "name": "fax", "packets": 7, "bytes": 1}}
    bench.answer("nft", json.dumps({"nftables": [counter]}))
    bench.files({"/proc/sys/kernel/random/boot_id": "b1\n"})
    seen = bench.look("idle_ports", days=30)
    again = bench.look("idle_ports", days=30, samples=[seen])
    assert (again["counters"], again["boot"], again["idle"]) == ({"fax": 7}, "b1", [])
