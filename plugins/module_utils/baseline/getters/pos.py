# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is asked of a till beyond any other host: its disk, its network, and what is on it.

Each getter answers with the findings, so that an empty list is the good case.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import json
import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import Getter, texts
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.daemons import (
    GETTERS as DAEMONS,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.network import (
    look_nft,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    OUTPUT,
    QUERY,
    ProbeError,
)

_LOOK_PKG = next(one for one in DAEMONS if one.name == "pkg").look
_ADDRESSES = ["ip", "-j", "addr", "show"]
_LEASE = (67, 547)  # DHCP and DHCPv6: before an answer there is no address to be named
_DEEP = 8  # layers of block devices: a file system on LVM on RAID on LUKS has four


# -- the disk -------------------------------------------------------------------------------------


def _plain_disks(system: Any, query: dict[str, Any]) -> list[dict[str, Any]]:
    """Paths whose file system does not lie on dm-crypt as a whole: ``{path, mount, source}``."""
    found = []
    for path in texts(query["paths"]):
        mount, number, source = _mount_of(system, path)
        if not _encrypted(system, _device(system, number, source), 0):
            found.append({"path": path, "mount": mount, "source": source})
    return found


def _mount_of(system: Any, path: str) -> tuple[str, str, str]:
    """Mount point, device number and source of the file system that a path lies on (the last
    mount on the longest matching mount point)."""
    resolved = system.resolve(path) or path
    best: tuple[str, str, str] | None = None
    for line in system.lines("/proc/self/mountinfo"):
        before, _dash, after = line.partition(" - ")
        left, right = before.split(" "), after.split(" ")
        if len(left) < 6 or len(right) < 2:
            continue
        point = left[4]
        below = (resolved.rstrip("/") + "/").startswith(point.rstrip("/") + "/")
        if below and (best is None or len(point) >= len(best[0])):
            best = (point, left[2], right[1])
    if best is None:
        raise ProbeError(OUTPUT, "no mount holds {0}".format(path))
    return best


def _device(system: Any, number: str, source: str) -> str | None:
    """The folder below /sys/block of a device; a file system such as btrfs has a number of its own
    making, so then its source is asked."""
    for pattern in ("/sys/block/*/dev", "/sys/block/*/*/dev"):
        for path in system.glob(pattern) if number else []:
            if (system.read(path) or "").strip() == number:
                return str(path.rsplit("/", 1)[0])
    name = (system.resolve(source) or source).rsplit("/", 1)[-1]
    for pattern in ("/sys/block/{0}", "/sys/block/*/{0}"):
        for path in system.glob(pattern.format(name)) if name else []:
            return str(path)
    return None


def _encrypted(system: Any, folder: str | None, depth: int) -> bool:
    """dm-crypt marks its devices with CRYPT-; a device on top of others is what all of them are."""
    if folder is None or depth > _DEEP:
        return False
    if (system.read(folder + "/dm/uuid") or "").startswith("CRYPT-"):
        return True
    below = [_device(system, "", name) for name in system.listdir(folder + "/slaves")]
    return bool(below) and all(_encrypted(system, one, depth + 1) for one in below)


# -- the network ----------------------------------------------------------------------------------


def _egress_beyond(system: Any, query: dict[str, Any]) -> list[dict[str, Any]]:
    """Openings of the output chain that no entry {to, port, proto} covers. States, loopback,
    ICMP and a lease are what every host needs, as are SSH's answers to ``management``."""
    allowed = [_destination(one) for one in query["allowed"] or []]
    desks = [_network(one) for one in query.get("management") or []]
    policy = look_nft(system, {"view": "output_policy"})
    found: list[dict[str, Any]] = []
    for one in look_nft(system, {"view": "output_accepts"}):
        if one.get("policy") and policy == "drop":
            continue
        if _answers(one, desks):
            continue
        if not _needed_by_all(one) and not any(_within(one, entry) for entry in allowed):
            shown = {
                "proto": one["proto"],
                "port": one["port"],
                "to": one.get("destinations", []),
            }
            found += [] if shown in found else [shown]
    return found


def _needed_by_all(one: dict[str, Any]) -> bool:
    if one["iif"] == ["lo"] or (one["states"] and "new" not in one["states"]):
        return True
    lease = one["proto"] == "udp" and one["port"] in _LEASE
    return lease or str(one["proto"]).split(",")[0] in ("icmp", "icmpv6", "ipv6-icmp")


def _answers(one: dict[str, Any], desks: list[Any]) -> bool:
    """From one port of this host to the management networks: the sessions that were there before
    the filter began to track any."""
    nets = [net for text in one.get("destinations", []) for net in _networks(text)]
    return bool(nets) and len(one.get("source_ports", [])) == 1 and _all_inside(nets, desks)


def _all_inside(nets: list[Any], wide: list[Any]) -> bool:
    return all(
        any(net.version == one.version and net.subnet_of(one) for one in wide) for net in nets
    )


def _destination(entry: Any) -> dict[str, Any]:
    given = entry if isinstance(entry, dict) else {}
    if not given.get("to") or not re.match(r"\d+(-\d+)?$", str(given.get("port", ""))):
        raise ProbeError(QUERY, "egress: {0!r} needs `to` and `port`".format(entry))
    return {
        "nets": [_network(one) for one in texts(given["to"])],
        "port": str(given["port"]),
        "proto": str(given.get("proto", "tcp")),
    }


def _within(one: dict[str, Any], entry: dict[str, Any]) -> bool:
    named = one.get("destinations", [])
    if one["proto"] != entry["proto"] or not named or one["port"] is None:
        return False
    low, high = _ends(entry["port"])
    first, last = _ends(str(one["port"]))
    if not low <= first <= last <= high:
        return False
    nets = [net for text in named for net in _networks(text)]
    return _all_inside(nets, entry["nets"])


def _ends(text: str) -> tuple[int, int]:
    low, _dash, high = text.partition("-")
    if not low.isdigit():
        return -1, 1 << 16  # a negated port, or a name: wider than any entry
    return int(low), int(high or low)


def _networks(text: str) -> list[Any]:
    first, dash, last = text.partition("-")
    try:
        if dash:
            ends = ipaddress.ip_address(first), ipaddress.ip_address(last)
            return list(ipaddress.summarize_address_range(*ends))
        return [ipaddress.ip_network(text, strict=False)]
    except ValueError:
        return [ipaddress.ip_network("0.0.0.0/0")]  # no address: no named destination


def _network(text: str) -> Any:
    try:
        return ipaddress.ip_network(str(text).strip(), strict=False)
    except ValueError:
        raise ProbeError(QUERY, "{0!r} is not an address or network".format(text)) from None


def _addresses_outside(system: Any, query: dict[str, Any]) -> list[str]:
    """This host's addresses, loopback and link-local ones left out, that lie in none of the
    networks; with ``within`` empty all of them."""
    nets = [_network(one) for one in query["within"] or []]
    return [
        str(one)
        for one in _own_addresses(system)
        if not any(one.version == net.version and one in net for net in nets)
    ]


def _own_addresses(system: Any) -> list[Any]:
    try:
        links = json.loads(system.ask(_ADDRESSES))
        found = [
            ipaddress.ip_address(one["local"])
            for link in links
            for one in link.get("addr_info", [])
            if "local" in one
        ]
    except (ValueError, TypeError, AttributeError):
        raise ProbeError(OUTPUT, "ip did not print addresses as JSON") from None
    kept = {one for one in found if not (one.is_loopback or one.is_link_local)}
    return sorted(kept, key=lambda one: (one.version, int(one)))


# -- what is on it --------------------------------------------------------------------------------


def _unapproved_packages(system: Any, query: dict[str, Any]) -> list[str]:
    """Installed packages that no name or pattern of the list covers."""
    patterns = texts(query["approved"])
    plain = {one for one in patterns if not re.search(r"[*?\[]", one)}
    wild = [one for one in patterns if one not in plain]
    return sorted(
        {
            one["name"]
            for one in _LOOK_PKG(system, {"names": ["*"]})
            if one["name"] not in plain
            and not any(fnmatch.fnmatchcase(one["name"], pattern) for pattern in wild)
        }
    )


GETTERS = (
    Getter("plain_disks", _plain_disks, ("paths",)),
    Getter("egress_beyond", _egress_beyond, ("allowed",), ("management",)),
    Getter("addresses_outside", _addresses_outside, ("within",)),
    Getter("unapproved_packages", _unapproved_packages, ("approved",)),
)
