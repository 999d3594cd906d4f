# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has to be started anew so that the new packages are what really runs.

The rule of needrestart: whoever runs on files that were replaced is restarted, unless that would
take away logins, desktops or the network; those are told.
"""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

from . import reboots, stale, units

AUTO, LIST, NONE = "auto", "list", "none"
_SECONDS = 120.0


def restarted(host: Host, mode: str) -> dict[str, Any]:
    """``{restarted, failed, told, reboot}``: units; ``told`` has ``{unit, program, file}``."""
    found = stale.processes(host) if mode != NONE and host.has_systemd() else []
    done: list[str] = []
    failed: list[dict[str, str]] = []
    if mode == AUTO:
        host.run(["systemctl", "daemon-reload"], _SECONDS)
        for unit in sorted({one.unit for one in found if _may(one.unit)}):
            outcome = host.run(["systemctl", "restart", unit], _SECONDS)
            if outcome.code == 0:
                done.append(unit)
            else:
                failed.append({"unit": unit, "why": outcome.last})
        found = stale.processes(host) if done else found
    return {
        "restarted": done,
        "failed": failed,
        "told": _told(found),
        "reboot": reboots.reasons(host),
    }


def _may(unit: str) -> bool:
    return unit.endswith(".service") and not units.told_only(unit)


def _told(found: list[stale.Stale]) -> list[dict[str, str]]:
    """One line per unit and program."""
    by_key = {(one.unit, one.program): one for one in found}
    return [
        {"unit": unit, "program": program, "file": one.file}
        for (unit, program), one in sorted(by_key.items())
    ]


def booted_since(host: Host, folder: str) -> bool:
    """Whether the host has booted since this was asked first for this folder.

    The first call of a change comes before its reboot; an apply that is continued after a lost
    line must not boot the host again.
    """
    note = os.path.join(host.at(folder), "boot-before")
    with open(host.at("/proc/sys/kernel/random/boot_id")) as source:
        now = source.read().strip()
    try:
        with open(note) as source:
            return source.read().strip() != now
    except FileNotFoundError:
        os.makedirs(os.path.dirname(note), mode=0o700, exist_ok=True)
        with open(note, "w") as target:
            target.write(now + "\n")
        return False
