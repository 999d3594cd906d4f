# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a unit may be restarted by nobody's hand: questions that several actions ask alike.

A unit that a person stopped, masked or disabled is as that person wants it. One that was started
again and again has a fault that another start does not cure.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Sequence

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import ESCALATE, Diagnosis
from ansible_collections.storewarden.ops.plugins.module_utils.heal.systemd_units import (
    NEVER,
    matches,
)

Facts = dict[str, Any]
DOWN = ("inactive", "failed")
_TOLD_TO_END = (15, 130, 143)  # TERM itself, and what shells and Java make of INT and TERM
_NO_START = ("disabled", "masked", "masked-runtime")


class No(NamedTuple):
    """Why a unit is left to people, in both languages."""

    en: str
    zh: str

    def diagnosis(self) -> Diagnosis:
        return Diagnosis(ESCALATE, self.en, self.zh)


def not_allowed(
    name: str, allowed: list[str], *, all_when_empty: bool, aliases: Sequence[str] = ()
) -> Optional[No]:
    """Whether the site, or the list of those that nobody restarts, says no. ``aliases`` are the
    unit's other names; the site allows a unit by the name that it was given."""
    if any(matches(one, NEVER) for one in (name, *aliases)):
        return No(
            "{0} is never restarted by itself".format(name), "{0} 不允许自动重启".format(name)
        )
    if (allowed or not all_when_empty) and not matches(name, allowed):
        return No(
            "{0} is not among the allowed units".format(name), "{0} 不在允许的单元之列".format(name)
        )
    return None


def kept_down(unit: Facts) -> Optional[No]:
    """Whether a person wants it to be down, or it cannot run at all."""
    name = unit["name"]
    if unit["load"] in ("masked", "not-found", "bad-setting", "error"):
        return No(
            "{0} cannot run: systemd says {1}".format(name, unit["load"]),
            "{0} 无法运行：systemd 报告 {1}".format(name, unit["load"]),
        )
    if unit["file_state"] in _NO_START and not unit["triggered"]:
        return No(
            "{0} is {1}, so somebody does not want it to run".format(name, unit["file_state"]),
            "{0} 处于 {1} 状态，说明有人不希望其运行".format(name, unit["file_state"]),
        )
    # A program may end badly when it is told to stop: then the unit failed, and was stopped.
    if unit["active"] in DOWN and unit["stop_asked"]:
        return No(
            "{0} was stopped on purpose (the journal has a stop job)".format(name),
            "{0} 是被人为停止的（日志中有停止任务）".format(name),
        )
    unknown = unit["stop_asked"] is None and unit["entered"]
    if unit["active"] == "inactive" and unknown:
        return No(
            "{0} is stopped, and the journal does not know any more who did it".format(name),
            "{0} 已停止，日志中已无法查到是谁停止的".format(name),
        )
    # A program of Java ends with 143 when it is told to end: systemd calls that a failure.
    if unit["active"] == "failed" and unknown and unit.get("status") in _TOLD_TO_END:
        return No(
            "{0} ended as if it was told to (status {1}), and the journal does not know by whom"
            .format(name, unit["status"]),
            "{0} 以状态 {1} 结束（像是被要求停止），日志中已无法查到是谁".format(
                name, unit["status"]
            ),
        )  # fmt: skip
    return None


def in_use(busy: Optional[Facts], option: str) -> Optional[No]:
    """Whether a unit that is up may be in the middle of a sale: ``busy`` is what the site's check
    said (``code``, ``said``), ``option`` names it. Who does not know does not restart."""
    if busy is None:
        return No(
            "nobody has said how to see whether it is in use ({0})".format(option),
            "未配置判断其是否正在使用的方法（{0}）".format(option),
        )
    if busy["code"] != 0:
        said = (option, busy["code"], busy["said"])
        return No(
            "it may be in use ({0} ended with {1}: {2})".format(*said),
            "可能正在使用（{0} 退出状态 {1}：{2}）".format(*said),
        )
    return None


def looping(unit: Facts, most: int, minutes: float) -> Optional[No]:
    """Whether it was started too often, by whomever. Without a journal systemd's own count of
    restarts has to do."""
    starts = unit["starts"] if unit["starts"] is not None else unit["restarts"]
    if starts <= most:
        return None
    name = unit["name"]
    return No(
        "{0} was started {1} times in {2:g} minutes (more than {3}): another start does not"
        " cure it".format(name, starts, minutes, most),
        "{0} 在 {2:g} 分钟内启动了 {1} 次（超过 {3} 次），再次启动无法解决问题".format(
            name, starts, minutes, most
        ),
    )
