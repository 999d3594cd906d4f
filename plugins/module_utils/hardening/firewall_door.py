# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a packet filter would lock its own operator out: SSH ports, networks, this connection."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.daemons import (
    effective,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.network import (
    look_listen,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import ProbeError
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.nft_text import Opening
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import FixFailed

_ESTABLISHED = ["ss", "-H", "-tnp", "state", "established"]
_ANCESTORS = 64  # more than any login has


def refuse_lock_out(
    system: Any, doors: list[int], openings: list[Opening], management: tuple[Any, ...]
) -> None:
    """Raises FixFailed when SSH could not be reached from where it is reached now."""
    refuse_strangers(system, management)
    for door in doors:
        if not any(one.proto == "tcp" and _has(one.port, door) for one in openings):
            raise FixFailed(
                "sshd listens on port {0}, which baseline_ports_allowed lacks".format(door),
                "sshd 监听端口 {0}，但 baseline_ports_allowed 未放行该端口".format(door),
            )


def refuse_strangers(system: Any, management: tuple[Any, ...]) -> None:
    """Raises FixFailed without management networks, or when this very connection is outside."""
    if not management:
        raise FixFailed(
            "no management network is named (baseline_ssh_mgmt_nets): SSH would be shut for all",
            "未登记管理网段（baseline_ssh_mgmt_nets）：启用后将无人能通过 SSH 登录",
        )
    peer = own_peer(system)
    if peer is not None and not any(_inside(peer, net) for net in management):
        raise FixFailed(
            "this connection comes from {0}, outside of baseline_ssh_mgmt_nets".format(peer),
            "当前连接来自 {0}，不在 baseline_ssh_mgmt_nets 登记的网段内".format(peer),
        )


def ssh_ports(system: Any) -> list[int]:
    """Ports on which sshd answers other hosts, also where systemd holds the socket for it."""
    configured: set[int] = set()
    try:
        configured = {int(one) for one in effective(system, "").get("port", []) if one.isdigit()}
    except ProbeError:
        pass  # its listeners speak for themselves
    listeners = look_listen(system, {"proto": "tcp"})
    found = {
        one["port"] for one in listeners if one["process"] == "sshd" or (one["port"] in configured)
    }
    if not found:
        raise FixFailed(
            "no sshd listens here, so nobody can tell which port has to stay open",
            "本机没有监听中的 sshd，无法确定须保留的端口",
        )
    return sorted(found)


def own_peer(system: Any) -> str | None:
    """The address this program's own SSH connection comes from; None without one."""
    mine = _own_processes(system)
    result = system.run(_ESTABLISHED)
    for line in result.stdout.split("\n") if result.rc == 0 else []:
        words = line.split()
        if len(words) > 3 and mine & set(re.findall(r"pid=(\d+)", line)):
            match = re.match(r"\[?([^\]%]+)(?:%[^\]]*)?\]?:\d+$", words[3])
            if match:
                return re.sub(r"^::ffff:", "", match.group(1))
    return None


def _own_processes(system: Any) -> set[str]:
    """This process and its parents (proc(5): the parent is the second field after the name)."""
    found: set[str] = set()
    pid = "self"
    for _count in range(_ANCESTORS):
        fields = (system.read("/proc/{0}/stat".format(pid)) or "").rpartition(")")
        words = fields[2].split()
        if pid == "self":
            found.add(fields[0].split(" ")[0])
        if len(words) < 2 or words[1] in ("0", "1"):
            break
        pid = words[1]
        found.add(pid)
    return found


def _has(text: str, port: int) -> bool:
    first, _dash, last = text.partition("-")
    return int(first) <= port <= int(last or first)


def _inside(address: str, net: Any) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return found.version == net.version and found in net
