# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``firewall``: a packet filter of ours beside whatever else there is, made from the registers.

The one fix that can shut the door behind itself, so it refuses by name before anything is
written: no management networks, an SSH port that would not be let in, a connection from outside of
these networks, a sensitive port for everybody, another firewall program in charge.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters import GETTERS
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.network import (
    look_listen,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening import nft_live, nft_text
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.firewall_door import (
    refuse_lock_out,
    refuse_strangers,
    ssh_ports,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.nft_text import Opening
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import (
    Change,
    FixFailed,
    Step,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.telling import told
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.touching import (
    content,
    file_items,
)

_REGISTER = "baseline_ports_allowed"
_EGRESS = "baseline_pos_egress"
# what nftables.service loads: RHEL, Debian
_MAIN = ("/etc/sysconfig/nftables.conf", "/etc/nftables.conf")
_INPUT = ("storewarden", "/etc/nftables.d/50-storewarden.nft")
_OUTPUT = ("storewarden_pos", "/etc/nftables.d/51-storewarden-pos.nft")


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``chain: input`` with ``allowed`` (the port register), ``sensitive`` (ports) and
    ``sensitive_sources``, ``management`` (networks for SSH); or ``chain: output`` with ``allowed``
    (entries with ``to``, ``port``, ``proto``) and ``management``. Raises FixFailed where it would
    lock out.
    """
    _refuse_foreign(system)
    (table, path), openings, text = _wanted(system, fix)
    main = next((one for one in _MAIN if system.exists(one)), _MAIN[-1])
    line = 'include "{0}"'.format(path)
    before = content(system, main) or ""
    after = before if line in before else with_line(before, line)
    changes = []
    if content(system, path) != text:
        changes.append(Change(path, _shown(system, path), "the rules below"))
    if after != before:
        changes.append(Change(main, None, line))
    changes += nft_live.differences(system, table, str(fix["chain"]), openings)
    changes += _at_boot(system)
    items = [*file_items(system, path), *file_items(system, main)]
    items += [_rules_item(system, table), _unit_item()]

    def act(hands: Any) -> None:
        hands.write(path, text, 0o600)
        if after != before:
            hands.write(main, after, 0o755)
        hands.run(["nft", "-c", "-f", main])
        hands.run(["nft", "-f", path])
        hands.run(["systemctl", "enable", "nftables.service"])

    return told(dict(fix, closes=_closed(system, fix, openings)), changes, items, act)


def _wanted(system: Any, fix: dict[str, Any]) -> tuple[tuple[str, str], list[Opening], str]:
    """(table, file), what it lets through, and its text."""
    if fix["chain"] == "output":
        openings = _outgoing(system, fix)
        return _OUTPUT, openings, nft_text.output_text(_OUTPUT[0], openings)
    openings = _incoming(system, fix)
    return _INPUT, openings, nft_text.input_text(_INPUT[0], openings)


def with_line(text: str, line: str) -> str:
    """The text with one more line at its end."""
    return text + ("" if not text or text.endswith("\n") else "\n") + line + "\n"


def _closed(system: Any, fix: dict[str, Any], openings: list[Opening]) -> list[int]:
    """TCP ports that listen and will not answer everybody any more."""
    if fix["chain"] == "output":
        return []
    openly = [one for one in openings if one.proto == "tcp" and not one.nets]
    ports = {one["port"] for one in look_listen(system, {"proto": "tcp"})}
    ports -= set(ssh_ports(system))
    return sorted(port for port in ports if not any(_within(port, one.port) for one in openly))


def _refuse_foreign(system: Any) -> None:
    """Another firewall program's rules are not read, and would not know of ours."""
    state = GETTERS["unit"].look(system, {"name": "firewalld"})
    firewalld = state["active"] == "active" or state["enabled"] == "enabled"
    ufw = GETTERS["ufw"].look(system, {}) not in (None, "inactive")
    for name, in_charge in (("firewalld", firewalld), ("ufw", ufw)):
        if in_charge:
            raise FixFailed(
                "{0} is this host's firewall: set the rules there, or disable it".format(name),
                "本机防火墙由 {0} 管理：请在其中配置相同规则，或先停用它".format(name),
            )


def _shown(system: Any, path: str) -> Any:
    """What a report says of a file that will be different."""
    return "other content" if system.exists(path) else None


def _incoming(system: Any, fix: dict[str, Any]) -> list[Opening]:
    """The openings of the port register, SSH for the management networks alone."""
    management = nft_text.networks(fix.get("management"), "baseline_ssh_mgmt_nets")
    expired = GETTERS["expired_entries"].look(system, {"entries": fix["allowed"], "key": "expires"})
    over = [(str(one["port"]), str(one.get("proto", "tcp"))) for one in expired]
    entries = [
        one
        for one in fix["allowed"] or []
        if not isinstance(one, dict)
        or (str(one.get("port")), str(one.get("proto", "tcp"))) not in over
        or not one.get("expires")
    ]
    openings = [nft_text.opening(one, "sources", _REGISTER) for one in entries]
    openings = [one for one in openings if not _answers_only(system, one)]
    doors = ssh_ports(system)
    refuse_lock_out(system, doors, openings, management)
    found = []
    for one in nft_text.merged(openings):
        if any(_within(door, one.port) and one.proto == "tcp" for door in doors):
            found.append(one._replace(nets=management))
        else:
            found.append(_sensitive(one, fix))
    return found


def _answers_only(system: Any, one: Opening) -> bool:
    """A UDP client's port, which the kernel chose: answers to it are let in as answers."""
    words = (system.read("/proc/sys/net/ipv4/ip_local_port_range") or "32768 60999").split()
    low, high = int(words[0]), int(words[1])
    first, _dash, last = one.port.partition("-")
    return one.proto == "udp" and low <= int(first) and int(last or first) <= high


def _sensitive(one: Opening, fix: dict[str, Any]) -> Opening:
    """A port of databases or management is opened to named networks or not at all."""
    if one.nets or not any(_within(int(port), one.port) for port in fix.get("sensitive") or []):
        return one
    nets = nft_text.networks(fix.get("sensitive_sources"), "baseline_ports_sensitive_sources")
    if not nets:
        raise FixFailed(
            "port {0} is sensitive and open to everybody in {1}: give its entry sources, or name"
            " networks in baseline_ports_sensitive_sources".format(one.port, _REGISTER),
            "端口 {0} 属于敏感端口，{1} 中未限定来源：请为该条目填写 sources，或在"
            " baseline_ports_sensitive_sources 中登记网段".format(one.port, _REGISTER),
        )
    return one._replace(nets=nets)


def _within(port: int, text: str) -> bool:
    first, _dash, last = text.partition("-")
    return int(first) <= port <= int(last or first)


def _outgoing(system: Any, fix: dict[str, Any]) -> list[Opening]:
    """Registered destinations, and SSH's answers: a session that was there before the filter is
    not tracked, and its next packet would go out as something new."""
    management = nft_text.networks(fix.get("management"), "baseline_ssh_mgmt_nets")
    refuse_strangers(system, management)
    doors = [Opening("tcp", str(one), management, "sport") for one in ssh_ports(system)]
    return [*doors, *_destinations(fix)]


def _destinations(fix: dict[str, Any]) -> list[Opening]:
    entries = fix["allowed"] or []
    if not entries:
        raise FixFailed(
            "{0} is empty: nothing but answers would leave this host (name at least the payment,"
            " log, time and package servers)".format(_EGRESS),
            "{0} 为空：除应答外本机将无法访问任何地址（至少登记支付、日志、"
            "对时和软件源服务器）".format(_EGRESS),
        )
    openings = [nft_text.opening(one, "to", _EGRESS) for one in entries]
    for one in openings:
        if not one.nets or any(net.prefixlen == 0 for net in one.nets):
            raise FixFailed(
                "{0}: port {1} needs `to`, the networks it may reach".format(_EGRESS, one.port),
                "{0}：端口 {1} 须填写 to（允许访问的网段）".format(_EGRESS, one.port),
            )
    ordered = sorted(openings, key=lambda one: (one.proto, one.port, tuple(map(str, one.nets))))
    return nft_text.merged(ordered)


def _at_boot(system: Any) -> list[Change]:
    state = GETTERS["unit"].look(system, {"name": "nftables"})
    if state["enabled"] == "enabled":
        return []
    return [Change("nftables.service: at boot", state["enabled"] or None, "enabled")]


def _rules_item(system: Any, table: str) -> dict[str, Any]:
    if not system.has_command("nft"):  # it comes with this very fix
        return {"kind": "nft"}
    return {"kind": "nft", "table": "inet " + table}


def _unit_item() -> dict[str, Any]:
    # a restart would flush every other program's rules
    return {"kind": "unit", "name": "nftables.service", "after_restore": "leave"}
