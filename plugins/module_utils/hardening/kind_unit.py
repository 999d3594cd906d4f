# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``unit``: systemd units enabled and running, disabled and stopped, or masked."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.daemons import (
    GETTERS,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import (
    Change,
    FixFailed,
    Step,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.telling import (
    full_name,
    told,
    unit_item,
    words,
)

_LOOK = next(one for one in GETTERS if one.name == "unit").look
_RUNNING = ("active", "activating", "reloading", "refreshing")
_ENABLED = ("enabled", "enabled-runtime", "static", "alias", "indirect", "generated")
_STARTING = 120.0
_CONDITION = "--property=ConditionResult,ConditionTimestampMonotonic"
# systemd.unit(5): conditions on what the machine is, which no fix changes
_MACHINE = re.compile(
    r"^Condition(Architecture|Virtualization|KernelCommandLine|KernelVersion|Security|Capability)"
    r"=.*$",
    re.M,
)


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``units`` and ``state``: enabled (and started), disabled or masked (and stopped)."""
    names = [full_name(one) for one in words(fix["units"])]
    state = str(fix["state"])
    changes: list[Change] = []
    commands: list[list[str]] = []
    touched: list[str] = []
    for unit in states(system, names):
        wanted = _COMMANDS[state](unit)
        if state == "enabled" and wanted:
            _refuse_what_never_runs_here(system, unit)
        if wanted:
            touched.append(unit["name"])
            commands += wanted
            changes.append(Change("unit " + unit["name"], said(unit), state))

    def act(hands: Any) -> None:
        for argv in commands:
            hands.run(["systemctl", *argv], _STARTING)

    stops = () if state == "enabled" else tuple(touched)
    return told(fix, changes, [unit_item(name) for name in touched], act, stops=stops)


def _refuse_what_never_runs_here(system: Any, unit: dict[str, str]) -> None:
    """A unit whose own condition on the machine failed: ``systemctl start`` would say yes to it,
    and it would not run. Conditions on files are not meant; another step may bring the file."""
    said = system.run(["systemctl", "show", _CONDITION, unit["name"]]).stdout.split()
    if "ConditionResult=no" not in said or "ConditionTimestampMonotonic=0" in said:
        return
    match = _MACHINE.search(system.run(["systemctl", "cat", unit["name"]]).stdout)
    if match:
        raise FixFailed(
            "{0} does not run on this machine: {1}".format(unit["name"], match.group(0)),
            "{0} 无法在本机运行：{1}".format(unit["name"], match.group(0)),
        )


def states(system: Any, names: list[str]) -> list[dict[str, str]]:
    """``{name, load, active, sub, enabled}`` of each. Raises ProbeError without systemd."""
    found: list[dict[str, str]] = _LOOK(system, {"names": names}) if names else []
    return found


def runs(unit: dict[str, str]) -> bool:
    """Whether it is up."""
    return unit["active"] in _RUNNING


def said(unit: dict[str, str]) -> str:
    """Its state in words: "enabled, active"."""
    return "{0}, {1}".format(unit["enabled"] or unit["load"], unit["active"])


def _to_enable(unit: dict[str, str]) -> list[list[str]]:
    masked = unit["load"] == "masked"
    on = not masked and unit["enabled"] in _ENABLED
    found = [["unmask", unit["name"]]] if masked else []
    if not on:
        return [*found, ["enable", "--now", unit["name"]]]
    return found if runs(unit) else [*found, ["start", unit["name"]]]


def _to_disable(unit: dict[str, str]) -> list[list[str]]:
    if unit["load"] in ("not-found", "masked") and not runs(unit):
        return []
    off = unit["enabled"] in ("disabled", "static", "masked", "indirect", "")
    if off and not runs(unit):
        return []
    return [["disable", "--now", unit["name"]]]


def _to_mask(unit: dict[str, str]) -> list[list[str]]:
    if unit["load"] == "not-found" or (unit["load"] == "masked" and not runs(unit)):
        return []
    return [["mask", "--now", unit["name"]]]


_COMMANDS = {"enabled": _to_enable, "disabled": _to_disable, "masked": _to_mask}
