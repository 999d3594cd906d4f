# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The unit to which the route over the backup line belongs.

A restore point knows units and knows no routes, so the route lives as long as a unit runs. On TERM
the unit's own shell takes the route away, also when the unit's file is gone already (an undo
removes that first, and all that the file says with it). From then on it ignores TERM, for systemd
sends that to every process of the unit, to the one that takes the route away as well. Until then
it puts the route back when somebody flushed it.
"""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import HealError

UNIT = "storewarden-link-backup.service"
UNIT_FILE = "/etc/systemd/system/" + UNIT
_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,40}")
_TEXT = """\
# Written by storewarden (heal action link): the backup line carries while this runs.
[Unit]
Description=Default route over the backup line {device}
After=network.target
StartLimitIntervalSec=0

[Service]
ExecStartPre=ip {replace}
ExecStart=/bin/sh -c 'end() {{ trap "" TERM; ip {delete}; exit 0; }}; trap end TERM; \\
  while :; do sleep 15 & wait $$!; ip {replace}; done'
ExecStopPost=-ip {delete}
TimeoutStopSec=20
# At boot its device may come later.
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
"""


def route_words(options: dict[str, Any]) -> str:
    """The route over the backup, as `ip` takes it. HealError for a word that is none."""
    backup = options["backup"]
    words = (backup["gateway"], backup["device"], str(options["metric"]), options["table"])
    for word in words:
        if not _WORD.fullmatch(word):
            raise HealError(
                "{0!r} is no address, device or table".format(word),
                "{0!r} 不是地址、网卡或路由表名".format(word),
            )
    family = "-6 " if ":" in backup["gateway"] else ""
    return family + "route {{0}} default via {0} dev {1} metric {2} table {3}".format(*words)


def unit_text(options: dict[str, Any]) -> str:
    route = route_words(options)
    return _TEXT.format(
        device=options["backup"]["device"],
        replace=route.format("replace"),
        delete=route.format("del"),
    )
