# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``postgresql``: nearly all connections are taken, or a standby does not follow its primary.

Sessions that do nothing are ended, the one that has done nothing for the longest first, and only
of accounts that the site listed; whoever works, replicates or administers keeps its session. A
standby's receiver gets a reload, where one would tell it something, and, when that is not enough, a
restart of the standby, where that is systemd's to make: another manager's server is left alone. A
primary is never restarted, and a standby that lacks WAL needs a person: rebuilding it is their
decision.
"""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import ProbeError
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
from ansible_collections.storewarden.ops.plugins.module_utils.heal.host_files import must
from ansible_collections.storewarden.ops.plugins.module_utils.heal.postgresql_facts import (
    asked,
    look,
    unit_of,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.postgresql_sessions import (
    chosen_to_end,
    end_sessions,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.systemd_units import unit_facts
from ansible_collections.storewarden.ops.plugins.module_utils.heal.unit_rules import looping
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

OPTIONS: dict[str, Any] = {
    "cluster": {"type": "str", "default": ""},
    "unit": {"type": "str", "default": ""},
    "high": {"type": "float", "default": 80.0},
    "goal": {"type": "float", "default": 60.0},
    "users": {"type": "list", "elements": "str", "default": []},
    "databases": {"type": "list", "elements": "str", "default": []},
    "idle_seconds": {"type": "int", "default": 600},
    "idle_in_transaction_seconds": {"type": "int", "default": 300},
    "stalled_seconds": {"type": "int", "default": 120},
    "unplayed_mb": {"type": "int", "default": 1024},
    "slot_mb": {"type": "int", "default": 1024},
}

_MB = 1024 * 1024
_MINUTES, _MOST = 10.0, 3  # more starts than these are a loop
_AFTER_RELOAD = 15.0  # seconds; the server tries every five (wal_retrieve_retry_interval)
_RESTARTING = 120.0
_BAD_SLOTS = ("unreserved", "lost")


class PostgreSql(Action):
    name = "postgresql"

    def facts(self, host: Host, options: dict[str, Any]) -> dict[str, Any]:
        try:
            found = look(host, options["cluster"])
            return {"clusters": [dict(one, unit=_unit(host, one, options)) for one in found]}
        except ProbeError as error:
            return {"clusters": [], "error": str(error).split("\n")[0]}

    def evidence(
        self, _host: Host, facts: dict[str, Any], _options: dict[str, Any]
    ) -> tuple[Evidence, ...]:
        return tuple(
            Evidence("cluster " + one["name"], _table(one))
            for one in facts["clusters"]
            if "counts" in one
        )

    def diagnose(self, facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
        found = [_judged(one, options) for one in facts["clusters"]]
        if not found:
            what = (
                facts.get("error") or "there is no cluster {0}".format(options["cluster"]).strip()
            )
            return Diagnosis(ESCALATE, what, "未找到 PostgreSQL 实例：{0}".format(what))
        order = {NEEDED: 0, ESCALATE: 1, HEALTHY: 2}
        return min(found, key=lambda one: order[one.state])

    def act(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> list[Step]:
        try:
            if diagnosis.plan["repair"] == "sessions":
                return end_sessions(host, diagnosis.plan, options)
            return _start_receiver(host, diagnosis.plan)
        except ProbeError as error:
            said = str(error).split("\n")[0]
            raise HealError(said, said) from None

    def verify(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> Finding:
        """Of what was repaired alone: whatever else is wrong is another repair's affair."""
        facts = self.facts(host, dict(options, cluster=diagnosis.plan["cluster"]))
        for one in facts["clusters"]:
            if one["runs"] and "error" not in one:
                return _found(one, diagnosis.plan["repair"], options)
        found = self.diagnose(facts, options)
        return Finding(False, found.reason, found.reason_zh)


def _unit(host: Host, one: dict[str, Any], options: dict[str, Any]) -> dict[str, Any] | None:
    """What systemd knows of a standby's unit; None where no unit is known, or needed."""
    name = options["unit"] or unit_of(one["name"])
    if not one.get("standby") or not name:
        return None
    return unit_facts(host, name, _MINUTES)


def _table(one: dict[str, Any]) -> str:
    lines = ["{used} of {most} connections".format(**one)]
    row = "{count:5d}  {user} in {database}: {state}, longest {most} s"
    lines += [row.format(**count) for count in one["counts"]]
    for name in ("receiver", "primary", "unplayed", "missing", "slots"):
        if one.get(name):
            lines.append("{0}: {1}".format(name, one[name]))
    return "\n".join(lines) + "\n"


def _found(one: dict[str, Any], repair: str, options: dict[str, Any]) -> Finding:
    if repair == "receiver":
        well = one["standby"] and _follows(one, options)
        return Finding(
            well,
            "standby {0} {1}".format(one["name"], "follows" if well else "does not follow yet"),
            "备库 {0} {1}".format(one["name"], "已重新跟随主库" if well else "尚未跟随主库"),
        )
    words = (one["name"], one["used"], one["most"])
    return Finding(
        100.0 * one["used"] / one["most"] < options["high"],
        "cluster {0}: {1} of {2} connections are taken".format(*words),
        "实例 {0}：连接占用 {1}/{2}".format(*words),
    )


# -- judgements ----------------------------------------------------------------------------------


def _judged(one: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
    if not one["runs"]:
        return Diagnosis(
            ESCALATE,
            "cluster {name} does not run: that is for the action service".format(**one),
            "实例 {name} 未运行：请使用 service 动作".format(**one),
        )
    if "error" in one:
        return Diagnosis(
            ESCALATE,
            "cluster {name} cannot be asked: {error}".format(**one),
            "实例 {name} 无法查询：{error}".format(**one),
        )
    share = 100.0 * one["used"] / one["most"]
    if share >= options["high"]:
        return _flood(one, options)
    found = _standby(one, options) if one["standby"] else _slots(one, options)
    return found or Diagnosis(
        HEALTHY,
        "cluster {0}: {1:.0f} % of its connections are taken".format(one["name"], share),
        "实例 {0}：连接占用 {1:.0f}%".format(one["name"], share),
    )


def _flood(one: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
    chosen = chosen_to_end(one, options)
    words = (one["name"], one["used"], one["most"], len(chosen), options["high"])
    if 100.0 * (one["used"] - len(chosen)) / one["most"] >= options["high"]:
        return Diagnosis(
            ESCALATE,
            "cluster {0}: {1} of {2} connections are taken, and only {3} idle ones may be ended: "
            "that does not lead below {4:g} %".format(*words),
            "实例 {0}：连接占用 {1}/{2}，可结束的空闲会话仅 {3} 个，无法降至 {4:g}% 以下".format(
                *words
            ),
        )
    keys = ("pid", "started", "user", "database", "state")
    return Diagnosis(
        NEEDED,
        "cluster {0}: {1} of {2} connections are taken; {3} idle ones can be ended".format(*words),
        "实例 {0}：连接占用 {1}/{2}；可结束 {3} 个空闲会话".format(*words),
        plan=dict(_where(one), repair="sessions", end=[{k: s[k] for k in keys} for s in chosen]),
    )


def _where(one: dict[str, Any]) -> dict[str, Any]:
    return {"cluster": one["name"], "port": one["port"], "owner": one["owner"]}


def _standby(one: dict[str, Any], options: dict[str, Any]) -> Diagnosis | None:
    problem = _for_people(one, options)
    if problem:
        return Diagnosis(ESCALATE, *problem)
    if one["primary"] is None or _follows(one, options):
        return None
    receiver = one["receiver"]
    silent = (
        "has no receiver"
        if receiver is None
        else "hears nothing ({0}, {1} s)".format(receiver["status"], receiver["silent"])
    )
    why = _not_ours(one, silent)
    if why is not None:
        return why
    return Diagnosis(
        NEEDED,
        "standby {0} {1}, and its primary can be reached".format(one["name"], silent),
        "备库 {0} 未接收数据，而主库可以到达".format(one["name"]),
        plan=dict(
            _where(one),
            repair="receiver",
            unit=one["unit"]["name"],
            reload=one["unread"],
            postmaster=one["postmaster"],
        ),
    )


def _not_ours(one: dict[str, Any], silent: str) -> Diagnosis | None:
    """Why a standby that is silent is not restarted."""
    name, unit = one["name"], one["unit"]
    if one["archive"] and one["receiver"] is None:
        if one["moves"]:
            return Diagnosis(
                HEALTHY,
                "standby {0} replays from its archive".format(name),
                "备库 {0} 正在从归档回放".format(name),
            )
        return Diagnosis(
            ESCALATE,
            "standby {0} {1}, and may be waiting for its archive".format(name, silent),
            "备库 {0} 未接收数据，可能正在等待归档".format(name),
        )
    if unit is None:
        return Diagnosis(
            ESCALATE,
            "standby {0} {1}, and its unit is not known (option unit)".format(name, silent),
            "备库 {0} 未接收数据，且其服务单元未知（选项 unit）".format(name),
        )
    if not _runs(unit, one["postmaster"]):
        words = (name, silent, unit["name"])
        return Diagnosis(
            ESCALATE,
            "standby {0} {1}, and is not what {2} runs: whatever manages it has to".format(*words),
            "备库 {0} 未接收数据，但并非由 {2} 运行：请由其管理程序处理".format(*words),
        )
    loop = looping(unit, _MOST, _MINUTES)
    return loop.diagnosis() if loop is not None else None


def _runs(unit: dict[str, Any], postmaster: int) -> bool:
    """Whether the unit is up and the server is its own: Patroni and its like start it themselves,
    and leave Debian's unit as it is."""
    return bool(unit["active"] == "active" and postmaster and unit["pid"] == postmaster)


def _follows(one: dict[str, Any], options: dict[str, Any]) -> bool:
    receiver = one["receiver"]
    return bool(
        receiver is not None
        and receiver["status"] == "streaming"
        and (receiver["silent"] or 0) < options["stalled_seconds"]
    )


def _for_people(one: dict[str, Any], options: dict[str, Any]) -> tuple[str, str] | None:
    """What a restart of the standby cannot put right."""
    name, primary = one["name"], one["primary"]
    if one["paused"]:
        return (
            "standby {0}: somebody paused its replay".format(name),
            "备库 {0}：回放已被人暂停".format(name),
        )
    alone = not _follows(one, options) and not one["moves"]
    if one["missing"] and alone:
        return (
            "standby {0} has to be rebuilt: {1}".format(name, one["missing"]),
            "备库 {0} 需要重建：{1}".format(name, one["missing"]),
        )
    if primary is not None and not primary["reachable"] and alone:
        return (
            "standby {0}: its primary {1[host]}:{1[port]} cannot be reached".format(name, primary),
            "备库 {0}：无法连接主库 {1[host]}:{1[port]}".format(name, primary),
        )
    if one["unplayed"] > options["unplayed_mb"] * _MB:
        return (
            "standby {0} has {1} MB that it has not replayed".format(name, one["unplayed"] // _MB),
            "备库 {0} 尚有 {1} MB 未回放".format(name, one["unplayed"] // _MB),
        )
    return None


def _slots(one: dict[str, Any], options: dict[str, Any]) -> Diagnosis | None:
    for slot in one["slots"]:
        lags = not slot["active"] and slot["behind"] > options["slot_mb"] * _MB
        if slot["wal"] in _BAD_SLOTS or lags:
            words = (one["name"], slot["name"], slot["behind"] // _MB, slot["wal"])
            return Diagnosis(
                ESCALATE,
                "primary {0}: slot {1} is {2} MB behind ({3}): its standby needs a person".format(
                    *words
                ),
                "主库 {0}：复制槽 {1} 落后 {2} MB（{3}）：需人工处理备库".format(*words),
            )
    return None


# -- repairs -------------------------------------------------------------------------------------


def _start_receiver(host: Host, plan: dict[str, Any]) -> list[Step]:
    _must_be_standby(host, plan)
    steps = []
    # It tries by itself every few seconds: only other settings would make it try another way.
    if plan["reload"]:
        asked(host, plan, "SELECT pg_reload_conf() AS done")
        steps.append(Step("reloaded " + plan["cluster"], "已重新加载 " + plan["cluster"]))
    end = time.monotonic() + _AFTER_RELOAD
    while time.monotonic() < end:
        if asked(host, plan, "SELECT 1 FROM pg_stat_wal_receiver WHERE status = 'streaming'"):
            return steps
        time.sleep(0.5)
    _must_be_standby(host, plan)
    if not _runs(unit_facts(host, plan["unit"], _MINUTES), plan["postmaster"]):
        raise HealError(
            "{0} is not as it was when it was looked at".format(plan["unit"]),
            "{0} 与诊断时不同".format(plan["unit"]),
        )
    must(host, ["systemctl", "restart", plan["unit"]], _RESTARTING)
    return [*steps, Step("restarted " + plan["unit"], "已重启 " + plan["unit"])]


def _must_be_standby(host: Host, plan: dict[str, Any]) -> None:
    if not asked(host, plan, "SELECT pg_is_in_recovery() AS standby")[0]["standby"]:
        raise HealError(
            "{0} is a primary now, and is left alone".format(plan["cluster"]),
            "{0} 现为主库，不作任何操作".format(plan["cluster"]),
        )


ACTION = PostgreSql()
