# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of tills, on real files below a folder: disks, desktop, destinations, addresses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import ProbeError
from tests.unit.plugins.baseline_host import Bench

LUKS = "CRYPT-LUKS2-0123456789abcdef-data\n"


# -- disks ----------------------------------------------------------------------------------------


def disk(bench: Bench, **more: str) -> Bench:
    """A till whose /var/lib is LVM on LUKS; /sys/block holds links, as the kernel's does."""
    devices = "/sys/devices/virtual/block"
    bench.files(
        {
            "/proc/self/mountinfo": "21 1 253:1 / /var/lib rw - ext4 /dev/mapper/till-data rw\n",
            f"{devices}/dm-0/dev": "253:0\n",
            f"{devices}/dm-0/dm/uuid": LUKS,
            f"{devices}/dm-1/dev": "253:1\n",
            f"{devices}/dm-1/dm/uuid": "LVM-0123456789abcdef\n",
            "/sys/devices/pci0/block/sda/dev": "8:0\n",
            "/sys/devices/pci0/block/sda/sda2/dev": "8:2\n",
            **more,
        }
    )
    for name in ("dm-0", "dm-1"):
        bench.link(f"/sys/block/{name}", f"../devices/virtual/block/{name}")
    bench.link("/sys/block/sda", "../devices/pci0/block/sda")
    bench.link(f"{devices}/dm-1/slaves/dm-0", "../../dm-0")
    return bench


def test_lvm_on_luks_is_encrypted(bench: Bench) -> None:
    assert disk(bench).look("plain_disks", paths=["/var/lib/pos"]) == []


def test_one_plain_disk_below_spoils_it(bench: Bench) -> None:
    disk(bench).link(
        "/sys/devices/virtual/block/dm-1/slaves/sda2", "../../../../pci0/block/sda/sda2"
    )
    assert bench.look("plain_disks", paths=["/var/lib/pos"]) == [
        {"path": "/var/lib/pos", "mount": "/var/lib", "source": "/dev/mapper/till-data"}
    ]


def test_a_folder_that_no_mount_holds_is_an_error(bench: Bench) -> None:
    with pytest.raises(ProbeError, match="no mount holds /srv"):
        disk(bench).look("plain_disks", paths=["/srv"])


# -- desktop --------------------------------------------------------------------------------------

KEY = "/org/gnome/desktop/session/idle-delay"
SECTION = "[org/gnome/desktop/session]\n"


def test_all_values_of_all_databases_of_the_profile_are_told(bench: Bench) -> None:
    bench.files(
        {
            "/etc/dconf/profile/user": "user-db:user\r\nsystem-db:site\r\nsystem-db:local\r\n",
            "/etc/dconf/db/site.d/10": f"# idle-delay=1\n{SECTION}idle-delay = uint32 60\n",
            "/etc/dconf/db/local.d/10": f"[/]\nidle-delay=9\n{SECTION}idle-delay='600'\n",
            "/etc/dconf/db/other.d/10": f"{SECTION}idle-delay=uint32 7\n",
            "/etc/dconf/db/local.d/locks/10": f"{KEY}\n",
            "/etc/dconf/db/site": "",
        }
    )
    found = bench.look("dconf", key=KEY)
    assert found == {"values": ["60", "600"], "locked": True, "compiled": False}


def test_a_host_without_a_desktop_has_no_value(bench: Bench) -> None:
    assert bench.look("dconf", key=KEY) == {"values": [], "locked": False, "compiled": True}


# -- destinations ---------------------------------------------------------------------------------


def ruleset(*statements: list[dict[str, Any]], policy: str = "drop") -> str:
    place = {"family": "inet", "table": "till", "chain": "output"}
    chain = {
        "family": "inet", "table": "till", "name": "output",
        "type": "filter", "hook": "output", "prio": 0, "policy": policy,
    }  # fmt: skip
    rules = [{"rule": {**place, "expr": [*one, {"accept": None}]}} for one in statements]
    return json.dumps({"nftables": [{"chain": chain}, *rules]})


def match(left: dict[str, Any], right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def field(protocol: str, name: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": name}}


def to(address: str, port: Any, op: str = "==") -> list[dict[str, Any]]:
    return [match(field("ip", "daddr"), address, op), match(field("tcp", "dport"), port)]


ALLOWED = [{"to": "203.0.113.0/28", "port": "443-445"}]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (to("203.0.113.9", 443), []),
        (to("203.0.113.9", {"range": [443, 445]}), []),
        (to("203.0.113.9", 80), [{"proto": "tcp", "port": 80, "to": ["203.0.113.9"]}]),
        (to("203.0.113.99", 443), [{"proto": "tcp", "port": 443, "to": ["203.0.113.99"]}]),
        (to("203.0.113.9", 443, "!="), [{"proto": "tcp", "port": 443, "to": ["!203.0.113.9"]}]),
        ([match({"meta": {"key": "oifname"}}, "lo")], []),
        ([match({"ct": {"key": "state"}}, ["established"])], []),
        ([match({"ct": {"key": "state"}}, ["new"])], [{"proto": None, "port": None, "to": []}]),
        ([match(field("icmp", "type"), "echo-request")], []),
        ([match(field("udp", "dport"), 67)], []),
        ([match(field("tcp", "sport"), 22)], [{"proto": "tcp", "port": None, "to": []}]),
        ([match(field("ip", "daddr"), "10.9.0.1"), match(field("tcp", "sport"), 22)], []),
        ([], [{"proto": None, "port": None, "to": []}]),
    ],
)
def test_what_is_let_out_beyond_the_register(
    bench: Bench, statement: list[dict[str, Any]], found: list[dict[str, Any]]
) -> None:
    bench.answer("nft", ruleset(statement))
    assert bench.look("egress_beyond", allowed=ALLOWED, management=["10.9.0.0/16"]) == found


def test_a_policy_that_accepts_the_rest_is_a_finding(bench: Bench) -> None:
    bench.answer("nft", ruleset(policy="accept"))
    assert bench.look("egress_beyond", allowed=ALLOWED) == [{"proto": None, "port": None, "to": []}]


def test_an_entry_without_a_destination_is_an_error(bench: Bench) -> None:
    bench.answer("nft", ruleset())
    with pytest.raises(ProbeError, match="needs `to` and `port`"):
        bench.look("egress_beyond", allowed=[{"port": 443}])


# -- addresses, ufw -------------------------------------------------------------------------------


def test_every_address_counts_in_a_fixed_order(bench: Bench) -> None:
    links = [
        {"addr_info": [{"local": "fd00::7"}, {"local": "10.20.31.7"}, {"local": "::1"}]},
        {"addr_info": [{"local": "10.20.30.7"}, {"local": "169.254.1.1"}]},
        {"ifname": "down0"},
    ]
    bench.answer("ip", json.dumps(links))
    assert bench.look("addresses_outside", within=["10.20.30.0/24"]) == ["10.20.31.7", "fd00::7"]
    bench.answer("ip", "no JSON")
    with pytest.raises(ProbeError, match="ip did not print"):
        bench.look("addresses_outside", within=[])


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("Status: active\nDefault: deny (incoming), allow (outgoing)\n", "deny"),
        ("Status: active\nDefault: allow (incoming), allow (outgoing)\n", "allow"),
        ("Status: inactive\n", "inactive"),
    ],
)
def test_ufw_is_asked_itself(bench: Bench, status: str, said: str) -> None:
    bench.files({"/usr/sbin/ufw": "x"}).answer("ufw", status)
    assert bench.look("ufw") == said


def test_no_ufw_no_answer(bench: Bench) -> None:
    assert bench.look("ufw") is None
