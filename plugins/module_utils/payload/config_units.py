# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which units take a new configuration up: all but those that somebody has stopped.

The standby of a pair has its service stopped on purpose, and Ansible's "reloaded" and "restarted"
would start it. Who was stopped is looked at once, in preflight, and written into the payload's
folder: in a later visit a unit may be stopped because an earlier one was cut off in its middle.
"""

from __future__ import annotations

import os
from typing import Sequence

from ansible_collections.storewarden.ops.plugins.module_utils.payload.config_files import (
    BadFiles,
    Wanted,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.disk import (
    make_folder,
    read_json,
    write_json,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

_FILE = "config.json"


def full_name(unit: str) -> str:
    return unit if "." in unit else unit + ".service"


def stopped_ones(host: Host, units: Sequence[str], files: Sequence[Wanted]) -> list[str]:
    """Those that are stopped now. BadFiles for one that is not there and that no file brings; one
    that failed is not stopped, for the configuration may be its cure."""
    if not host.has_systemd():
        return []
    brought = {os.path.basename(one.dest) for one in files if one.content is not None}
    found = []
    for unit in units:
        there = host.run(["systemctl", "cat", "--", unit]).code == 0
        if not there and unit not in brought:
            raise BadFiles("there is no unit {0}".format(unit), "没有单元 {0}".format(unit))
        state = host.run(["systemctl", "is-active", "--", unit]).out.strip()
        if there and state == "inactive":
            found.append(unit)
    return found


def remember(stage: str, stopped: Sequence[str]) -> None:
    make_folder(stage)
    write_json(os.path.join(stage, _FILE), {"stopped": list(stopped)})


def remembered(stage: str) -> list[str] | None:
    """What preflight saw; None when nobody knows any more."""
    try:
        return [str(one) for one in read_json(os.path.join(stage, _FILE))["stopped"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
