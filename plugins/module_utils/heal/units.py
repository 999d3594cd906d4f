# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All failed units of a host: those that the site allows are restarted, the rest is named.

A failed unit may be anything, so nothing is restarted that the site has not allowed by a pattern;
and what would cut a host off, or belongs to its start, is not restarted whatever the site says.
"""

from __future__ import annotations

import time
from typing import Any

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
    kept_down,
    looping,
    not_allowed,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

OPTIONS: dict[str, Any] = {
    "allowed": {"type": "list", "elements": "str", "default": []},
    "max_restarts": {"type": "int", "default": 3},
    "minutes": {"type": "float", "default": 10.0},
    "settle": {"type": "float", "default": 5.0},
}
_MOST = 10  # units that one run restarts, and journals that it keeps
_SECONDS = 20.0
_ALL_SECONDS = 280.0  # for all of them: below timing.act
_LEAST = 10.0  # seconds that a restart must have before it is begun
_ACT_SECONDS = 100.0  # for one unit; a stop alone may take systemd's 90 s


class Units(Action):
    """Restart the failed units that may be restarted."""

    name = "units"

    def facts(self, host: Host, options: dict[str, Any]) -> dict[str, Any]:
        units = [systemd_units.unit_facts(host, one, options["minutes"]) for one in _failed(host)]
        return {"failed": units}

    def evidence(
        self, host: Host, facts: dict[str, Any], options: dict[str, Any]
    ) -> tuple[Evidence, ...]:
        return tuple(
            Evidence("journal of {0}".format(one["name"]), systemd_units.journal(host, one["name"]))
            for one in facts["failed"][:_MOST]
        )

    def diagnose(self, facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
        if not facts["failed"]:
            return Diagnosis(HEALTHY, "no unit has failed", "没有失败的单元")
        mend: list[str] = []
        left: dict[str, str] = {}
        left_zh: list[str] = []
        for unit in facts["failed"]:
            no = (
                not_allowed(
                    unit["name"],
                    options.get("allowed") or [],
                    all_when_empty=False,
                    aliases=unit.get("names") or (),
                )
                or kept_down(unit)
                or looping(
                    unit,
                    int(options.get("max_restarts", 3)),
                    float(options.get("minutes", 10.0)),
                )
            )
            if no is None and len(mend) < _MOST:
                mend.append(unit["name"])
                continue
            left[unit["name"]] = no.en if no else "more than {0} at a time".format(_MOST)
            left_zh.append(no.zh if no else "单次最多 {0} 个".format(_MOST))
        return _judged(mend, left, left_zh)

    def act(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> list[Step]:
        end = time.monotonic() + _ALL_SECONDS
        again = self.diagnose(self.facts(host, options), options)
        still = again.plan.get("units", [])
        steps: list[Step] = []
        wrong: list[HealError] = []
        for unit in diagnosis.plan["units"]:
            if unit not in still:
                continue  # it has recovered, or somebody stopped it meanwhile
            left = end - time.monotonic()
            if left < _LEAST:
                wrong.append(_no_time(unit))
                continue
            try:
                systemd_units.restart(host, unit, True, min(_ACT_SECONDS, left))
            except HealError as error:
                wrong.append(error)
                continue
            steps.append(Step("restarted {0}".format(unit), "已重启 {0}".format(unit)))
        if wrong and not steps:
            raise HealError(
                "; ".join(str(one) for one in wrong), "；".join(one.reason_zh for one in wrong)
            )
        return [*steps, *(Step(str(one), one.reason_zh) for one in wrong)]

    def verify(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> Finding:
        names = list(diagnosis.plan["units"])
        bad = [
            one
            for one in (systemd_units.unit_facts(host, name, options["minutes"]) for name in names)
            if not _well(one, one["up_for"], options["settle"]) and not _stopped(one)
        ]
        if bad:
            said = ", ".join("{0} ({1})".format(one["name"], one["active"]) for one in bad)
            return Finding(False, "not well yet: {0}".format(said), "尚未恢复：{0}".format(said))
        mended, left = ", ".join(names), ", ".join(sorted(diagnosis.plan["left"]))
        if not left:
            return Finding(True, "well again: {0}".format(mended), "已恢复：{0}".format(mended))
        return Finding(
            True,
            "well again: {0}; left to people: {1}".format(mended, left),
            "已恢复：{0}；需人工处理：{1}".format(mended, left),
        )


def _failed(host: Host) -> list[str]:
    """Names of the units that failed. HealError where systemd does not answer."""
    if not host.has_systemd():
        raise HealError("systemd does not run this host", "本机未由 systemd 管理")
    argv = [
        "systemctl",
        "list-units",
        "--all",
        "--state=failed",
        "--plain",
        "--no-legend",
        "--full",
    ]
    done = host.run(argv, _SECONDS)
    if done.code != 0:
        raise HealError(
            "systemctl: {0}".format(done.last), "systemctl 执行失败：{0}".format(done.last)
        )
    return [line.split()[0] for line in done.out.splitlines() if line.strip()]


def _judged(mend: list[str], left: dict[str, str], left_zh: list[str]) -> Diagnosis:
    rest, rest_zh = "; ".join(left.values()), "；".join(left_zh)
    if not mend:
        return Diagnosis(
            ESCALATE,
            "{0} failed units, none of them may be restarted: {1}".format(len(left), rest),
            "{0} 个单元失败，均不可自动重启：{1}".format(len(left), rest_zh),
        )
    names = ", ".join(mend)
    return Diagnosis(
        NEEDED,
        "failed: {0}{1}".format(names, "; left to people: " + rest if left else ""),
        "失败的单元：{0}{1}".format(names, "；需人工处理：" + rest_zh if left else ""),
        {"units": mend, "left": left},
    )


def _no_time(unit: str) -> HealError:
    return HealError(
        "there was no time left for {0}".format(unit), "已没有时间处理 {0}".format(unit)
    )


def _stopped(unit: dict[str, Any]) -> bool:
    """Somebody stopped it since it was looked at: that is how they want it."""
    return unit["active"] == "inactive" and kept_down(unit) is not None


def _well(unit: dict[str, Any], up_for: float, settle: float) -> bool:
    """Up for some seconds; or ended well, where that is what it does."""
    if unit["active"] == "active":
        return bool(up_for >= settle)
    once = unit["type"] == "oneshot" or not unit["name"].endswith(".service")
    return bool(once and unit["active"] == "inactive" and unit["result"] == "success")


ACTION = Units()
