# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The two packet filters of ours as text for ``nft -f``: what is let in, and what is let out.

Each is a table of its own, replaced as a whole in one transaction, so that no other program's
rules are touched. Everything a host needs to be reached at all stands in front of the ports:
loopback, answers, neighbour discovery, path errors, and its lease.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Iterable, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import FixFailed

_ERRORS = "{ destination-unreachable, time-exceeded, parameter-problem, echo-request }"
_ERRORS6 = (
    "{ destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request }"
)
_NEIGHBOURS = "{ nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert }"
_ASKING = "{ nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld2-listener-report }"
_HEADER = (
    "# Written by storewarden from the site's registers; what is changed here is overwritten.\n"
)


class Opening(NamedTuple):
    """One accepted port. ``port``: number or "lo-hi" as text, "" = any; ``nets`` empty = everybody.

    ``nets`` are sources in the input table and destinations in the output table. ``side``:
    ``dport``, or ``sport`` for the answers of a program of this host.
    """

    proto: str
    port: str
    nets: tuple[Any, ...] = ()
    side: str = "dport"

    @property
    def name(self) -> str:
        """Of its counter."""
        return "allow_{0}_{1}".format(self.proto, self.port.replace("-", "_"))


def opening(entry: Any, nets_key: str, register: str) -> Opening:
    """From an entry of a register: ``port``, ``proto`` (tcp), networks. Raises FixFailed."""
    given = entry if isinstance(entry, dict) else {}
    port, proto = str(given.get("port", "")), str(given.get("proto", "tcp"))
    if not re.match(r"\d{1,5}(-\d{1,5})?$", port) or proto not in ("tcp", "udp"):
        raise FixFailed(
            "{0}: {1!r} needs a port such as 443 and proto tcp or udp".format(register, entry),
            "{0}：{1!r} 须写明端口（如 443），proto 为 tcp 或 udp".format(register, entry),
        )
    return Opening(proto, port, networks(given.get(nets_key), register))


def networks(given: Any, register: str) -> tuple[Any, ...]:
    """Distinct networks, none inside another. Raises FixFailed."""
    texts = given if isinstance(given, (list, tuple)) else [given] if given else []
    try:
        found = [ipaddress.ip_network(str(one).strip(), strict=False) for one in texts]
    except ValueError as error:
        raise FixFailed(
            "{0}: {1}; write an address or a network such as 10.20.0.0/16".format(register, error),
            "{0}：{1}；请填写地址或网段，如 10.20.0.0/16".format(register, error),
        ) from None
    return collapsed(found)


def collapsed(nets: Iterable[Any]) -> tuple[Any, ...]:
    """One spelling of a set of addresses, IPv4 first."""
    listed = list(nets)
    found: list[Any] = []
    for version in (4, 6):
        found += ipaddress.collapse_addresses(one for one in listed if one.version == version)
    return tuple(found)


def merged(openings: Iterable[Opening]) -> list[Opening]:
    """One opening for each port; a port that one entry opens to everybody is open to everybody."""
    found: dict[tuple[str, str], Opening] = {}
    for one in openings:
        key = (one.proto, one.port)
        other = found.get(key)
        if other is None:
            found[key] = one
        elif not (one.nets and other.nets):
            found[key] = one._replace(nets=())
        else:
            found[key] = one._replace(nets=collapsed([*one.nets, *other.nets]))
    return sorted(found.values(), key=lambda one: (one.proto, int(one.port.split("-")[0])))


def input_text(table: str, openings: list[Opening]) -> str:
    """What is let in; each port has a counter of its name, by which idle ports are found."""
    rules = [
        "type filter hook input priority filter; policy drop;",
        "ct state established,related accept",
        "ct state invalid drop",
        'iif "lo" accept',
        "icmp type {0} accept".format(_ERRORS),
        "icmpv6 type {0} accept".format(_ERRORS6),
        "icmpv6 type {0} ip6 hoplimit 255 accept".format(_NEIGHBOURS),
        "udp sport 67 udp dport 68 accept",
        "ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept",
    ]
    for one in openings:
        ends = '{0} dport {1} counter name "{2}" accept'.format(one.proto, one.port, one.name)
        rules += _with_nets(one, "saddr", ends)
    counters = ["\tcounter {0} {{ }}\n".format(one.name) for one in openings]
    return _table(table, "input", rules, "".join(counters))


def output_text(table: str, openings: list[Opening]) -> str:
    """What is let out."""
    rules = [
        "type filter hook output priority filter; policy drop;",
        "ct state established,related accept",
        'oif "lo" accept',
        "icmp type {0} accept".format(_ERRORS),
        "icmpv6 type {0} accept".format(_ERRORS6),
        "icmpv6 type {0} accept".format(_ASKING),
        "udp sport 68 udp dport 67 accept",
        "udp sport 546 udp dport 547 accept",
    ]
    for one in openings:
        ends = "{0} {1} {2} accept".format(one.proto, one.side, one.port)
        rules += _with_nets(one, "daddr", ends)
    return _table(table, "output", rules, "")


def _with_nets(one: Opening, side: str, ends: str) -> list[str]:
    if not one.nets:
        return [ends]
    found = []
    for version, word in ((4, "ip"), (6, "ip6")):
        nets = [str(net) for net in one.nets if net.version == version]
        if nets:
            chosen = nets[0] if len(nets) == 1 else "{{ {0} }}".format(", ".join(nets))
            found.append("{0} {1} {2} {3}".format(word, side, chosen, ends))
    return found


def _table(table: str, chain: str, rules: list[str], before: str) -> str:
    body = "".join("\t\t{0}\n".format(rule) for rule in rules)
    return (
        "{header}table inet {table} {{ }}\ndelete table inet {table}\ntable inet {table} {{\n"
        "{before}\tchain {chain} {{\n{body}\t}}\n}}\n"
    ).format(header=_HEADER, table=table, before=before, chain=chain, body=body)
