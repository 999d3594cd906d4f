# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab consists of: stores with a server and tills, and what Ansible is told about them.

Pure: a plan in, names, addresses and inventories out. Store ids keep their leading zeros as
text, as the chains' own lists have them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.lab import network
from tests.lab.places import LabError, Places

_FIRST_STORE = 101
_REGIONS = ("east", "south", "north")
_FIRST_ADDRESS = 11
MOST_HOSTS = 240
TIME_ZONE = "Asia/Shanghai"
_SAID_BY_GROUP_VARS = {"sw_tier", "sw_tz", "sw_hours"}
OPENING_HOURS = "10:00-22:00"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlan:
    """One host: where it stands and how it is reached."""

    name: str
    index: int
    store: str
    region: str
    role: str
    number: int
    machine: str
    address: str

    @property
    def link(self) -> str:
        """The machine's end of the host's network cable, as systemd-nspawn names it."""
        return f"vb-{self.machine}"

    @property
    def configuration_item(self) -> str:
        """Its name in the change records, such as ``POS-LAB000101-01``."""
        kind = "SRV" if self.role == "store_server" else "POS"
        return f"{kind}-LAB{self.store}-{self.number:02d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabPlan:
    """One lab: its key (name and a random token: the mark on all it owns), size and subnet."""

    name: str
    key: str
    octet: int
    stores: int
    pos: int
    image: str

    @property
    def hosts(self) -> tuple[HostPlan, ...]:
        return tuple(self._hosts())

    def _hosts(self) -> Iterator[HostPlan]:
        index = 0
        for store in range(self.stores):
            for number in range(self.pos + 1):
                yield self._host(index=index, store=store, number=number)
                index += 1

    def _host(self, *, index: int, store: int, number: int) -> HostPlan:
        identifier = f"{_FIRST_STORE + store:06d}"
        short = f"pos{number:02d}" if number else "sv01"
        return HostPlan(
            name=f"s{identifier}-{short}",
            index=index,
            store=identifier,
            region=_REGIONS[store % len(_REGIONS)],
            role="pos" if number else "store_server",
            number=number or 1,
            # `vb-` and this must fit into the 15 characters of an interface name.
            machine=f"sw{self.octet}-{index:03d}",
            address=str(network.subnet(self.octet)[_FIRST_ADDRESS + index]),
        )

    @property
    def bridge(self) -> str:
        return network.bridge_name(self.octet)

    @property
    def bridge_address(self) -> str:
        return network.bridge_address(self.octet)


def check_size(stores: int, pos: int) -> None:
    """LabError unless that many hosts fit into one subnet."""
    if stores < 1 or pos < 0:
        raise LabError("a lab has at least one store; terminals per store may be 0 or more")
    if stores * (pos + 1) > MOST_HOSTS:
        raise LabError(
            f"{stores} stores x {pos + 1} hosts are more than the {MOST_HOSTS} of one lab"
        )


def variables(host: HostPlan) -> dict[str, Any]:
    """What the inventory says about one host."""
    return {
        "ansible_host": host.address,
        "sw_store": host.store,
        "sw_region": host.region,
        "sw_role": host.role,
        "sw_ci": host.configuration_item,
        "sw_tier": "core" if host.role == "store_server" else "ordinary",
        "sw_failure_groups": [f"line-{host.store}", f"power-{host.store}"],
        "sw_tz": TIME_ZONE,
        "sw_hours": OPENING_HOURS,
    }


def groups(plan: LabPlan) -> dict[str, list[str]]:
    """Host names per group: ``store_000101``, ``region_east``, ``role_pos`` ..."""
    found: dict[str, list[str]] = {}
    for host in plan.hosts:
        for group in (f"store_{host.store}", f"region_{host.region}", f"role_{host.role}"):
            found.setdefault(group, []).append(host.name)
    return found


def connection(places: Places) -> dict[str, Any]:
    """How Ansible reaches every host: the lab's key, its known hosts, sudo without password."""
    return {
        "ansible_user": "ops",
        "ansible_become": True,
        "ansible_become_method": "sudo",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_private_key_file": str(places.private_key),
        "ansible_host_key_checking": True,
        "ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={places.known_hosts} "
        "-o GlobalKnownHostsFile=none -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes",
    }


def hosts_file(plan: LabPlan, places: Places) -> dict[str, Any]:
    """A complete inventory in the layout of Ansible's YAML files."""
    members: dict[str, Any] = {
        group: {"hosts": {name: {} for name in names}} for group, names in groups(plan).items()
    }
    hosts = {host.name: variables(host) for host in plan.hosts}
    return {"all": {"vars": connection(places), "hosts": hosts, "children": members}}


def script_output(plan: LabPlan, places: Places) -> dict[str, Any]:
    """The same hosts for an inventory script; `inventories/lab/group_vars` says the rest."""
    reach = {
        "sw_lab_private_key": str(places.private_key),
        "sw_lab_known_hosts": str(places.known_hosts),
    }
    found: dict[str, Any] = {group: {"hosts": names} for group, names in groups(plan).items()}
    found["_meta"] = {"hostvars": {host.name: _own(host) | reach for host in plan.hosts}}
    return found


def _own(host: HostPlan) -> dict[str, Any]:
    """The variables that are the host's own, not its group's."""
    return {
        name: value for name, value in variables(host).items() if name not in _SAID_BY_GROUP_VARS
    }
