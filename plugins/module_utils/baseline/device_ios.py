# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cisco IOS and IOS XE: from the blocks of a configuration to the facts of a device.

Where IOS prints nothing for a default, the default is filled in only if it is the same in all
releases (exec-timeout: ten minutes); otherwise the fact says that nothing is said.
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
    name="Cisco IOS",
    end="end",
    named="hostname ",
    comment="!",
    free=(
        FreeText(
            r"(?:banner \S+|menu \S+ title|aaa authentication (?:banner|fail-message)) (\^C|\S)"
        ),
        FreeText(r"macro name ", "@"),
    ),
)
_IDLE = 600  # exec-timeout 10 0, the default that is never printed
_KINDS = {"vty": "vty", "con": "console", "console": "console", "aux": "aux"}
_PHYSICAL = re.compile(r"[A-Za-z]*(?:Ethernet|GigE)\d[\d/:]*$")
_NOTHING = re.compile(r"(no )?(shutdown|negotiation auto|speed|duplex|mdix auto|snmp trap)\b")


def device_of(blocks: list[Block]) -> Device:
    """The facts of one configuration."""
    tops = [block.text for block in blocks]
    attempts = _groups(tops, r"login block-for (\d+) attempts (\d+)")
    http = _groups(tops, r"(no )?ip http server$")
    return Device(
        logins=tuple(_login(one) for one in blocks if one.text.startswith("line ")),
        access_lists=_access_lists(blocks),
        ipv6=_any_below(blocks, "interface ", r"ipv6 (address|enable)\b"),
        ssh_version=_one(tops, r"ip ssh version (\S+)"),
        telnet=False,
        http=None if http is None else "off" if http[0] else "on",
        attempts=int(attempts[1]) if attempts else None,
        block_seconds=int(attempts[0]) if attempts else None,
        secrets=tuple(_secrets(blocks)),
        min_length=_number(_one(tops, r"security passwords min-length (\d+)")),
        log_hosts=_log_hosts(tops),
        timestamps=_one(tops, r"(service timestamps log datetime)\b") is not None,
        commands_recorded="aaa new-model" in tops and any(map(_records_commands, blocks)),
        ports=tuple(_ports(blocks)),
    )


def _groups(lines: list[str] | tuple[str, ...], pattern: str) -> tuple[str, ...] | None:
    """The groups of the last line that matches: later lines win."""
    found = [match for match in (re.match(pattern, line) for line in lines) if match]
    return tuple(group or "" for group in found[-1].groups()) if found else None


def _one(lines: list[str] | tuple[str, ...], pattern: str) -> str | None:
    found = _groups(lines, pattern)
    return found[0] if found else None


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _any_below(blocks: list[Block], begin: str, pattern: str) -> bool:
    return any(
        re.match(pattern, line)
        for block in blocks
        if block.text.startswith(begin)
        for line in block.lines
    )


# -- logins --------------------------------------------------------------------------------------


def _line_name(block: Block) -> str:
    words = block.text.split()[1:]
    return "{0} {1}".format(words[0], "-".join(words[1:]))


def _login(block: Block) -> LoginLine:
    told = _one(block.lines, r"transport input (.+)")
    protocols = ("default",) if told is None else tuple(told.split())
    return LoginLine(
        name=_line_name(block),
        kind=_KINDS.get(block.text.split()[1], "aux"),
        protocols=() if protocols == ("none",) else protocols,
        idle_seconds=_idle(block.lines),
        acls={
            4: _one(block.lines, r"access-class (\S+) in\b"),
            6: _one(block.lines, r"ipv6 access-class (\S+) in\b"),
        },
    )


def _idle(lines: tuple[str, ...]) -> int:
    if "no exec" in lines:  # nobody gets a command line here
        return _IDLE
    if "no exec-timeout" in lines:
        return 0
    found = _groups(lines, r"exec-timeout (\d+)(?: (\d+))?$")
    return _IDLE if found is None else int(found[0]) * 60 + int(found[1] or 0)


def _access_lists(blocks: list[Block]) -> dict[tuple[int, str], list[Source]]:
    found: dict[tuple[int, str], list[Source]] = {}
    for block in blocks:
        numbered = re.match(r"access-list (\d+) (.+)", block.text)
        named = re.match(r"ip access-list (standard|extended) (\S+)", block.text)
        v6 = re.match(r"ipv6 access-list (\S+)", block.text)
        if numbered:
            number = int(numbered.group(1))
            extended = 100 <= number <= 199 or 2000 <= number <= 2699
            place = found.setdefault((4, numbered.group(1)), [])
            place += _permitted(numbered.group(2), extended)
        elif named:
            place = found.setdefault((4, named.group(2)), [])
            place += [s for x in block.lines for s in _permitted(x, named.group(1) == "extended")]
        elif v6:
            place = found.setdefault((6, v6.group(1)), [])
            place += [s for line in block.lines for s in _permitted(line, True)]
    return found


def _permitted(entry: str, extended: bool) -> list[Source]:
    """The source that one entry of an access list lets in, if it lets in any."""
    words = re.sub(r"^(?:sequence )?\d+ ", "", entry).split()
    if not words or words[0] != "permit":
        return []
    words = words[2:] if extended else words[1:]
    if not words or words[0] == "any":
        return [source("any")]
    if words[0] == "host":
        return [source(words[1] if len(words) > 1 else "host")]
    if words[0] in ("object-group", "addrgroup"):
        return [Source(" ".join(words[:2]))]
    if len(words) > 1 and re.match(r"[\d.]+$", words[1]) and ":" not in words[0]:
        return [wildcard_source(words[0], words[1])]
    return [source(words[0])]


# -- secrets and records -------------------------------------------------------------------------


def _secrets(blocks: list[Block]) -> list[dict[str, str]]:
    found = []
    for block in blocks:
        enable = re.match(r"enable (secret|password)(?: level \d+)?(?: (\d+))? \S", block.text)
        user = re.match(r"username (\S+) (.*)", block.text)
        if enable:
            found.append({"who": "enable", "kind": "type " + (enable.group(2) or "0")})
        elif user:
            found += _user_secret(user.group(1), user.group(2))
        elif block.text.startswith("line "):
            found += _line_secret(block)
    return found


def _user_secret(name: str, rest: str) -> list[dict[str, str]]:
    stored = re.search(r"(?:^|\s)(?:secret|password)(?: (\d+))? \S", rest)
    if stored:
        return [{"who": "user " + name, "kind": "type " + (stored.group(1) or "0")}]
    return [{"who": "user " + name, "kind": "none"}] if "nopassword" in rest.split() else []


def _line_secret(block: Block) -> list[dict[str, str]]:
    name = _line_name(block)
    found = _groups(block.lines, r"password(?: (\d+))? \S")
    kinds = ["type " + (found[0] or "0")] if found else []
    kinds += ["none"] if "no login" in block.lines else []
    return [{"who": "line " + name, "kind": kind} for kind in kinds]


def _log_hosts(tops: list[str]) -> tuple[str, ...]:
    if "no logging on" in tops:
        return ()
    pattern = r"logging (?:host (?:ipv6 )?(\S+)|(\d+\.\d+\.\d+\.\d+)$)"
    found = (re.match(pattern, line) for line in tops)
    return tuple(dict.fromkeys(one.group(1) or one.group(2) for one in found if one))


def _records_commands(block: Block) -> bool:
    """Accounting of the commands of level 15, in one line or, since 12.4(22)T, in several."""
    if not re.match(r"aaa accounting commands 15 \S+", block.text):
        return False
    words = block.text.split() + [word for line in block.lines for word in line.split()]
    return bool({"start-stop", "stop-only", "wait-start"} & set(words)) and "none" not in words


# -- ports ---------------------------------------------------------------------------------------


def _ports(blocks: list[Block]) -> list[Port]:
    """The access ports; a device on which nobody ever said ``switchport`` is no switch."""
    ports = [
        block
        for block in blocks
        if block.text.startswith("interface ") and _PHYSICAL.match(block.text.split(" ", 1)[1])
    ]
    if not any(line.startswith("switchport") for block in ports for line in block.lines):
        return []
    guards = _Guards(blocks)
    return [_port(block, guards) for block in ports if _is_access(block.lines)]


def _is_access(lines: tuple[str, ...]) -> bool:
    other = re.compile(
        r"no switchport$|ip address\b|vrf forwarding|channel-group"
        r"|switchport mode (trunk|dot1q-tunnel|private-vlan)"
    )
    return not any(other.match(line) for line in lines)


def _port(block: Block, guards: _Guards) -> Port:
    lines = block.lines
    vlan = _one(lines, r"switchport access vlan (\d+)") or "1"
    maximum = _one(lines, r"switchport port-security maximum (\d+)$") or "1"
    return Port(
        name=block.text.split(" ", 1)[1],
        vlan=vlan,
        closed="shutdown" in lines,
        bare=not any(line for line in lines if not _NOTHING.match(line)),
        mac_maximum=int(maximum) if "switchport port-security" in lines else None,
        ra_guard=guards.hold("nd raguard", lines, vlan),
        dhcpv6_guard=guards.hold("dhcp guard", lines, vlan),
    )


class _Guards:
    """IPv6 first-hop guards: their policies, and the VLANs they are attached to."""

    def __init__(self, blocks: list[Block]) -> None:
        self._trusting: dict[tuple[str, str], bool] = {}
        self._vlans: list[tuple[set[str], tuple[str, ...]]] = []
        for block in blocks:
            policy = re.match(r"ipv6 (nd raguard|dhcp guard) policy (\S+)", block.text)
            vlans = re.match(r"vlan configuration (.+)", block.text)
            if policy:
                roles = re.compile(r"device-role (router|switch|server)|trusted-port")
                trusts = any(roles.match(line) for line in block.lines)
                self._trusting[(policy.group(1), policy.group(2))] = trusts
            elif vlans:
                self._vlans.append((numbers_in(vlans.group(1)), block.lines))

    def hold(self, guard: str, lines: tuple[str, ...], vlan: str) -> bool:
        """Whether ``guard`` watches a port with these lines in this VLAN.

        A policy that trusts on the port itself opens it, whatever its VLAN says.
        """
        own = self._attached(guard, lines, vlan)
        if own is not None:
            return own
        below = [
            self._attached(guard, texts, vlan) for vlans, texts in self._vlans if vlan in vlans
        ]
        return True in below and False not in below

    def _attached(self, guard: str, lines: tuple[str, ...], vlan: str) -> bool | None:
        pattern = r"ipv6 {0}(?: attach-policy (\S+))?(?: vlan (?:add )?(.+))?$".format(guard)
        for match in (re.match(pattern, line) for line in lines):
            if match and (not match.group(2) or vlan in numbers_in(match.group(2))):
                policy = match.group(1)
                return policy is None or self._trusting.get((guard, policy)) is False
        return None
