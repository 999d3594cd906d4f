# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A queue that prints nothing: CUPS is down, the queue was stopped, or one job blocks all others.

Jobs are receipts. None is ever deleted: one that blocks the queue is held and named, and a person
releases it (`lp -i JOB -H resume`). A queue that a person stopped, or that takes no jobs, is as
that person wants it: somebody may have the printer open. A job that moves, however slowly, blocks
nothing: half a receipt, and a whole one later, are two.
"""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.heal import cups
from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import (
    ESCALATE,
    HEALTHY,
    NEEDED,
    Action,
    Diagnosis,
    Evidence,
    Finding,
    Step,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.installed_unit import (
    brought_up,
    judged,
    must,
    unit_of,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

_LONGEST = 30.0  # seconds that a queue is watched, of those that a diagnosis may take

OPTIONS: dict[str, Any] = {
    "queue": {"type": "str", "required": True},
    "stuck_minutes": {"type": "float", "default": 10.0},
    "settle_seconds": {"type": "float", "default": 15.0},
}


class Printing(Action):
    """Get a queue going again."""

    name = "printing"
    judges_ages = True

    def facts(self, host: Host, options: dict[str, Any]) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "now": time.time(), "unit": unit_of(host, cups.UNITS), "answers": False, "queue": None,
            "jobs": [], "reached": None, "moves": None,
        }  # fmt: skip
        if facts["unit"]["load"] == "loaded":
            facts["answers"] = cups.answers(host)
        if facts["answers"]:
            facts["queue"] = cups.queue(host, options["queue"])
            facts["jobs"] = cups.jobs(host, options["queue"])
        queue = facts["queue"]
        if queue is None:
            return facts
        if queue["enabled"] and stuck(facts, float(options["stuck_minutes"])):
            facts["moves"] = _moves(host, options)
        # Who prints holds the only connection that many printers take; then it is reached.
        if not queue["printing"]:
            facts["reached"] = cups.reached(queue["device"])
        return facts

    def evidence(
        self, host: Host, facts: dict[str, Any], options: dict[str, Any]
    ) -> tuple[Evidence, ...]:
        unit = facts["unit"]["name"]
        log = host.run(["journalctl", "-u", unit, "-n", "50", "--no-pager"], 20.0).out
        listed = [
            "{id}\t{user}\t{bytes} bytes\theld: {held}\n".format(**one) for one in facts["jobs"]
        ]
        found = [Evidence("jobs", "".join(listed) or "none\n"), Evidence("journal of " + unit, log)]
        errors = host.run(["tail", "-n", "50", "/var/log/cups/error_log"], 20.0)
        if errors.code == 0:
            found.append(Evidence("CUPS error_log", errors.out))
        return tuple(found)

    def diagnose(self, facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
        if not facts["answers"]:
            return judged(facts["unit"], "CUPS")
        return _queue(facts, options)

    def act(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> list[Step]:
        if diagnosis.plan.get("do"):
            return [] if cups.answers(host) else [brought_up(host, diagnosis.plan)]
        done, name = [], options["queue"]
        if diagnosis.plan.get("enable") and _stopped_itself(host, name):
            must(host, ["cupsenable", name])
            done.append(Step("{0} prints again".format(name), "{0} 已重新启用".format(name)))
        blocking = diagnosis.plan.get("hold")
        if blocking and _still_blocks(host, diagnosis, options):
            done += _held(host, name, blocking)
        return done

    def verify(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> Finding:
        facts = self.facts(host, options)
        seen = self.diagnose(facts, options)
        held = [one["id"] for one in cups.jobs(host, options["queue"]) if one["held"]]
        more = (
            "; held, none deleted: " + ", ".join(held),
            "；已挂起（未删除）：" + "、".join(held),
        )
        en, zh = more if held else ("", "")
        well = seen.state == HEALTHY or bool(facts["moves"])
        return Finding(well, seen.reason + en, seen.reason_zh + zh)


def stuck(facts: dict[str, Any], minutes: float) -> list[dict[str, Any]]:
    """Jobs that wait for longer than they may, the oldest first; held ones wait for a person."""
    before = facts["now"] - 60.0 * minutes
    return [one for one in facts["jobs"] if not one["held"] and one["at"] <= before]


def _queue(facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
    name, queue = options["queue"], facts["queue"]
    if queue is None:
        return Diagnosis(
            ESCALATE, "there is no queue {0}".format(name), "没有打印队列 {0}".format(name)
        )
    old = stuck(facts, float(options["stuck_minutes"]))
    wrong = _wrong(queue, old)
    if not wrong:
        return Diagnosis(
            HEALTHY,
            "{0} prints, {1} jobs wait".format(name, len(facts["jobs"])),
            "{0} 正常，{1} 个任务等待".format(name, len(facts["jobs"])),
        )
    en = "{0}: {1}".format(name, ", ".join(one for one, _zh in wrong))
    zh = "{0}：{1}".format(name, "、".join(zh for _en, zh in wrong))
    if facts["reached"] is False:
        return Diagnosis(
            ESCALATE,
            "{0}; its printer {1} does not answer".format(en, queue["device"]),
            "{0}；打印机 {1} 无响应".format(zh, queue["device"]),
        )
    no = _for_people(facts)
    if no is not None:
        return Diagnosis(ESCALATE, en + "; " + no[0], zh + "；" + no[1])
    first = next((one["id"] for one in facts["jobs"] if not one["held"]), None)
    plan = {
        "queue": name,
        "enable": not queue["enabled"],
        "hold": first,
        "stuck": bool(old) and queue["enabled"],
    }
    return Diagnosis(NEEDED, en, zh, plan)


def _for_people(facts: dict[str, Any]) -> tuple[str, str] | None:
    """Why a queue that does not print is left alone, in both languages."""
    queue = facts["queue"]
    if not queue["accepting"]:
        # CUPS never does that by itself.
        return "somebody had it take no jobs", "是有人让它停止接受任务的"
    if not queue["enabled"] and not queue["broke"]:
        why = queue["why"] or "no reason given"
        return (
            "somebody may have stopped it ({0})".format(why),
            "可能是有人停止了它（{0}）".format(why),
        )
    if facts["moves"]:
        return "the first job moves, slowly", "首个任务仍在缓慢打印"
    return None


def _moves(host: Host, options: dict[str, Any]) -> bool:
    """Whether anything about the queue's first job changes within the time to settle."""
    end = time.monotonic() + min(float(options["settle_seconds"]), _LONGEST)
    first = _pulse(host, options["queue"])
    while time.monotonic() < end:
        time.sleep(0.5)
        if _pulse(host, options["queue"]) != first:
            return True
    return False


def _pulse(host: Host, name: str) -> tuple[str, str, str]:
    seen = cups.queue(host, name)
    waiting = [one["id"] for one in cups.jobs(host, name) if not one["held"]]
    return waiting[0] if waiting else "", seen["said"] if seen else "", cups.pulse(host)


def _stopped_itself(host: Host, name: str) -> bool:
    """Whether the queue is still stopped, and still not by a person."""
    seen = cups.queue(host, name)
    return seen is not None and not seen["enabled"] and bool(seen["broke"])


def _wrong(queue: dict[str, Any], old: list[dict[str, Any]]) -> list[tuple[str, str]]:
    found = []
    if not queue["enabled"]:
        found.append(("the queue is stopped", "队列已停止"))
    if not queue["accepting"]:
        found.append(("the queue takes no jobs", "队列不接受任务"))
    if old:
        found.append((
            "{0} jobs do not move, the first is {1}".format(len(old), old[0]["id"]),
            "{0} 个任务停滞，首个为 {1}".format(len(old), old[0]["id"]),
        ))  # fmt: skip
    return found


def _still_blocks(host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> bool:
    """Whether the first job is to be held. One that was stuck is watched again, for it may have
    begun to move; a queue that was stopped is given time to print it first, and it blocks when the
    queue stops again over it."""
    name, first = options["queue"], diagnosis.plan["hold"]
    if diagnosis.plan["stuck"]:
        return not _moves(host, options) and _is_first(host, name, first)
    end = time.monotonic() + float(options["settle_seconds"])
    while True:
        if not _is_first(host, name, first):
            return False
        if _stopped_itself(host, name):
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.5)


def _is_first(host: Host, name: str, job: str) -> bool:
    waiting = [one["id"] for one in cups.jobs(host, name) if not one["held"]]
    return bool(waiting) and waiting[0] == job


def _held(host: Host, name: str, job: str) -> list[Step]:
    must(host, ["lp", "-i", job, "-H", "hold"])
    # A person may have stopped the queue in the meantime.
    if _stopped_itself(host, name):
        must(host, ["cupsenable", name])
    return [
        Step(
            "{0} blocked the queue and is held, not deleted".format(job),
            "{0} 阻塞队列，已挂起，未删除".format(job),
        )
    ]


ACTION = Printing()
