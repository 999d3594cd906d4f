# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge and a /24 for each lab, which lead nowhere else.

Several labs live side by side, so each takes the first free third octet of 10.213.0.0/16 (free:
no route, no address and no other lab's plan mentions it). A bridge carries its lab's key as its
alias; a bridge without that mark is never removed.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
from collections.abc import Collection

from tests.lab.places import LabError
from tests.lab.processes import run

_RANGE = ipaddress.ip_network("10.213.0.0/16")


def subnet(octet: int) -> ipaddress.IPv4Network:
    """The /24 of a lab."""
    return ipaddress.IPv4Network((int(_RANGE.network_address) + (octet << 8), 24))


def bridge_name(octet: int) -> str:
    """The lab's bridge; interface names have at most 15 characters."""
    return f"swlab{octet}"


def bridge_address(octet: int) -> str:
    """The machine's own address on the bridge."""
    return str(subnet(octet)[1])


def free_octet(taken: Collection[int]) -> int:
    """The first octet 1..250 that neither this machine nor a lab in `taken` uses."""
    used = _routed()
    for octet in range(1, 251):
        overlaps = any(subnet(octet).overlaps(network) for network in used)
        if octet not in taken and not overlaps and not exists(bridge_name(octet)):
            return octet
    raise LabError(f"no free /24 is left in {_RANGE}; take unused labs down")


def _routed() -> list[ipaddress.IPv4Network]:
    """Networks this machine has a route to; the default route is left out: it covers all."""
    found = []
    for route in json.loads(run(["ip", "-j", "-4", "route", "show", "table", "all"]).stdout):
        with contextlib.suppress(ValueError):
            network = ipaddress.IPv4Network(route["dst"], strict=False)
            if network.prefixlen > _RANGE.prefixlen - 8:
                found.append(network)
    return found


def exists(link: str) -> bool:
    """Whether a network interface of that name is there."""
    return run(["ip", "link", "show", "dev", link], check=False).returncode == 0


def create_bridge(octet: int, key: str) -> None:
    """Make the lab's bridge with its mark and address, up."""
    bridge = bridge_name(octet)
    run(["ip", "link", "add", bridge, "type", "bridge", "forward_delay", "0"])
    run(["ip", "link", "set", "dev", bridge, "alias", _mark(key)])
    # The range leads nowhere else, and nobody's IPv6 autoconfiguration should notice it.
    run(["ip", "link", "set", "dev", bridge, "addrgenmode", "none"])
    run(["ip", "address", "add", f"{bridge_address(octet)}/24", "dev", bridge])
    run(["ip", "link", "set", "dev", bridge, "up"])


def delete_bridge(octet: int, key: str) -> None:
    """Remove the lab's bridge if it still is this lab's."""
    shown = run(["ip", "-j", "link", "show", "dev", bridge_name(octet)], check=False)
    if shown.returncode == 0 and json.loads(shown.stdout)[0].get("ifalias") == _mark(key):
        run(["ip", "link", "delete", "dev", bridge_name(octet)])


def _mark(key: str) -> str:
    return f"storewarden-lab {key}"


def set_link(link: str, *, up: bool) -> None:
    """Raise or drop one interface (the machine's end of a host's line)."""
    run(["ip", "link", "set", "dev", link, "up" if up else "down"])


def remove_link(link: str) -> None:
    """Remove a dead host's line at once; without one there is nothing to do.

    The kernel clears a dead network namespace away when it finds the time. Until then the name is
    taken, and systemd-nspawn does not start the host again.
    """
    run(["ip", "link", "delete", "dev", link], check=False)


def forget_connections(address: str) -> None:
    """Break this machine's own TCP connections to one lab address (a host that was replaced).

    Otherwise an ssh master to the old host answers for the new one until it notices. A kernel
    without this ability leaves it to the time-outs.
    """
    run(["ss", "-K", "dst", address], check=False)
