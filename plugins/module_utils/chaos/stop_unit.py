# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ends a service and keeps systemd from starting it again.

Its processes are told to end, without a stop job: a job is how people stop a service, and what
people stopped is left alone by healing, as it must be. ``Restart=`` is switched off below /run, so
a boot brings the service back as well.
"""

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


class StopUnit(Fault):
    """The service is gone until somebody starts it."""

    name = "stop-unit"

    def spell(self, host: Host, options: dict[str, Any], ident: str) -> Spell:
        """See the base."""
        no_options_but(options, "unit")
        unit = running_unit(host, options)
        folder = "/run/systemd/system/{0}.d".format(unit)
        file = folder + "/storewarden-{0}.conf".format(ident)
        reload = shell("systemctl", "daemon-reload")
        written = r"printf '[Service]\nRestart=no\n' > {0}".format(shell(file))
        ended = shell("systemctl", "kill", "--signal=TERM", unit)
        return Spell(
            en="{0} stopped".format(unit),
            zh="已停止 {0}".format(unit),
            make="\n".join([shell("mkdir", "-p", folder), written, reload, ended]),
            undo="\n".join(
                [
                    shell("rm", "-f", file),
                    shell("rmdir", "--ignore-fail-on-non-empty", folder) + " 2>/dev/null || true",
                    reload,
                    started(unit),
                ]
            ),
        )
