# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``redis``: memory that the server holds and does not need, or writes refused after a full disk.

Memory comes back without any key that still counts: pages that are free already are given to the
system, holes are closed, and keys whose time is over are looked at, at which the server drops
them itself. A failed save is tried once more where the disk has room again. What would cost data
is never done: no key is deleted, nothing is flushed, and neither limit nor policy is changed.
"""

from __future__ import annotations

import os
import time
from typing import Any

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
from ansible_collections.storewarden.ops.plugins.module_utils.heal.redis_line import (
    RedisDown,
    RedisLine,
    RedisRefused,
    info_of,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

OPTIONS: dict[str, Any] = {
    "config": {"type": "path", "default": "/etc/redis/redis.conf"},
    "high": {"type": "float", "default": 90.0},
    "fragmentation": {"type": "float", "default": 1.5},
    "waste_mb": {"type": "int", "default": 100},
    "defragment": {"type": "bool", "default": True},
    "scan_seconds": {"type": "float", "default": 20.0},
    "seconds": {"type": "float", "default": 10.0},
}

_MB = 1024 * 1024
_NUMBERS = (
    *("used_memory", "used_memory_rss", "maxmemory", "rdb_bgsave_in_progress"),
    *("rdb_last_save_time", "expired_keys", "loading", "async_loading"),
)
_WORDS = ("maxmemory_policy", "rdb_last_bgsave_status", "mem_allocator", "redis_version", "role")
_ROOM = 1.2  # a dump is smaller than the memory it is of; a fifth more for a bad guess
_BATCH = "1000"


class Redis(Action):
    name = "redis"

    def facts(self, host: Host, options: dict[str, Any]) -> dict[str, Any]:
        try:
            with RedisLine(host, options["config"], options["seconds"]) as line:
                return _said(line)
        except RedisDown as error:
            return {"down": str(error)}
        except RedisRefused as error:
            return {"refused": str(error)}

    def evidence(
        self, _host: Host, facts: dict[str, Any], _options: dict[str, Any]
    ) -> tuple[Evidence, ...]:
        """Numbers alone: no key and no value is ever told."""
        lines = ["{0}: {1}".format(key, facts[key]) for key in sorted(facts)]
        return (Evidence("redis", "\n".join(lines) + "\n"),)

    def diagnose(self, facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
        for key in ("down", "refused"):
            if key in facts:
                return _unheard(key, facts[key])
        if facts["loading"] or facts.get("async_loading"):
            return Diagnosis(ESCALATE, "the server still loads its data", "服务器仍在加载数据")
        for judge in _JUDGES.values():
            found = judge(facts, options)
            if found is not None:
                return found
        return Diagnosis(
            HEALTHY,
            "{0} MB in use, {1} MB resident, last save {2}".format(
                *_sizes(facts), facts["rdb_last_bgsave_status"]
            ),
            "已用 {0} MB，常驻 {1} MB，上次保存 {2}".format(
                *_sizes(facts), facts["rdb_last_bgsave_status"]
            ),
        )

    def act(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> list[Step]:
        try:
            with RedisLine(host, options["config"], options["seconds"]) as line:
                now = self.diagnose(_said(line), options)
                if now.state != NEEDED or now.plan["repair"] != diagnosis.plan["repair"]:
                    raise HealError(
                        "it has changed since it was looked at: {0}".format(now.reason),
                        "诊断之后情况已变：{0}".format(now.reason_zh),
                    )
                return _REPAIRS[diagnosis.plan["repair"]](line, diagnosis.plan, options)
        except (RedisDown, RedisRefused) as error:
            raise HealError(str(error), str(error)) from None

    def verify(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> Finding:
        facts = self.facts(host, options)
        found = self.diagnose(facts, options)
        if diagnosis.plan["repair"] == "save" and facts.get("rdb_bgsave_in_progress"):
            return Finding(False, "the save is still being written", "保存仍在进行")
        if "down" in facts or "refused" in facts:
            return Finding(False, found.reason, found.reason_zh)
        # Whatever else is wrong is another repair's affair, and is told.
        own = _JUDGES[diagnosis.plan["repair"]](facts, options)
        return Finding(own is None, found.reason, found.reason_zh)

    def undo(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> list[Step]:
        """Closing holes costs processor time: it ends with the repair that did not help."""
        if not diagnosis.plan.get("defragment"):
            return []
        try:
            with RedisLine(host, options["config"], options["seconds"]) as line:
                line.ask("CONFIG", "SET", "activedefrag", "no")
        except (RedisDown, RedisRefused) as error:
            raise HealError(str(error), str(error)) from None
        return [Step("activedefrag is off again", "activedefrag 已恢复关闭")]


# -- looking -------------------------------------------------------------------------------------


def _said(line: RedisLine) -> dict[str, Any]:
    told = info_of(line.ask("INFO", "everything"))
    found: dict[str, Any] = {key: int(told.get(key) or 0) for key in _NUMBERS}
    found.update({key: told.get(key, "") for key in _WORDS})
    found["fragmentation"] = float(told.get("mem_fragmentation_ratio") or 0)
    found["volatile"] = _volatile(told)
    # A server that is to save nothing refuses nothing either.
    stops = _setting(line, "stop-writes-on-bgsave-error") == "yes"
    found["stop_writes"] = stops and bool(_setting(line, "save"))
    found["activedefrag"] = _setting(line, "activedefrag") or ""
    folder = _setting(line, "dir")
    found["free"] = _free(folder) if folder else None
    return found


def _volatile(told: dict[str, str]) -> int:
    """How many keys have an end (``db0:keys=3,expires=1,..``)."""
    databases = (
        value for key, value in told.items() if key.startswith("db") and "expires=" in value
    )
    return sum(int(one.partition("expires=")[2].split(",")[0]) for one in databases)


def _setting(line: RedisLine, name: str) -> str | None:
    """None where the server does not tell (an account without CONFIG)."""
    try:
        pair = line.ask("CONFIG", "GET", name)
    except RedisRefused:
        return None
    return str(pair[1]) if len(pair) == 2 else None


def _free(folder: str) -> int | None:
    try:
        seen = os.statvfs(folder)
    except OSError:
        return None
    return seen.f_bavail * seen.f_frsize


# -- judgements ----------------------------------------------------------------------------------


def _sizes(facts: dict[str, Any]) -> tuple[int, int]:
    return facts["used_memory"] // _MB, facts["used_memory_rss"] // _MB


def _unheard(key: str, said: str) -> Diagnosis:
    if key == "down":
        return Diagnosis(
            ESCALATE,
            "nobody answers ({0}): that is for the action service".format(said),
            "没有应答（{0}）：请使用 service 动作".format(said),
        )
    return Diagnosis(
        ESCALATE,
        "the server lets us do nothing: {0}".format(said),
        "服务器拒绝访问：{0}".format(said),
    )


def _save(facts: dict[str, Any], _options: Any) -> Diagnosis | None:
    if facts["rdb_last_bgsave_status"] == "ok" or not facts["stop_writes"]:
        return None
    if facts["rdb_bgsave_in_progress"]:
        return Diagnosis(
            ESCALATE,
            "the last save failed, writes are refused, and another save is being written",
            "上次保存失败，写入被拒绝，另一次保存正在进行",
        )
    needed, free = int(facts["used_memory"] * _ROOM), facts["free"]
    if free is None or free < needed:
        room = "unknown" if free is None else "{0} MB".format(free // _MB)
        return Diagnosis(
            ESCALATE,
            "the last save failed and writes are refused; room on its disk: {0} of {1} MB (the "
            "action disk)".format(room, needed // _MB),
            "上次保存失败，写入被拒绝；磁盘可用 {0}，需要 {1} MB（disk 动作）".format(
                room, needed // _MB
            ),
        )
    return Diagnosis(
        NEEDED,
        "the last save failed and writes are refused; its disk has {0} MB now".format(free // _MB),
        "上次保存失败，写入被拒绝；磁盘现有 {0} MB 可用".format(free // _MB),
        plan={"repair": "save"},
    )


def _waste(facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis | None:
    waste = facts["used_memory_rss"] - facts["used_memory"]
    if facts["fragmentation"] < options["fragmentation"] or waste < options["waste_mb"] * _MB:
        return None
    words = (*_sizes(facts), facts["fragmentation"])
    return Diagnosis(
        NEEDED,
        "{1} MB resident for {0} MB in use ({2:g} times as much)".format(*words),
        "常驻 {1} MB，实际使用 {0} MB（{2:g} 倍）".format(*words),
        plan={
            "repair": "waste",
            "defragment": options["defragment"] and facts["activedefrag"] == "no",
        },
    )


def _full(facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis | None:
    if not facts["maxmemory"]:
        return None
    share = 100.0 * facts["used_memory"] / facts["maxmemory"]
    # A cache that makes room by itself is meant to be full.
    if share < options["high"] or facts["maxmemory_policy"] != "noeviction":
        return None
    words = (share, facts["maxmemory"] // _MB, facts["volatile"])
    if not facts["volatile"] or facts["role"] != "master":
        return Diagnosis(
            ESCALATE,
            "{0:.0f} % of {1} MB in use, and no key ever expires: more memory or fewer keys is a "
            "person's decision".format(*words),
            "已用 {1} MB 的 {0:.0f}%，且没有会过期的键：扩容或删键需人工决定".format(*words),
        )
    return Diagnosis(
        NEEDED,
        "{0:.0f} % of {1} MB in use; {2} keys have an end, and some may be over".format(*words),
        "已用 {1} MB 的 {0:.0f}%；{2} 个键有过期时间，部分可能已过期".format(*words),
        plan={"repair": "expired"},
    )


# -- repairs -------------------------------------------------------------------------------------


def _save_once(line: RedisLine, *_more: Any) -> list[Step]:
    line.ask("BGSAVE")
    return [Step("had the data saved once more", "已重新保存一次数据")]


def _give_back(line: RedisLine, plan: dict[str, Any], *_more: Any) -> list[Step]:
    before = int(info_of(line.ask("INFO", "memory"))["used_memory_rss"])
    line.ask("MEMORY", "PURGE")
    time.sleep(0.5)  # the server measures itself ten times a second
    freed = max(before - int(info_of(line.ask("INFO", "memory"))["used_memory_rss"]), 0)
    steps = [
        Step(
            "gave free pages back: {0} MB".format(freed // _MB),
            "已归还空闲内存页：{0} MB".format(freed // _MB),
            freed,
        )
    ]
    if plan["defragment"]:
        steps += _defragment(line)
    return steps


def _defragment(line: RedisLine) -> list[Step]:
    try:
        line.ask("CONFIG", "SET", "activedefrag", "yes")
    except RedisRefused:  # its allocator cannot
        return []
    return [Step("activedefrag is on until the next start", "activedefrag 已开启，直到下次启动")]


def _drop_expired(line: RedisLine, _plan: Any, options: dict[str, Any]) -> list[Step]:
    """SCAN looks at every key; the server drops those whose time is over when they are seen."""
    before = info_of(line.ask("INFO", "everything"))
    end = time.monotonic() + options["scan_seconds"]
    for number in _databases(before):
        line.ask("SELECT", number)
        cursor = "0"
        while time.monotonic() < end:
            cursor = str(line.ask("SCAN", cursor, "COUNT", _BATCH)[0])
            if cursor == "0":
                break
    line.ask("MEMORY", "PURGE")
    after = info_of(line.ask("INFO", "everything"))
    gone = int(after["expired_keys"]) - int(before["expired_keys"])
    freed = max(int(before["used_memory"]) - int(after["used_memory"]), 0)
    return [
        Step(
            "{0} keys were over: {1} MB".format(gone, freed // _MB),
            "{0} 个键已过期：{1} MB".format(gone, freed // _MB),
            freed,
        )
    ]


def _databases(told: dict[str, str]) -> list[str]:
    return [key[2:] for key, value in told.items() if key.startswith("db") and "keys=" in value]


_JUDGES = {"save": _save, "waste": _waste, "expired": _full}
_REPAIRS = {"save": _save_once, "waste": _give_back, "expired": _drop_expired}

ACTION = Redis()
