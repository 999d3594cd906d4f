# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What follows the writing: checks by the daemons themselves, and the daemons told.

A check that fails, or a service that does not come up again, raises FixFailed; the caller undoes.
"""

from __future__ import annotations

import time
from typing import Any, Callable

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.pam import (
    module_paths,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening import kind_unit
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.planning import union
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import FixFailed, Step
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.telling import full_name

# A file below the first word is never left without the daemon's own opinion.
_ALWAYS = (
    ("/etc/ssh/", ("sshd", "-t")),
    ("/etc/sudoers", ("visudo", "-c", "-q")),
)
_SETTLING = 10.0  # seconds that a service gets to come up
_PAUSE = 0.2
_STARTING = 120.0
_TYPES = ("auth", "account", "password", "session")


def check(hands: Any, steps: list[Step]) -> None:
    """Every checker of the steps, and those that the touched files always get."""
    for argv in union([*(step.checks for step in steps), _by_path(steps)]):
        hands.run(list(argv))


def _by_path(steps: list[Step]) -> list[tuple[str, ...]]:
    paths = [str(item.get("path", "")) for step in steps for item in step.items]
    return [argv for start, argv in _ALWAYS if any(path.startswith(start) for path in paths)]


def tell(hands: Any, look: Callable[[], Any], steps: list[Step]) -> None:
    """Load what was written, reload and restart what runs, and wait until it runs again."""
    for argv in union(step.loads for step in steps):
        hands.run(list(argv))
    restarts = [full_name(one) for one in union(step.restarts for step in steps)]
    reloads = [full_name(one) for one in union(step.reloads for step in steps)]
    reloads = [one for one in reloads if one not in restarts]
    told = [
        *_tell(hands, look(), restarts, "restart"),
        *_tell(hands, look(), reloads, "reload-or-restart"),
    ]
    _wait(look, told)


def _tell(hands: Any, system: Any, names: list[str], word: str) -> list[str]:
    """Only what runs; two names of one unit (sshd, ssh) are told once."""
    found: dict[str, str] = {}
    for unit in kind_unit.states(system, names):
        if kind_unit.runs(unit):
            said = system.run(["systemctl", "show", "--property=Id", "--value", unit["name"]])
            found.setdefault(said.stdout.strip() or unit["name"], unit["name"])
    for name in found.values():
        hands.run(["systemctl", word, name], _STARTING)
    return list(found.values())


def _wait(look: Callable[[], Any], names: list[str]) -> None:
    end = time.monotonic() + _SETTLING
    while names:
        down = [one for one in kind_unit.states(look(), names) if one["active"] != "active"]
        if not down:
            return
        if time.monotonic() >= end or any(one["active"] == "failed" for one in down):
            text = ", ".join("{0} ({1})".format(one["name"], one["active"]) for one in down)
            raise FixFailed(
                "does not run after the change: {0}".format(text),
                "更改后未能运行：{0}".format(text),
            )
        time.sleep(_PAUSE)


def missing_pam_modules(system: Any) -> set[str]:
    """Modules that a line of /etc/pam.d needs and that are not there: such a line refuses all."""
    found = set()
    for path in system.glob("/etc/pam.d/*"):
        for line in system.lines(path):
            words = line.split("#", 1)[0].replace("]", "] ").split()
            if not words or words[0].lower() not in _TYPES:
                continue
            name = next((one for one in words[1:] if one.endswith(".so")), None)
            if name and not module_paths(system, name):
                found.add(name)
    return found
