# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drops what the host asks of name servers: of all, or of the ones that are named.

Queries vanish, as they do behind a broken router; nobody says that they were refused.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.chaos import packet_rules
from ansible_collections.storewarden.ops.plugins.module_utils.chaos.fault import (
    ChaosError,
    Fault,
    Spell,
    no_options_but,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

_PORTS = "meta l4proto { tcp, udp } th dport { 53, 853 } drop"
_FAMILIES = {4: "ip", 6: "ip6"}


class DropDns(Fault):
    """``servers``: addresses, parted by commas; all of them when there are none."""

    name = "drop-dns"

    def spell(self, host: Host, options: dict[str, Any], ident: str) -> Spell:
        """See the base."""
        no_options_but(options, "servers")
        servers = _addresses(str(options.get("servers") or ""))
        text = packet_rules.rules(ident, output=_rules(servers))
        named = ", ".join(map(str, servers))
        return Spell(
            en="no DNS query reaches {0}".format(named or "any server"),
            zh="DNS 查询无法到达{0}".format(" " + named if named else "任何服务器"),
            make=packet_rules.made(packet_rules.tried(host, text)),
            undo=packet_rules.removed(ident),
        )


def _rules(servers: list[Any]) -> list[str]:
    if not servers:
        return [_PORTS]
    return ["{0} daddr {1} {2}".format(_FAMILIES[one.version], one, _PORTS) for one in servers]


def _addresses(text: str) -> list[Any]:
    try:
        return [ipaddress.ip_address(word.strip()) for word in text.split(",") if word.strip()]
    except ValueError:
        raise ChaosError(
            "{0!r} is no list of addresses".format(text), "{0!r} 不是地址列表".format(text)
        ) from None
