# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The unit that a fault is about: one that runs, and that may be taken away for a while."""

from __future__ import annotations

from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.chaos.fault import ChaosError, shell
from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import HealError
from ansible_collections.storewarden.ops.plugins.module_utils.heal.systemd_units import (
    NEVER,
    full_name,
    matches,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host


def running_unit(host: Host, options: dict[str, Any]) -> str:
    """Its full name. Raises ChaosError for one that must stay, or that does not run anyway."""
    try:
        unit = full_name(str(options.get("unit") or ""))
    except HealError as error:
        raise ChaosError(str(error), error.reason_zh) from error
    if not unit.endswith(".service"):
        raise ChaosError("{0} is no service".format(unit), "{0} 不是服务".format(unit))
    if matches(unit, NEVER):
        raise ChaosError(
            "{0} is never taken away: the host lives on it".format(unit),
            "{0} 不允许中断：主机依赖它".format(unit),
        )
    state = host.run(["systemctl", "show", "--property=ActiveState", "--value", unit]).out.strip()
    if state != "active":
        raise ChaosError(
            "{0} is {1}, so there is nothing to break".format(unit, state or "not known"),
            "{0} 状态为 {1}，没有可破坏的对象".format(unit, state or "未知"),
        )
    return unit


def started(unit: str) -> str:
    """Shell that leaves the unit running; whoever repaired it before is not disturbed."""
    return "{0} || {{ {1} || true; {2}; }}".format(
        shell("systemctl", "is-active", "--quiet", unit),
        shell("systemctl", "reset-failed", unit),
        shell("systemctl", "start", unit),
    )
