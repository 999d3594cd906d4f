# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Huawei VRP: from the blocks of a configuration to the facts of a device.

VRP prints what differs from its defaults, and the defaults differ between products. A fact that
hangs on such a default says that nothing is said, and its control asks for the explicit line.
"""

from __future__ import annotations

import re

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.device_facts import (
    Device,
    LoginLine,
    Port,
    numbers_in,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.device_text import (
    Block,
    FreeText,
    Grammar,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.source_networks import (
    Source,
    source,
    wildcard_source,
)

GRAMMAR = Grammar(
    name="Huawei VRP",
    end="return",
    named="sysname ",
    comment="#",
    free=(FreeText(r"header \S+ information ([^\w\s])"),),
)
_IDLE = 600  # idle-timeout 10 0, the default
_PHYSICAL = re.compile(r"(?:X?GigabitEthernet|Ethernet|MultiGE|(?:10|25|40|50|100)GE|GE)\d[\d/:]*$")
_NOTHING = re.compile(r"(undo )?(shutdown|negotiation auto|auto (speed|duplex)|loopback-detect)\b")
_LINES = "user-interface "


def device_of(blocks: list[Block]) -> Device:
    """The facts of one configuration."""
    tops = [block.text for block in blocks]
    aaa = [line for block in blocks if block.text == "aaa" for line in block.lines]
    lockout = _groups(aaa, r"local-aaa-user wrong-password .*retry-time (\d+) block-time (\d+)")
    return Device(
        logins=tuple(_logins(blocks)),
        access_lists=_access_lists(blocks),
        ipv6=_has_ipv6(blocks),
        ssh_version="1.99" if "ssh server compatible-ssh1x enable" in tops else "2",
        telnet=any(re.match(r"telnet (ipv6 )?server enable$", line) for line in tops),
        # it is printed when it is on; off is the default and may be printed as well
        http="on" if any(re.match(r"http (ipv6 )?server enable$", x) for x in tops) else "off",
        attempts=int(lockout[0]) if lockout else None,
        block_seconds=int(lockout[1]) * 60 if lockout else None,
        secrets=tuple(_secrets(blocks, aaa)),
        min_length=_min_length(tops + aaa),
        log_hosts=_log_hosts(tops),
        timestamps=_one(tops, r"info-center timestamp log (\S+)") not in ("none", "boot"),
        commands_recorded=_records_commands(aaa),
        ports=tuple(_ports(blocks)),
    )


def _groups(lines: list[str] | tuple[str, ...], pattern: str) -> tuple[str, ...] | None:
    """The groups of the last line that matches: later lines win."""
    found = [match for match in (re.match(pattern, line) for line in lines) if match]
    return tuple(group or "" for group in found[-1].groups()) if found else None


def _one(lines: list[str] | tuple[str, ...], pattern: str) -> str | None:
    found = _groups(lines, pattern)
    return found[0] if found else None


def _has_ipv6(blocks: list[Block]) -> bool:
    return any(
        re.match(r"ipv6 (enable|address)\b", line)
        for block in blocks
        if block.text.startswith("interface ")
        for line in block.lines
    )


# -- logins --------------------------------------------------------------------------------------


def _line_name(block: Block) -> str:
    words = block.text.split()[1:]
    return "{0} {1}".format(words[0], "-".join(words[1:]))


def _logins(blocks: list[Block]) -> list[LoginLine]:
    tops = [block.text for block in blocks]
    general = {
        4: _one(tops, r"ssh server acl (\S+)"),
        6: _one(tops, r"ssh ipv6 server acl (\S+)"),
    }
    lines = [
        block for block in blocks if re.match(_LINES + r"(vty|con|console|aux) \d", block.text)
    ]
    return [_login(block, general) for block in lines] + _unnamed(blocks, general)


def _login(block: Block, general: dict[int, str | None]) -> LoginLine:
    kinds = {"vty": "vty", "aux": "aux"}
    told = _one(block.lines, r"protocol inbound (\S+)")
    idle = _groups(block.lines, r"idle-timeout (\d+)(?: (\d+))?$")
    return LoginLine(
        name=_line_name(block),
        kind=kinds.get(block.text.split()[1], "console"),
        protocols=(told or "default",),
        idle_seconds=_IDLE if idle is None else int(idle[0]) * 60 + int(idle[1] or 0),
        acls={
            4: _one(block.lines, r"acl (?!ipv6)(\S+) inbound") or general[4],
            6: _one(block.lines, r"acl ipv6 (\S+) inbound") or general[6],
        },
    )


def _unnamed(blocks: list[Block], general: dict[int, str | None]) -> list[LoginLine]:
    """Lines that ``maximum-vty`` opens and no block speaks of: they have the defaults."""
    maximum = _one([block.text for block in blocks], _LINES + r"maximum-vty (\d+)")
    if maximum is None:
        return []
    named: set[str] = set()
    for block in blocks:
        match = re.match(_LINES + r"vty (\d+)(?: (\d+))?$", block.text)
        if match:
            named |= numbers_in("{0}-{1}".format(match.group(1), match.group(2) or match.group(1)))
    left = [number for number in range(int(maximum)) if str(number) not in named]
    return [LoginLine("vty {0}".format(n), "vty", ("default",), _IDLE, general) for n in left]


def _access_lists(blocks: list[Block]) -> dict[tuple[int, str], list[Source]]:
    """Under its number and under its name, both of which a line may use."""
    found: dict[tuple[int, str], list[Source]] = {}
    for block in blocks:
        match = re.match(
            r"acl (?P<v6>ipv6 )?(?:number )?(?:name )?(?P<one>\S+)(?: (?P<two>\d+))?", block.text
        )
        if match:
            version = 6 if match.group("v6") else 4
            sources = [one for line in block.lines for one in _permitted(line)]
            for name in filter(None, (match.group("one"), match.group("two"))):
                found.setdefault((version, name), []).extend(sources)
    return found


def _permitted(rule: str) -> list[Source]:
    """The source that one rule lets in, if it lets in any."""
    if not re.match(r"rule (?:\d+ )?(?:name \S+ )?permit\b", rule):
        return []
    match = re.search(r"\bsource (\S+)(?: (\S+))?", rule)
    if not match:
        return [source("any")]
    address, mask = match.groups()
    if ":" in address and "/" not in address and re.match(r"\d+$", mask or ""):
        return [source("{0}/{1}".format(address, mask))]
    if "." in address and "/" not in address and mask:
        return [wildcard_source(address, mask)]
    return [source(address)]


# -- secrets and records -------------------------------------------------------------------------


def _secrets(blocks: list[Block], aaa: list[str]) -> list[dict[str, str]]:
    found = []
    for line in aaa:
        user = re.match(r"local-user (\S+) password (\S+)", line)
        if user:
            found.append({"who": "user " + user.group(1), "kind": _stored(user.group(2))})
    for block in blocks:
        upper = re.match(r"super password (?:level \d+ )?(\S+)", block.text)
        if upper:
            found.append({"who": "super", "kind": _stored(upper.group(1))})
        elif block.text.startswith(_LINES):
            found += _line_secret(block)
    return found


def _stored(word: str) -> str:
    """How it is stored; a word that says nothing about it is the password itself."""
    return word if word in ("irreversible-cipher", "cipher", "simple") else "simple"


def _line_secret(block: Block) -> list[dict[str, str]]:
    name = "line " + _line_name(block)
    kind = _one(block.lines, r"set authentication password (\S+)")
    found = [{"who": name, "kind": _stored(kind)}] if kind else []
    open_to_all = _one(block.lines, r"authentication-mode (\S+)") == "none"
    return found + ([{"who": name, "kind": "none"}] if open_to_all else [])


def _min_length(lines: list[str]) -> int | None:
    found = _one(lines, r".*\bpassword min-len(?:gth)? (\d+)")
    return int(found) if found else None


def _log_hosts(tops: list[str]) -> tuple[str, ...]:
    if "undo info-center enable" in tops:
        return ()
    pattern = r"info-center loghost (?!source\b)(?:ipv6 |domain )?(\S+)"
    found = (re.match(pattern, line) for line in tops)
    return tuple(dict.fromkeys(one.group(1) for one in found if one))


def _records_commands(aaa: list[str]) -> bool:
    scheme = _one(aaa, r"cmd recording-scheme (\S+)")
    sent = _one(aaa, r"(recording-mode hwtacacs \S+)")
    return scheme is not None and sent is not None and "recording-scheme " + scheme in aaa


# -- ports ---------------------------------------------------------------------------------------


def _ports(blocks: list[Block]) -> list[Port]:
    """The access ports; a device on which no port has a VLAN is no switch."""
    ports = [
        block
        for block in blocks
        if block.text.startswith("interface ") and _PHYSICAL.match(block.text.split(" ", 1)[1])
    ]
    bridged = re.compile(r"port (link-type|default vlan|hybrid|trunk)\b")
    if not any(bridged.match(line) for block in ports for line in block.lines):
        return []
    guards = _Guards(blocks)
    return [_port(block, guards) for block in ports if _is_access(block.lines)]


def _is_access(lines: tuple[str, ...]) -> bool:
    other = re.compile(
        r"undo portswitch$|ip address\b|eth-trunk \d|port link-type (trunk|dot1q-tunnel)"
        r"|port hybrid tagged vlan"
    )
    return not any(other.match(line) for line in lines)


def _port(block: Block, guards: _Guards) -> Port:
    lines = block.lines
    vlan = _one(lines, r"port (?:default|hybrid pvid) vlan (\d+)") or "1"
    return Port(
        name=block.text.split(" ", 1)[1],
        vlan=vlan,
        closed="shutdown" in lines,
        bare=not any(line for line in lines if not _NOTHING.match(line)),
        mac_maximum=_mac_maximum(lines),
        ra_guard=guards.against_routers(lines, vlan),
        dhcpv6_guard=guards.against_servers(lines, vlan),
    )


def _mac_maximum(lines: tuple[str, ...]) -> int | None:
    limit = _one(lines, r"mac-limit maximum (\d+)")
    if "port-security enable" in lines:
        limit = _one(lines, r"port-security max-mac-num (\d+)") or "1"
    return int(limit) if limit else None


class _Guards:
    """RA guard, ND snooping and DHCP snooping, on a port or on its VLAN."""

    def __init__(self, blocks: list[Block]) -> None:
        self._tops = [block.text for block in blocks]
        self._vlans = {
            match.group(1): block.lines
            for block in blocks
            for match in [re.match(r"vlan (\d+)$", block.text)]
            if match
        }

    def _both(self, lines: tuple[str, ...], vlan: str) -> tuple[str, ...]:
        return lines + self._vlans.get(vlan, ())

    def against_routers(self, lines: tuple[str, ...], vlan: str) -> bool:
        """A port that a router is expected on is no guarded one, whatever its VLAN says."""
        if "nd raguard role router" in lines or "nd snooping trusted" in lines:
            return False
        both = self._both(lines, vlan)
        guard = re.compile(r"nd raguard (role (host|user)|attach-policy|policy)\b")
        snoops = "nd snooping enable" in self._tops and "nd snooping enable" in both
        return snoops or any(guard.match(line) for line in both)

    def against_servers(self, lines: tuple[str, ...], vlan: str) -> bool:
        """``dhcp snooping enable`` is for both versions; with ``ipv4`` it leaves DHCPv6 alone."""
        general = {"dhcp snooping enable", "dhcp snooping enable ipv6"} & set(self._tops)
        local = "dhcp snooping enable" in self._both(lines, vlan)
        return bool(general) and local and "dhcp snooping trusted" not in lines
