# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Loses a share of the packets of a line, each by chance, in both directions.

By nftables' own dice, so that it works on kernels that have no netem.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.chaos import packet_rules
from ansible_collections.storewarden.ops.plugins.module_utils.chaos.fault import (
    Fault,
    Spell,
    line_of,
    no_options_but,
    number,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host


class LosePackets(Fault):
    """``percent`` that are lost each way, ``device`` else that of the default route."""

    name = "lose-packets"

    def spell(self, host: Host, options: dict[str, Any], ident: str) -> Spell:
        """See the base."""
        no_options_but(options, "device", "percent")
        device, percent = line_of(host, options), int(number(options, "percent", 30, 1, 95))
        rule = '{0} "{1}" numgen random mod 100 < {2} drop'
        came, left = (
            rule.format("iifname", device, percent),
            rule.format("oifname", device, percent),
        )
        text = packet_rules.rules(ident, input=[came], output=[left], forward=[came, left])
        return Spell(
            en="{0} % of the packets on {1} lost, each way".format(percent, device),
            zh="{1} 双向丢包 {0}%".format(percent, device),
            make=packet_rules.made(packet_rules.tried(host, text)),
            undo=packet_rules.removed(ident),
            late=True,
        )
