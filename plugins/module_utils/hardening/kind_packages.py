# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``packages``: installed or removed, with everything that goes with them.

The package manager is asked first what it would do. Whatever it names becomes an item of the
restore point, and is told in the plan: removing one package may take ten others along.
"""

from __future__ import annotations

import fnmatch
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
    told,
    unit_item,
    words,
)

_LOOK = next(one for one in GETTERS if one.name == "pkg").look
# Half an hour: the longest a transaction on a slow disk was seen to take, with room.
_SECONDS = 1800.0
_APT = (
    *("apt-get", "-q", "-y", "--no-install-recommends"),
    *("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"),
    *("-o", "DPkg::Lock::Timeout=120", "-o", "APT::Get::AutomaticRemove=false"),
)
UPDATE = ("apt-get", "-q", "-o", "DPkg::Lock::Timeout=120", "update")
UPDATE_SECONDS = 300.0
_LINE = re.compile(r"(Inst|Remv|Purg) (\S+)(?: \[([^\]]*)\])?(?: \((\S+))?")
_UNIT = re.compile(r"(?:/usr)?/lib/systemd/system/([^/@]+\.(?:service|socket|timer|path))$")


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``absent`` (names or patterns) and ``present`` (names)."""
    installed = {one["name"] for one in _LOOK(system, {"names": ["*"]})}
    away = sorted(
        name
        for name in installed
        if any(fnmatch.fnmatchcase(name, one) for one in words(fix.get("absent")))
    )
    wanted = [name for name in words(fix.get("present")) if name not in installed]
    if not away and not wanted:
        return Step()
    if not system.has_command("apt-get"):
        raise FixFailed(
            "packages are changed through apt-get only, which this host lacks",
            "仅支持通过 apt-get 更改软件包，本机没有 apt-get",
        )
    arguments = [*wanted, *(name + "-" for name in away)]
    moves = simulated(system, arguments)
    gone = [name for verb, name, _old, _new in moves if verb != "Inst"]
    units = _units(system, gone)
    items: list[dict[str, Any]] = [{"kind": "package", "name": one[1]} for one in moves]
    items += [unit_item(name) for name in units]
    changes = [
        Change("package " + name, old, new if verb == "Inst" else None)
        for verb, name, old, new in moves
    ]

    def stage(hands: Any) -> None:
        if wanted:
            hands.run([*_APT, "--download-only", "install", *wanted], _SECONDS)

    def act(hands: Any) -> None:
        hands.run([*_APT, "--no-download", "install", *arguments], _SECONDS)

    return told(fix, changes, items, act, stage=stage, stops=tuple(units), long=True)


def simulated(system: Any, arguments: list[str]) -> list[tuple[str, str, str | None, str | None]]:
    """(Inst or Remv, package, old version, new version) of everything that apt would do.

    Raises FixFailed with apt's own words.
    """
    done = system.run([*_APT, "--simulate", "install", *arguments])
    if done.rc != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        said = lines[-1] if lines else "status {0}".format(done.rc)
        raise FixFailed(
            "apt-get: {0} (by the package lists on the host, which only a fix renews)".format(said),
            "apt-get：{0}（依据主机上的软件包列表，仅在执行修复时更新）".format(said),
        )
    found = []
    for line in done.stdout.splitlines():
        match = _LINE.match(line)
        if match:
            found.append((match[1], match[2], match[3], match[4]))
    return found


def _units(system: Any, packages: list[str]) -> list[str]:
    """Units that the packages bring: they stop with them, and an undo has to start them again."""
    found = []
    for name in packages:
        listed = system.run(["dpkg", "-L", name])
        for line in listed.stdout.splitlines() if listed.rc == 0 else []:
            match = _UNIT.match(line.strip())
            if match:
                found.append(match[1])
    return sorted(set(found))
