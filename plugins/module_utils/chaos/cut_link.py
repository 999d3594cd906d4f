# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cuts a line: nothing comes in over a network device, and nothing goes out.

The device stays up and keeps its addresses and routes, as with a line that is dead behind the
modem; so taking it back loses nothing.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.chaos import packet_rules
from ansible_collections.storewarden.ops.plugins.module_utils.chaos.fault import (
    Fault,
    Spell,
    line_of,
    no_options_but,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host


class CutLink(Fault):
    """``device``, else that of the default route."""

    name = "cut-link"

    def spell(self, host: Host, options: dict[str, Any], ident: str) -> Spell:
        """See the base."""
        no_options_but(options, "device")
        device = line_of(host, options)
        came, left = 'iifname "{0}" drop'.format(device), 'oifname "{0}" drop'.format(device)
        text = packet_rules.rules(ident, input=[came], output=[left], forward=[came, left])
        return Spell(
            en="the line {0} cut".format(device),
            zh="已切断线路 {0}".format(device),
            make=packet_rules.made(packet_rules.tried(host, text)),
            undo=packet_rules.removed(ident),
            late=True,
        )
