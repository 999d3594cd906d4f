# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A service that crashed, failed, or is up and does not answer is restarted.

What is down already may be started at any hour. What is up may be in use: it is restarted only
when its health probe fails and ``busy_check`` says that nobody is in the middle of a sale.
"""

from __future__ import annotations

import time
from typing import Any, Optional

from ansible_collections.storewarden.ops.plugins.module_utils.heal import systemd_units
from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import (
    ESCALATE,
    HEALTHY,
    NEEDED,
    Action,
    Diagnosis,
    Evidence,
    Finding,
    HealError,
    Step,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.unit_rules import (
    DOWN,
    in_use,
    kept_down,
    looping,
    not_allowed,
)
from ansible_collections.storewarden.ops.plugins.module_utils.payload.checks import BadCheck, probes
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

OPTIONS: dict[str, Any] = {
    "unit": {"type": "str", "required": True},
    "allowed": {"type": "list", "elements": "str", "default": []},
    "probes": {"type": "list", "elements": "dict", "default": []},
    "busy_check": {"type": "list", "elements": "str", "default": []},
    "max_restarts": {"type": "int", "default": 3},
    "minutes": {"type": "float", "default": 10.0},
    "settle": {"type": "float", "default": 5.0},
}
_CHANGING = ("activating", "deactivating", "reloading")
_PATIENCE = 5.0  # seconds for a unit that is starting or stopping right now
_BUSY_SECONDS = 10.0
_ACT_SECONDS = 110.0  # below timing.act; a stop alone may take systemd's 90 s
_STEADY = 60.0  # a unit that was started again and again, and is up for so long, has recovered
_RECOVERY, _RESTART = "service-recovery", "service-restart"  # operation classes


class Service(Action):
    """Restart one service."""

    name = "service"

    def facts(self, host: Host, options: dict[str, Any]) -> dict[str, Any]:
        unit = systemd_units.full_name(options["unit"])
        found = self._settled(host, unit, options["minutes"])
        facts: dict[str, Any] = {"unit": found, "probes": [], "busy": None}
        if found["active"] == "active" and options["probes"]:
            facts["probes"] = _probed(host, options["probes"])
            if not all(one["ok"] for one in facts["probes"]) and options["busy_check"]:
                done = host.run(options["busy_check"], _BUSY_SECONDS)
                facts["busy"] = {"code": done.code, "said": done.last[:200]}
        return facts

    def _settled(self, host: Host, unit: str, minutes: float) -> dict[str, Any]:
        """A unit between two states is asked again for some seconds."""
        end = time.monotonic() + _PATIENCE
        while True:
            found = systemd_units.unit_facts(host, unit, minutes)
            waits = found["active"] in _CHANGING and found["sub"] != "auto-restart"
            if not waits or time.monotonic() >= end:
                return found
            time.sleep(0.5)

    def evidence(
        self, host: Host, facts: dict[str, Any], options: dict[str, Any]
    ) -> tuple[Evidence, ...]:
        unit = facts["unit"]["name"]
        return (
            Evidence("journal of {0}".format(unit), systemd_units.journal(host, unit)),
            Evidence("status of {0}".format(unit), systemd_units.status(host, unit)),
        )

    def diagnose(self, facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
        unit = facts["unit"]
        no = not_allowed(
            unit["name"],
            options.get("allowed") or [],
            all_when_empty=True,
            aliases=unit.get("names") or (),
        )
        if no is None and not unit["name"].endswith(".service"):
            return Diagnosis(
                ESCALATE,
                "{0} is no service".format(unit["name"]),
                "{0} 不是服务单元".format(unit["name"]),
            )
        if no is not None:
            return no.diagnosis()
        if unit["active"] == "active":
            return self._up(facts, options)
        return self._down(unit, options)

    def _up(self, facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
        unit, bad = facts["unit"], [one for one in facts["probes"] if not one["ok"]]
        if not bad:
            flaps = _loop(unit, options) if unit["restarts"] else None
            if flaps is not None and unit["up_for"] < _STEADY:
                return Diagnosis(ESCALATE, flaps[0], flaps[1])
            return Diagnosis(
                HEALTHY,
                "{0} is active since {1:.0f} s".format(unit["name"], unit["up_for"]),
                "{0} 已正常运行 {1:.0f} 秒".format(unit["name"], unit["up_for"]),
            )
        en, zh = _said(bad)
        for no in (in_use(facts["busy"], "busy_check"), _loop(unit, options)):
            if no is not None:
                return Diagnosis(
                    ESCALATE,
                    "{0} is up, but {1}; {2}".format(unit["name"], en, no[0]),
                    "{0} 在运行，但{1}；{2}".format(unit["name"], zh, no[1]),
                )
        return _needed(
            unit,
            _RESTART,
            "{0} is up, but {1}".format(unit["name"], en),
            "{0} 在运行，但{1}".format(unit["name"], zh),
        )

    def _down(self, unit: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
        if unit["active"] in _CHANGING and unit["sub"] != "auto-restart":
            return Diagnosis(
                ESCALATE,
                "{0} has been {1} for too long".format(unit["name"], unit["active"]),
                "{0} 处于 {1} 状态时间过长".format(unit["name"], unit["active"]),
            )
        kept = kept_down(unit)
        if kept is not None:
            return kept.diagnosis()
        if _finished(unit):
            return Diagnosis(
                HEALTHY,
                "{0} has done its work and ended".format(unit["name"]),
                "{0} 已完成任务并结束".format(unit["name"]),
            )
        if unit["active"] == "inactive" and not unit["condition"]:
            return Diagnosis(
                ESCALATE,
                "{0} is not started because a condition of its unit is not met".format(
                    unit["name"]
                ),
                "{0} 因单元条件不满足而未启动".format(unit["name"]),
            )
        loop = _loop(unit, options)
        if loop is not None:
            return Diagnosis(ESCALATE, loop[0], loop[1])
        state = (unit["name"], unit["active"], unit["result"], unit["status"])
        return _needed(
            unit,
            _RECOVERY,
            "{0} is {1} (result {2}, exit status {3})".format(*state),
            "{0} 状态为 {1}（结果 {2}，退出状态 {3}）".format(*state),
        )

    def act(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> list[Step]:
        again = self.diagnose(self.facts(host, options), options)
        if again.state == HEALTHY:
            return []  # somebody, or systemd, was faster
        if again.state != NEEDED or again.plan["operation"] != diagnosis.plan["operation"]:
            raise HealError(
                "not as diagnosed any more: {0}".format(again.reason),
                "情况已与诊断时不同：{0}".format(again.reason_zh),
            )
        unit = diagnosis.plan["unit"]
        clear = again.plan["failed"]
        systemd_units.restart(host, unit, clear, _ACT_SECONDS)
        steps = [Step("restarted {0}".format(unit), "已重启 {0}".format(unit))]
        if clear:
            said = ("forgot that {0} had failed", "已清除 {0} 的失败状态")
            steps.insert(0, Step(*(one.format(unit) for one in said)))
        return steps

    def verify(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> Finding:
        unit = systemd_units.unit_facts(host, diagnosis.plan["unit"], options["minutes"])
        name = unit["name"]
        if unit["active"] != "active":
            said = (name, unit["active"], unit["result"])
            return Finding(
                False, "{0} is {1} ({2})".format(*said), "{0} 状态为 {1}（{2}）".format(*said)
            )
        if unit["up_for"] < options["settle"]:
            said = (name, unit["up_for"])
            return Finding(
                False,
                "{0} is active since no more than {1:.0f} s".format(*said),
                "{0} 运行仅 {1:.0f} 秒".format(*said),
            )
        bad = [one for one in _probed(host, options["probes"]) if not one["ok"]]
        if bad:
            en, zh = _said(bad)
            return Finding(
                False,
                "{0} is active, but {1}".format(name, en),
                "{0} 在运行，但{1}".format(name, zh),
            )
        return Finding(
            True,
            "{0} is active since {1:.0f} s".format(name, unit["up_for"]),
            "{0} 已正常运行 {1:.0f} 秒".format(name, unit["up_for"]),
        )


def _needed(unit: dict[str, Any], operation: str, en: str, zh: str) -> Diagnosis:
    failed = unit["active"] == "failed" or unit["result"] == "start-limit-hit"
    plan = {"unit": unit["name"], "operation": operation, "failed": failed}
    return Diagnosis(NEEDED, en, zh, plan)


def _finished(unit: dict[str, Any]) -> bool:
    """A service that only does something once is down when all is well."""
    once = unit["type"] == "oneshot" and not unit["remains"]
    return once and unit["active"] in DOWN and unit["result"] == "success"


def _loop(unit: dict[str, Any], options: dict[str, Any]) -> Optional[tuple[str, str]]:
    return looping(unit, int(options.get("max_restarts", 3)), float(options.get("minutes", 10.0)))


def _probed(host: Host, checks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    try:
        return probes(host, checks)
    except BadCheck as error:
        raise HealError("probes: {0}".format(error), "探测配置有误：{0}".format(error)) from None


def _said(bad: list[dict[str, Any]]) -> tuple[str, str]:
    """What the probes that are not good say, in both languages."""
    return (
        "; ".join("{0}: {1}".format(one["name"], one["detail"]["en"]) for one in bad),
        "；".join("{0}：{1}".format(one["name"], one["detail"]["zh"]) for one in bad),
    )


ACTION = Service()
