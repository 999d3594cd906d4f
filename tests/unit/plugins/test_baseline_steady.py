# SPDX-License-Identifier: GPL-3.0-or-later
"""Two audits of a host that nobody changed tell the same: what moves by itself stays out."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.evaluate import (
    distinct,
    evaluate_control,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.evidence import evidence
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import ProbeError
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_cases import CaseSystem
from tests.unit.plugins.baseline_host import Bench


def _shown(value: Any, show: str, expect: dict[str, Any]) -> dict[str, Any]:
    leaf = {"get": "value", "q": {"of": value}, "expect": expect, "label": "x", "show": show}
    return evaluate_control(CaseSystem({}), {"id": "A01", "check": {"all": [leaf]}})


@pytest.mark.parametrize(
    ("show", "told"),
    [
        ("value", {"x": [3, 1, 3]}),
        ("distinct", {"x": [1, 3]}),
        ("verdict", {"x": "pass"}),
        ("nothing", None),
    ],
)
def test_a_leaf_tells_as_much_as_it_is_asked_to(show: str, told: Any) -> None:
    result = _shown([3, 1, 3], show, {"contains": 1})
    assert result["verdict"] == "pass"
    assert result.get("value") == told
    assert _shown([3, 1, 3], show, {"contains": 2})["verdict"] == "fail"


def test_what_could_not_be_seen_is_told_whatever_was_asked() -> None:
    leaf = {"get": "unit", "q": {"name": "x"}, "expect": {"present": True}, "show": "nothing"}
    result = evaluate_control(CaseSystem({}), {"id": "A01", "check": leaf})
    assert "systemctl is not installed" in result["value"]["error"]


def test_distinct_keeps_a_fixed_order_of_anything() -> None:
    rows = [{"b": 1, "a": 2}, None, "x", {"a": 2, "b": 1}]
    assert distinct(rows) == distinct(list(reversed(rows)))
    assert len(distinct(rows)) == 3
    assert distinct({"a": 1}) == {"a": 1}


# -- listeners ----------------------------------------------------------------------------------


def _process(name: str, pid: int, began: int) -> dict[str, str]:
    rest = " ".join(["S", "1", *["0"] * 17, str(began), "0"])
    return {f"/proc/{pid}/stat": f"{pid} ({name}) {rest}\n"}


@pytest.mark.parametrize("turned", [False, True])
def test_the_listener_is_who_opened_the_socket_not_who_ss_lists_first(
    bench: Bench, turned: bool
) -> None:
    holders = ['("smtpd",pid=50,fd=6)', '("master",pid=900,fd=13)']
    text = ",".join(reversed(holders) if turned else holders)
    bench.answer("ss", f"tcp LISTEN 0 100 0.0.0.0:25 0.0.0.0:* users:({text})\n")
    bench.files({**_process("smtpd", 50, 70000), **_process("mas) ter", 900, 1200)})
    assert [one["process"] for one in bench.look("listen")] == ["master"]


def test_a_udp_client_is_told_by_its_range_and_can_be_approved(bench: Bench) -> None:
    bench.files({"/proc/sys/net/ipv4/ip_local_port_range": "40000\t50000\n"})
    line = 'udp UNCONN 0 0 0.0.0.0:{0} 0.0.0.0:* users:(("rsyslogd",pid=9,fd={0}))\n'
    told = []
    for ports in ((41001,), (49999, 40002)):
        bench.answer("ss", "".join(map(line.format, ports)))
        told.append(bench.look("unlisted_ports", allowed=[]))
    one = {"proto": "udp", "port": "40000-50000", "address": "0.0.0.0", "process": "rsyslogd"}
    assert told == [[one], [one]]
    entry = {"port": "40000-50000", "proto": "udp", "process": "rsyslogd"}
    assert bench.look("unlisted_ports", allowed=[entry]) == []
    assert bench.look("unlisted_ports", allowed=[{**entry, "process": "nc"}]) == [one]


def test_a_tcp_listener_in_that_range_keeps_its_number(bench: Bench) -> None:
    bench.answer("ss", 'tcp LISTEN 0 9 0.0.0.0:50051 0.0.0.0:* users:(("till",pid=9,fd=3))\n')
    assert bench.look("unlisted_ports", allowed=[])[0]["port"] == 50051
    assert bench.look("unlisted_ports", allowed=[{"port": "50000-50050"}]) != []
    assert bench.look("unlisted_ports", allowed=[{"port": "50000-50051"}]) == []


def test_too_many_counters_are_an_error_not_a_reading_that_is_lost(bench: Bench) -> None:
    def counters(number: int) -> str:
        made = [{"counter": {"family": "inet", "table": "t", "name": f"allow_port_{n}",
                             "packets": 10**7}} for n in range(number)]  # fmt: skip
        return json.dumps({"nftables": made})

    bench.answer("nft", counters(30))
    seen = bench.look("idle_ports", days=30)
    assert evidence({"reading": seen, "idle": []})["reading"] == seen
    bench.answer("nft", counters(90))
    with pytest.raises(ProbeError, match="90 named counters"):
        bench.look("idle_ports", days=30)


def test_a_long_value_does_not_cut_the_short_one_beside_it() -> None:
    told = evidence({"reading": {"counters": {f"c{n}": n for n in range(90)}}, "log": "x" * 4000})
    assert told["reading"]["counters"]["c89"] == 89
    assert "[cut" in told["log"]


# -- order and sizes ----------------------------------------------------------------------------


def test_the_size_of_a_memory_file_system_is_no_option(bench: Bench) -> None:
    line = "30 22 0:30 / /tmp rw,nosuid - tmpfs tmpfs rw,size=2468412k,nr_inodes=409600,inode64\n"
    bench.files({"/proc/self/mountinfo": line})
    assert bench.look("mount", path="/tmp")["options"] == ["rw", "nosuid", "inode64"]


def test_members_of_a_set_are_told_in_one_order(bench: Bench) -> None:
    place = {"family": "inet", "table": "t"}
    told = []
    for members in (["10.0.0.9", "10.0.0.1"], ["10.0.0.1", "10.0.0.9"]):
        left = {"payload": {"protocol": "ip", "field": "saddr"}}
        match = {"match": {"op": "==", "left": left, "right": "@head"}}
        rules = [
            {"set": {**place, "name": "head", "elem": members}},
            {"chain": {**place, "name": "i", "hook": "input", "type": "filter", "policy": "drop"}},
            {"rule": {**place, "chain": "i", "expr": [match, {"accept": None}]}},
        ]
        bench.answer("nft", json.dumps({"nftables": rules}))
        told.append(bench.look("nft", view="input_accepts")[0]["sources"])
    assert told == [["10.0.0.1", "10.0.0.9"]] * 2


def test_time_servers_are_told_in_one_order(bench: Bench) -> None:
    unit = "Id=chrony.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n"
    bench.answer("systemctl", unit)
    bench.answer("chronyc", "^,*,b.example,2,6,377\n^,-,a.example,2,6,377\n^,-,b.example,2,6,377\n")
    assert bench.look("time_sync", view="servers") == ["a.example", "b.example"]


# -- files that come and go, names that are no text, and traces -----------------------------------


def test_a_file_that_goes_away_while_we_look_is_not_there(bench: Bench) -> None:
    bench.files({"/etc/x.d/a.conf": "k = 1\n", "/etc/x.d/b.conf": "k = 2\n"})
    system = bench.system()
    assert system.glob("/etc/x.d/*.conf") == ["/etc/x.d/a.conf", "/etc/x.d/b.conf"]
    assert system.exists("/etc/x.d/b.conf")
    (bench.root / "etc/x.d/b.conf").unlink()
    assert system.read("/etc/x.d/b.conf") is None


def test_a_name_that_is_no_text_does_not_break_the_answer(bench: Bench) -> None:
    folder = bench.files({"/etc/x.d/a": ""}).root / "etc/x.d"
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff.conf"))).write_text("")
    paths = [one["path"] for one in bench.look("stat", paths="/etc/x.d/*.conf")]
    assert json.dumps(evidence(paths), ensure_ascii=False).encode() == b'["/etc/x.d/?.conf"]'


def test_a_database_with_a_write_ahead_log_is_left_as_it_was(bench: Bench) -> None:
    bench.files({"/var/shop/till.db": b""})
    place = bench.root / "var/shop/till.db"
    query = {"engine": "sqlite", "database": "/var/shop/till.db", "statement": "SELECT k FROM t"}
    owner = sqlite3.connect(place)
    owner.executescript("pragma journal_mode=wal; create table t (k); insert into t values (1);")
    assert bench.look("sql", **query) == [[1]]  # written, and still in the log alone
    owner.close()
    before = sorted(one.name for one in place.parent.iterdir())
    assert bench.look("sql", **query) == [[1]]
    assert sorted(one.name for one in place.parent.iterdir()) == before == ["till.db"]
    place.with_name("till.db-wal").write_bytes(b"x")
    with pytest.raises(ProbeError, match="in the middle of a write"):
        bench.look("sql", **query)


def test_a_pipe_in_place_of_a_file_is_an_error_at_once(bench: Bench) -> None:
    bench.files({"/etc/security/pwquality.conf": ""})
    (bench.root / "etc/security/pwquality.conf").unlink()
    os.mkfifo(bench.root / "etc/security/pwquality.conf")
    timer = threading.Timer(5, os._exit, [9])
    timer.start()
    try:
        with pytest.raises(ProbeError, match="not a regular file"):
            bench.look("kv", files="/etc/security/pwquality.conf", key="minlen")
    finally:
        timer.cancel()


def test_sudo_of_an_exempt_group_asks_no_password(bench: Bench) -> None:
    bench.files({"/etc/sudoers": "Defaults use_pty, exempt_group=fitters\nroot ALL=(ALL) ALL\n"})
    assert bench.look("sudoers", view="nopasswd") == ["%fitters"]


@pytest.mark.parametrize(
    ("beyond", "found"),
    [
        ({"mode": "0640"}, ["c"]),
        ({"mode": "0600"}, ["b", "c"]),
        ({"mode": "0777"}, []),
        ({"owner": ["nobody-at-all"]}, ["a", "b", "c"]),
        ({}, ["a", "b", "c"]),
    ],
)
def test_stat_tells_those_beyond_a_limit(bench: Bench, beyond: Any, found: list[str]) -> None:
    bench.files({"/x/a": "", "/x/b": "", "/x/c": ""})
    for name, mode in {"a": 0o600, "b": 0o640, "c": 0o644}.items():
        (bench.root / "x" / name).chmod(mode)
    told = bench.look("stat", paths="/x/*", beyond=beyond)
    assert [one["path"][-1] for one in told] == found
    with pytest.raises(ProbeError, match=r"beyond\.group"):
        bench.look("stat", paths="/x/*", beyond={"group": ["x"]})
