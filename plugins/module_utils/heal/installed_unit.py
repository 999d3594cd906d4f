# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A service that has another name on each distribution, and when it may be started or restarted.

The same questions as for any unit: who stopped it, and how often was it started already.
"""

from __future__ import annotations

from typing import Any, Sequence

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import (
    ESCALATE,
    NEEDED,
    Diagnosis,
    HealError,
    Step,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.systemd_units import (
    Facts,
    restart,
    shown,
    unit_facts,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.unit_rules import (
    kept_down,
    looping,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

ABSENT = "not-found"
_MINUTES, _MOST = 10.0, 3  # more starts than these are a loop
_SECONDS = 100.0  # systemd itself kills what does not end after 90 s


def unit_of(host: Host, names: Sequence[str]) -> Facts:
    """``unit_facts`` of the first of ``names`` that is installed; its ``load`` is ``not-found``
    when none is. HealError where systemd does not run."""
    for name in names:
        found = shown(host, [name])
        if found and found[0]["load"] != ABSENT:
            return unit_facts(host, name, _MINUTES)
    return {"name": names[0], "load": ABSENT, "active": "inactive"}


def judged(unit: Facts, program: str) -> Diagnosis:
    """What to do about a service that does not answer. The plan is ``{do, unit}``, ``do`` is
    ``start`` or ``restart``."""
    name = unit["name"]
    if unit["load"] == ABSENT:
        return Diagnosis(
            ESCALATE, "{0} is not installed".format(program), "未安装 {0}".format(program)
        )
    no = kept_down(unit) or looping(unit, _MOST, _MINUTES)
    if no is not None:
        return no.diagnosis()
    if unit["active"] == "active":
        return Diagnosis(
            NEEDED,
            "{0} runs and does not answer: restart it".format(name),
            "{0} 在运行但无响应：重启".format(name),
            {"do": "restart", "unit": name},
        )
    return Diagnosis(
        NEEDED,
        "{0} is {1}: start it".format(name, unit["active"]),
        "{0} 状态为 {1}：启动".format(name, unit["active"]),
        {"do": "start", "unit": name},
    )


def brought_up(host: Host, plan: dict[str, Any]) -> Step:
    """Do what ``judged`` planned. HealError with what systemd says."""
    restart(host, plan["unit"], clear=True, seconds=_SECONDS)
    words = {"start": ("was started", "已启动"), "restart": ("was restarted", "已重启")}[plan["do"]]
    return Step("{0} {1}".format(plan["unit"], words[0]), "{0} {1}".format(plan["unit"], words[1]))


def must(host: Host, argv: list[str]) -> None:
    """A program that has to succeed; HealError with its last line otherwise."""
    done = host.run(argv, 60.0)
    if done.code != 0:
        raise HealError(
            "{0}: {1}".format(" ".join(argv), done.last),
            "{0}：{1}".format(" ".join(argv), done.last),
        )
