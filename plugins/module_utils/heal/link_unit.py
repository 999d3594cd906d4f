# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The unit to which the route over the backup line belongs.

A restore point knows units and knows no routes, so the route lives as long as a unit runs. Its
program (link_keeper) brings the route, puts it back when somebody flushed it, lets go of a backup
that died, and takes the route away on its end, also when the unit's file is gone already: an undo
removes that first, and all that the file says with it.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.heal import line_probe, link_keeper
from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import HealError

UNIT = "storewarden-link-backup.service"
UNIT_FILE = "/etc/systemd/system/" + UNIT
STATE = "/var/lib/storewarden/heal/link.json"
FOLDER = "/var/lib/storewarden/heal/link"
PROGRAM = FOLDER + "/link_keeper.py"
_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,40}")
_TARGET = re.compile(r"[0-9A-Fa-f.:\[\]]{1,60}")
_TEXT = """\
# Written by storewarden (heal action link): the backup line carries while this runs.
[Unit]
Description=Default route over the backup line {device}
After=network.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={python} -E -s -B {program} '{settings}'
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
        _must_be(_WORD, word)
    family = "-6 " if ":" in backup["gateway"] else ""
    return family + "route {{0}} default via {0} dev {1} metric {2} table {3}".format(*words)


def _must_be(form: re.Pattern[str], word: str) -> str:
    if not form.fullmatch(word):
        raise HealError(
            "{0!r} is no address, device or table".format(word),
            "{0!r} 不是地址、网卡或路由表名".format(word),
        )
    return word


def unit_text(options: dict[str, Any], python: str = "") -> str:
    """The unit's file; ``python`` is the interpreter of the host (this one, unless told)."""
    route = route_words(options)
    return _TEXT.format(
        device=options["backup"]["device"],
        python=python or sys.executable,
        program=PROGRAM,
        settings=json.dumps(_settings(options, route)),
        delete=route.format("del"),
    )


def _settings(options: dict[str, Any], route: str) -> dict[str, Any]:
    """As `link_keeper.Settings` has them; all of it passed a form without quotes and signs that
    mean something to systemd."""
    lines = {
        name: [
            _must_be(_WORD, options[name]["device"]),
            [_must_be(_TARGET, one) for one in options[name]["targets"]],
        ]
        for name in ("primary", "backup")
    }
    names = ("seconds", "dead_after", "lease", "stable")
    durations = {name: float(options[name]) for name in names}
    return {"route": route, "unit": UNIT, "notes": STATE, **lines, **durations}


def programs() -> dict[str, str]:
    """Text by path of what the unit runs."""
    return {
        "{0}/{1}.py".format(FOLDER, one.__name__.rpartition(".")[2]): inspect.getsource(one)
        for one in (line_probe, link_keeper)
    }
