# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is known of a network device from its configuration, whoever made it.

One file per dialect fills this in; everything behind it speaks of devices and not of commands.
No password or key is ever among the facts, only how it is stored.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.source_networks import (
    Source,
    beyond,
)


class LoginLine(NamedTuple):
    """A way to a command line. ``protocols`` is ["default"] where nothing is said, [] for none;
    ``idle_seconds`` 0 is never; ``acls``: by IP version, the name of the list, or None."""

    name: str
    kind: str  # vty | console | aux
    protocols: tuple[str, ...]
    idle_seconds: int
    acls: dict[int, str | None]


class Port(NamedTuple):
    """An access port of a switch. ``bare``: nobody ever configured it."""

    name: str
    vlan: str
    closed: bool
    bare: bool
    mac_maximum: int | None
    ra_guard: bool
    dhcpv6_guard: bool


class Device(NamedTuple):
    """All that the controls ask of. ``http``: "on", "off", or None when nothing is said."""

    logins: tuple[LoginLine, ...]
    access_lists: dict[tuple[int, str], list[Source]]  # (IP version, name) -> sources let in
    ipv6: bool
    ssh_version: str | None
    telnet: bool
    http: str | None
    attempts: int | None
    block_seconds: int | None
    secrets: tuple[dict[str, str], ...]  # {who, kind}
    min_length: int | None
    log_hosts: tuple[str, ...]
    timestamps: bool
    commands_recorded: bool
    ports: tuple[Port, ...]


def open_sources(device: Device, nets: list[str]) -> list[str]:
    """Where a login is let in from beyond ``nets``; empty ``nets``: anywhere but everywhere."""
    found = []
    for line in device.logins:
        if line.kind != "vty" or not line.protocols:
            continue
        for version in (4, 6) if device.ipv6 else (4,):
            found += [
                "{0}: {1}".format(line.name, why)
                for why in _let_in(device, line.acls.get(version), version, nets)
            ]
    return found


def _let_in(device: Device, name: str | None, version: int, nets: list[str]) -> list[str]:
    if name is None:
        return ["no access list for IPv{0}".format(version)]
    sources = device.access_lists.get((version, name))
    if not sources:  # one without entries, or that does not exist, filters nothing
        return ["access list {0} does not exist or is empty".format(name)]
    wide = beyond(sources, nets)
    return ["access list {0} lets in {1}".format(name, one) for one in wide]


def unused_ports(device: Device, never_up: list[str], parked: str) -> list[str]:
    """Ports without a use that are open, or not in the VLAN ``parked``."""
    known = {port.name.lower(): port for port in device.ports}
    found = ["{0}: no such access port".format(one) for one in never_up if one.lower() not in known]
    wanted = {one.lower() for one in never_up}
    for port in device.ports:
        unused = port.bare or port.closed or port.vlan == parked or port.name.lower() in wanted
        why = [] if port.closed else ["open"]
        why += [] if port.vlan == parked else ["in VLAN {0}".format(port.vlan)]
        if unused and why:
            found.append("{0}: {1}".format(port.name, ", ".join(why)))
    return found


def unlimited_ports(device: Device, maximum: int) -> list[dict[str, Any]]:
    """Open access ports that learn more than ``maximum`` MAC addresses."""
    return [
        {"port": port.name, "maximum": port.mac_maximum}
        for port in device.ports
        if not port.closed and (port.mac_maximum is None or port.mac_maximum > maximum)
    ]


def unguarded_ports(device: Device) -> list[dict[str, Any]]:
    """Open access ports that let router advertisements or DHCPv6 servers in."""
    found = []
    for port in device.ports:
        missing = [] if port.ra_guard else ["RA guard"]
        missing += [] if port.dhcpv6_guard else ["DHCPv6 guard"]
        if missing and not port.closed:
            found.append({"port": port.name, "missing": missing})
    return found


def numbers_in(text: str) -> set[str]:
    """``10,20-22`` and ``10 20 to 22`` as the numbers they stand for."""
    found: set[str] = set()
    for low, high in re.findall(r"(\d+)(?:\s*(?:-|to)\s*(\d+))?", text):
        last = min(int(high or low), 4095)
        found |= {str(one) for one in range(int(low), last + 1)}
    return found
