# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kills the main process of a service, as the kernel does when memory is out."""

from __future__ import annotations

from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.chaos.fault import (
    Fault,
    Spell,
    no_options_but,
    shell,
)
from ansible_collections.storewarden.ops.plugins.module_utils.chaos.running_unit import (
    running_unit,
    started,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host


class KillProcess(Fault):
    """SIGKILL, once. What systemd then does (``Restart=``) is part of the experiment."""

    name = "kill-process"

    def spell(self, host: Host, options: dict[str, Any], ident: str) -> Spell:  # noqa: ARG002
        """See the base."""
        no_options_but(options, "unit")
        unit = running_unit(host, options)
        asked = shell("systemctl", "show", "--property=MainPID", "--value", unit)
        return Spell(
            en="the main process of {0} killed".format(unit),
            zh="已杀死 {0} 的主进程".format(unit),
            # Process 0 would be our own group, and 1 the whole host.
            make='pid=$({0})\n[ "$pid" -gt 1 ]\nkill -KILL "$pid"'.format(asked),
            undo=started(unit),
        )
