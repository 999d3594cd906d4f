# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host that runs out of memory: an allowed unit that takes too much of it is restarted.

No process is killed: the unit is restarted, so that it ends in its own way and comes back whole.
Memory that is left is MemAvailable/MemTotal, the formula of the alert on node_exporter's metrics.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.heal import processes, systemd_units
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
from ansible_collections.storewarden.ops.plugins.module_utils.heal.systemd_units import matches
from ansible_collections.storewarden.ops.plugins.module_utils.heal.unit_rules import (
    looping,
    not_allowed,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

OPTIONS: dict[str, Any] = {
    "allowed": {"type": "list", "elements": "str", "default": []},
    "share": {"type": "float", "default": 40.0},
    "below": {"type": "float", "default": 10.0},
    "enough": {"type": "float", "default": 15.0},
    "busy_check": {"type": "list", "elements": "str", "default": []},
    "always_idle": {"type": "list", "elements": "str", "default": []},
    "max_restarts": {"type": "int", "default": 3},
    "minutes": {"type": "float", "default": 10.0},
    "settle": {"type": "float", "default": 5.0},
}
# Never restarted for their memory: databases and caches hold data on purpose.
_NEVER = (
    *("postgresql*", "mariadb*", "mysql*", "mongod*", "redis*", "memcached*", "valkey*"),
    *("oracle*", "cassandra*", "elasticsearch*", "opensearch*", "etcd*", "slapd*"),
    *("containerd*", "docker*", "auditd*", "cron*", "chrony*"),
)
_ASKED = 60  # processes that are looked at closely
_SHOWN = 20  # of them as evidence
_BUSY_SECONDS = 10.0
_ACT_SECONDS = 110.0
_MIB = 1024 * 1024


class Memory(Action):
    """Restart the units that take too much memory."""

    name = "memory"

    def facts(self, host: Host, options: dict[str, Any]) -> dict[str, Any]:
        found = processes.largest(host, _ASKED)
        facts: dict[str, Any] = {
            "memory": processes.memory(host),
            "processes": processes.as_facts(found[:_SHOWN]),
            "units": _sums(found),
            "states": {},
            "busy": None,
        }
        for name in _hogs(facts, options):
            if name.endswith(".service"):
                facts["states"][name] = systemd_units.unit_facts(host, name, options["minutes"])
        if options["busy_check"] and facts["states"]:
            done = host.run(options["busy_check"], _BUSY_SECONDS)
            facts["busy"] = {"code": done.code, "said": done.last[:200]}
        return facts

    def evidence(
        self, host: Host, facts: dict[str, Any], options: dict[str, Any]
    ) -> tuple[Evidence, ...]:
        lines = ["PID PSS-MiB RSS-MiB UNIT COMMAND"] + [
            "{pid} {0} {1} {unit} {command}".format(one["pss"] // _MIB, one["rss"] // _MIB, **one)
            for one in sorted(facts["processes"], key=lambda one: -one["pss"])
        ]
        units = ["UNIT PSS-MiB (of the {0} largest processes)".format(_ASKED)] + [
            "{0} {1}".format(name, size // _MIB) for name, size in facts["units"].items()
        ]
        return (
            Evidence("largest processes", "\n".join(lines)),
            Evidence("memory of units", "\n".join(units)),
            Evidence("/proc/meminfo", host.run(["cat", host.at("/proc/meminfo")], 5.0).out),
        )

    def diagnose(self, facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
        left = _left(facts["memory"])
        if left >= float(options.get("below", 10.0)):
            return Diagnosis(
                HEALTHY,
                "{0:.1f} % of the memory is available".format(left),
                "可用内存为 {0:.1f} %".format(left),
            )
        said = "only {0:.1f} % of the memory is available".format(left)
        said_zh = "可用内存仅 {0:.1f} %".format(left)
        hogs = _hogs(facts, options)
        if not hogs:
            return Diagnosis(
                ESCALATE,
                "{0}, and no unit takes {1:g} % of it".format(said, options.get("share", 40.0)),
                "{0}，且没有单元占用达到 {1:g} %".format(said_zh, options.get("share", 40.0)),
            )
        mend, why, why_zh = self._sorted(hogs, facts, options)
        if not mend:
            return Diagnosis(
                ESCALATE, "{0}; {1}".format(said, why), "{0}；{1}".format(said_zh, why_zh)
            )
        names = ", ".join("{0} ({1} MiB)".format(one, hogs[one] // _MIB) for one in mend)
        return Diagnosis(
            NEEDED,
            "{0}; too much is taken by {1}".format(said, names),
            "{0}；占用过多的单元：{1}".format(said_zh, names),
            {"units": mend},
        )

    def _sorted(
        self, hogs: dict[str, int], facts: dict[str, Any], options: dict[str, Any]
    ) -> tuple[list[str], str, str]:
        """The units that may be restarted, and why the others may not, in both languages."""
        mend: list[str] = []
        no: list[tuple[str, str]] = []
        for name in hogs:
            why = _not_restarted(name, facts, options)
            if why is None:
                mend.append(name)
            else:
                no.append(why)
        return mend, "; ".join(one[0] for one in no), "；".join(one[1] for one in no)

    def act(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> list[Step]:
        again = self.diagnose(self.facts(host, options), options)
        if again.state == HEALTHY:
            return []
        if again.state != NEEDED:
            raise HealError(
                "not as diagnosed any more: {0}".format(again.reason),
                "情况已与诊断时不同：{0}".format(again.reason_zh),
            )
        steps = []
        for unit in diagnosis.plan["units"]:
            if unit in again.plan["units"]:
                systemd_units.restart(host, unit, False, _ACT_SECONDS)
                steps.append(Step("restarted {0}".format(unit), "已重启 {0}".format(unit)))
        return steps

    def verify(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> Finding:
        units = systemd_units.shown(host, diagnosis.plan["units"])
        down = [
            one["name"] for one in units if systemd_units.up_for(one) < float(options["settle"])
        ]
        left = _left(processes.memory(host))
        if down:
            names = ", ".join(down)
            return Finding(
                False, "not up yet: {0}".format(names), "尚未启动完成：{0}".format(names)
            )
        return Finding(
            left >= options["enough"],
            "{0:.1f} % of the memory is available".format(left),
            "可用内存为 {0:.1f} %".format(left),
        )


def _left(memory: dict[str, int]) -> float:
    """Percent of the memory that is available."""
    if not memory["total"]:
        raise HealError("/proc/meminfo has no MemTotal", "/proc/meminfo 中没有 MemTotal")
    return 100.0 * memory["available"] / memory["total"]


def _sums(found: list[processes.Process]) -> dict[str, int]:
    """Bytes by unit, the largest first. What belongs to no unit counts as none."""
    sums: dict[str, int] = {}
    for one in found:
        if one.unit:
            sums[one.unit] = sums.get(one.unit, 0) + one.pss
    return dict(sorted(sums.items(), key=lambda one: -one[1])[:_SHOWN])


def _hogs(facts: dict[str, Any], options: dict[str, Any]) -> dict[str, int]:
    """Units above the share of the whole memory."""
    limit = facts["memory"]["total"] * float(options.get("share", 40.0)) / 100.0
    return {name: size for name, size in facts["units"].items() if size >= limit}


def _not_restarted(
    name: str, facts: dict[str, Any], options: dict[str, Any]
) -> tuple[str, str] | None:
    size = facts["units"][name] // _MIB
    if matches(name, _NEVER) or not name.endswith(".service"):
        return (
            "{0} takes {1} MiB and is never restarted for its memory".format(name, size),
            "{0} 占用 {1} MiB，不因内存占用而重启".format(name, size),
        )
    no = not_allowed(name, options.get("allowed") or [], all_when_empty=False) or looping(
        facts["states"][name],
        int(options.get("max_restarts", 3)),
        float(options.get("minutes", 10.0)),
    )
    if no is not None:
        return "{0} ({1} MiB)".format(no.en, size), "{0}（{1} MiB）".format(no.zh, size)
    busy = facts["busy"]
    if matches(name, options.get("always_idle") or []):
        return None
    if busy is None:
        return (
            "{0} takes {1} MiB, and nobody knows whether it is in use (no busy_check)".format(
                name, size
            ),
            "{0} 占用 {1} MiB，无法得知是否正在使用（未设 busy_check）".format(name, size),
        )
    if busy["code"] != 0:
        return (
            "{0} takes {1} MiB and may be in use (busy_check: {2})".format(
                name, size, busy["code"]
            ),
            "{0} 占用 {1} MiB，可能正在使用（busy_check：{2}）".format(name, size, busy["code"]),
        )
    return None


ACTION = Memory()
