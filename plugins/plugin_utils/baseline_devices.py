# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Network devices in an audit: never contacted, judged on the controller by what they saved.

Which hosts of an inventory are devices, which controls are about devices, and the report of a
device. A control is about devices when it asks ``netcfg``, so a site's own controls are sorted
the same way as ours; every other control is not applicable to a device, and the other way round.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.evaluate import NA
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.netcfg import AUTO
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.host_system import HostSystem
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.watchdog import guarded_audit

OS_VARIABLE = "baseline_network_os"
HOST = "linux"  # what OS_VARIABLE says of a router that is a host all the same
ROLES = ("router", "switch", "firewall")  # of sw_role
# the last word of ansible_network_os -> dialect; other words stand for themselves
_DIALECTS = {"ios": "ios", "iosxe": "ios", "ce": "vrp", "vrp": "vrp", "huawei": "vrp"}
_NO_DEVICE = {"en": "this is not a network device", "zh": "本机不是网络设备"}
_DEVICE = {
    "en": "this is a network device; the control is about hosts",
    "zh": "本设备为网络设备，该控制项针对主机",
}


def dialect_of(value: Callable[[str], Any]) -> str | None:
    """The dialect of a device, or None for a host.

    ``value`` answers with a variable of the host, None when it is not set.
    """
    given = str(value(OS_VARIABLE) or "").strip().lower()
    network_os = str(value("ansible_network_os") or "").strip().lower()
    if network_os:
        named = given if given not in ("", HOST) else network_os.rpartition(".")[2]
        return _DIALECTS.get(named, named)
    if given:
        return None if given == HOST else _DIALECTS.get(given, given)
    role = str(value("sw_role") or "").strip().lower()
    return AUTO if role in ROLES else None


def about_devices(control: Mapping[str, Any]) -> bool:
    """Whether a control asks for the saved configuration of a device."""
    return _asks(control.get("check")) or _asks(control.get("when"))


def _asks(node: Any) -> bool:
    if isinstance(node, dict):
        return node.get("get") == "netcfg" or any(_asks(one) for one in node.values())
    return isinstance(node, list) and any(_asks(one) for one in node)


def device_report(
    prepared: Sequence[dict[str, Any]], content: str, limits: Mapping[str, float]
) -> dict[str, Any]:
    """The device's report, as the module makes one on a host; ``prepared``: its own controls."""

    def system() -> HostSystem:
        return HostSystem("/", limits["probe_seconds"], limits["total_seconds"])

    report = guarded_audit(system, list(prepared), content, limits["total_seconds"])
    return {**report, "python": platform.python_version()}


def with_others(report: dict[str, Any], others: Sequence[str], *, device: bool) -> dict[str, Any]:
    """The report with the controls of the other sort, which do not apply, in the order of ids."""
    reason = _DEVICE if device else _NO_DEVICE
    rows = [{"id": one, "verdict": NA, "reason": dict(reason), "ms": 0.0} for one in others]
    counts = {**report["counts"], NA: report["counts"][NA] + len(rows)}
    found = sorted([*report["controls"], *rows], key=lambda row: str(row["id"]))
    return {**report, "controls": found, "counts": counts}


def summary(report: Mapping[str, Any]) -> str:
    """The counts in one line, as the module says them."""
    counts = ", ".join(f"{count} {name}" for name, count in report["counts"].items())
    seconds = report["ms"] / 1000
    return f"{len(report['controls'])} controls: {counts} in {seconds:.2f} s"
