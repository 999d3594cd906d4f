# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``close_ports``: stop what holds a port that nobody approved, if it is known to be needless.

The rule: a unit is stopped by itself only when it stands on the site's list of services that no
shop needs. Whatever else holds such a port may be the till's own program: it is named, and left to
a person, who stops it or has the port approved.
"""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters import GETTERS
from ansible_collections.storewarden.ops.plugins.module_utils.hardening import kind_unit
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import Step
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.telling import (
    full_name,
    words,
)

_LISTENERS = ["ss", "-H", "-lntup"]
_LISTENS = ["systemctl", "show", "--no-pager", "--property=Id,Listen", "--"]
_UNIT = re.compile(r"/([^/]+\.(?:service|socket|scope))(?=/|$)")


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``allowed``: the port register, ``unneeded``: units that may be stopped without asking."""
    unneeded = [full_name(one) for one in words(fix.get("unneeded"))]
    stop: list[str] = []
    left: list[dict[str, str]] = []
    closed: list[int] = []
    for one in GETTERS["unlisted_ports"].look(system, {"allowed": fix["allowed"]}):
        units = _units(system, one, unneeded)
        if units and all(name in unneeded for name in units):
            stop += [name for name in units if name not in stop]
            closed += [one["port"]] if one["proto"] == "tcp" else []
        else:
            left.append(_left(one, units))
    if not stop:
        return Step(remains=tuple(left))
    # the socket of a service would start it again at the first connection
    family = {name.rsplit(".", 1)[0] for name in stop}
    stop += [one for one in unneeded if one.rsplit(".", 1)[0] in family and one not in stop]
    step = kind_unit.plan(
        system, {"units": sorted(stop), "state": "disabled", "closes": sorted(set(closed))}
    )
    return step._replace(remains=tuple(left))


def _left(one: dict[str, Any], units: list[str]) -> dict[str, str]:
    who = ", ".join(units) or one["process"] or "?"
    return {
        "en": "port {0}/{1} is held by {2}: stop it, or have the port approved".format(
            one["port"], one["proto"], who
        ),
        "zh": "端口 {0}/{1} 由 {2} 占用：请停用该服务，或履行审批手续后登记".format(
            one["port"], one["proto"], who
        ),
    }


def _units(system: Any, listener: dict[str, Any], unneeded: list[str]) -> list[str]:
    """Units that hold the socket; systemd itself holds those of its socket units."""
    found: list[str] = []
    for line in system.ask(_LISTENERS).split("\n"):
        fields = line.split()
        if len(fields) < 5 or fields[0] != listener["proto"]:
            continue
        if not _same_port(fields[4], listener["port"]):
            continue
        for pid in re.findall(r"pid=(\d+)", line):
            found += [one for one in _unit_of(system, pid) if one not in found]
    if found:
        return found
    return _sockets(system, listener, [one for one in unneeded if one.endswith(".socket")])


def _same_port(local: str, port: Any) -> bool:
    number = local.rsplit(":", 1)[-1]
    low, _dash, high = str(port).partition("-")
    return number.isdigit() and int(low) <= int(number) <= int(high or low)


def _unit_of(system: Any, pid: str) -> list[str]:
    if pid == "1":
        return []
    match = _UNIT.findall(system.read("/proc/{0}/cgroup".format(pid)) or "")
    return match[-1:]


def _sockets(system: Any, listener: dict[str, Any], names: list[str]) -> list[str]:
    """Of these socket units, those that listen on the port ("Listen=[::]:631 (Stream)")."""
    if not names:
        return []
    result = system.run([*_LISTENS, *names])
    found = []
    for block in re.split(r"\n\s*\n", result.stdout.strip()):
        name = re.search(r"^Id=(.*)$", block, re.M)
        listens = re.findall(r"^Listen=\S*:(\d+) ", block, re.M)
        if name and any(_same_port(":" + one, listener["port"]) for one in listens):
            found.append(name.group(1))
    return found
