# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which addresses a rule lets in, and whether they are within the approved networks.

An entry that cannot be read as a network counts as one that is beyond them.
"""

from __future__ import annotations

import ipaddress
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    QUERY,
    ProbeError,
)

EVERYBODY = "everybody"


class Source(NamedTuple):
    """``text`` as it is told; ``net`` is None for everybody and for what is no network."""

    text: str
    net: Any = None


def source(text: str) -> Source:
    """A network, an address, ``any``/``all``, or something that is none of these."""
    if text.lower() in ("any", "all", "*"):
        return Source(EVERYBODY)
    try:
        net = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return Source(text)
    return Source(EVERYBODY) if net.prefixlen == 0 else Source(str(net), net)


def wildcard_source(address: str, wildcard: str) -> Source:
    """``10.1.0.0 0.0.255.255`` (or ``0`` for one address) as a network.

    A wildcard with holes describes no network; it is told as it stands.
    """
    text = "{0} {1}".format(address, wildcard)
    try:
        start = ipaddress.IPv4Address(address)
        free = int(ipaddress.IPv4Address("0.0.0.0" if wildcard == "0" else wildcard))
    except ValueError:
        return Source(text)
    if free & (free + 1):
        return Source(text)
    length = 32 - free.bit_length()
    return source("{0}/{1}".format(start, length))


def networks(texts: list[str]) -> list[Any]:
    """The approved networks of a site. Raises ProbeError for one that is none."""
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(str(text).strip(), strict=False))
        except ValueError:
            raise ProbeError(QUERY, "{0!r} is not an address or network".format(text)) from None
    return found


def beyond(sources: list[Source], approved: list[str]) -> list[str]:
    """Sources outside ``approved``; with none approved, only what is no network of its own."""
    nets = networks(approved)
    return [
        one.text
        for one in sources
        if one.net is None
        or (nets and not any(one.net.version == n.version and one.net.subnet_of(n) for n in nets))
    ]
