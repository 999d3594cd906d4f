# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a release leaves a unit stopped, as the standby of a pair has it.

A standby that is started runs the application twice. So a unit that is stopped stays stopped: where
a release is in use (it could have run, and somebody stopped it), and where it is disabled or masked
(also before the first release). One that failed is no standby: the release may be its cure.

It is looked at once, in preflight, and written into the payload's folder. Later the unit may be
stopped because the new release ended at once, which is no reason to leave it alone.
"""

from __future__ import annotations

import os
from typing import Optional

from ansible_collections.storewarden.ops.plugins.module_utils.restore.disk import (
    make_folder,
    read_json,
    write_json,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

LEAVE, START = "leave", "start"
STOPPED = "inactive"
_NOT_BY_ITSELF = ("disabled", "masked", "masked-runtime")
_FILE = "standby.json"


def found(host: Host, unit: str, in_use: str) -> bool:
    """Whether it is on standby now; ``in_use`` is the release there, "" before the first one."""
    if not unit or state_of(host, unit) != STOPPED:
        return False
    if in_use:
        return True
    said = host.run(["systemctl", "is-enabled", "--", unit]).out.strip()
    return said in _NOT_BY_ITSELF


def state_of(host: Host, unit: str) -> str:
    """``active``, ``inactive``, ``failed``, ``activating`` ..."""
    return host.run(["systemctl", "is-active", "--", unit]).out.strip()


def note(stage: str, standby: bool) -> None:
    """For the later phases of this change."""
    make_folder(stage)
    write_json(os.path.join(stage, _FILE), {"standby": standby})


def noted(stage: str) -> Optional[bool]:
    """What preflight saw; None when nobody knows any more."""
    try:
        return bool(read_json(os.path.join(stage, _FILE))["standby"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
