# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A clock that drifted: chronyd is started, or told to step the clock where that does no harm.

Receipts carry times. A clock that goes back gives two sales the same minute, or a later one an
earlier time, so a step backwards is small, or waits until the store is closed or somebody said yes.
Starting chronyd is such a step as well, where its configuration has it step at its start: so the
time servers are asked first by how much the clock is wrong.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.heal import chrony
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
from ansible_collections.storewarden.ops.plugins.module_utils.heal.installed_unit import (
    ABSENT,
    brought_up,
    judged,
    must,
    unit_of,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.sntp import ahead_of
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

_OTHERS = ("systemd-timesyncd.service", "ntp.service", "ntpsec.service", "openntpd.service")

_ASKED = 4  # time servers that are asked before a start
_ANSWERING = 3.0

OPTIONS: dict[str, Any] = {
    "max_offset": {"type": "float", "default": 0.5},
    "step": {"type": "bool", "default": False},
    "most_step": {"type": "float", "default": 3600.0},
    "most_back": {"type": "float", "default": 1.0},
    "open": {"type": "bool", "default": True},
    "approved": {"type": "bool", "default": False},
}


class Time(Action):
    """Bring the clock back to the time of the site's servers."""

    name = "time"

    def facts(self, host: Host, options: dict[str, Any]) -> dict[str, Any]:
        unit = unit_of(host, chrony.UNITS)
        facts: dict[str, Any] = {"unit": unit, "tracking": None, "sources": [], "others": []}
        facts["start"] = None
        if unit["load"] == ABSENT:
            facts["others"] = [
                one for one in _OTHERS
                if host.run(["systemctl", "is-active", "--quiet", one], 20.0).code == 0
            ]  # fmt: skip
        elif unit["active"] == "active":
            facts["tracking"] = chrony.tracking(host)
            facts["sources"] = chrony.sources(host)
        if unit["load"] != ABSENT and facts["tracking"] is None:
            facts["start"] = _start(host)
        return facts

    def evidence(
        self, host: Host, facts: dict[str, Any], options: dict[str, Any]
    ) -> tuple[Evidence, ...]:
        unit = facts["unit"]["name"]
        return (
            Evidence("chronyc tracking", host.run(["chronyc", "-n", "tracking"], 15.0).out),
            Evidence("chronyc sources", host.run(["chronyc", "-n", "sources"], 15.0).out),
            Evidence(
                "journal of " + unit,
                host.run(["journalctl", "-u", unit, "-n", "50", "--no-pager"], 20.0).out,
            ),
        )

    def diagnose(self, facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
        if facts["tracking"] is None:
            return _daemon(facts, options)
        return _clock(facts, options)

    def act(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> list[Step]:
        if diagnosis.plan["do"] == "step":
            return self._step(host, options)
        if chrony.tracking(host) is not None:
            return []
        now = self.diagnose(self.facts(host, options), options)
        if now.state != NEEDED or now.plan["do"] == "step":
            raise HealError(now.reason, now.reason_zh)
        return [brought_up(host, now.plan)]

    def _step(self, host: Host, options: dict[str, Any]) -> list[Step]:
        """Look again first: the offset that is stepped is the one of now."""
        now = self.diagnose(self.facts(host, options), options)
        if now.state == HEALTHY:
            return []
        if now.state != NEEDED or now.plan["do"] != "step":
            raise HealError(now.reason, now.reason_zh)
        must(host, ["chronyc", "makestep"])
        ahead = now.plan["ahead"]
        return [
            Step(
                "the clock was stepped by {0:+.3f} s".format(-ahead),
                "时钟已步进 {0:+.3f} 秒".format(-ahead),
            )
        ]

    def verify(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> Finding:
        seen = self.diagnose(self.facts(host, options), options)
        return Finding(seen.state == HEALTHY, seen.reason, seen.reason_zh)


def _start(host: Host) -> dict[str, Any]:
    """What a start of chronyd would do to the clock: ``steps_from`` as its configuration has it,
    and ``ahead`` as the time servers have it (the middle one; None when none answers)."""
    told = chrony.at_start(host)
    found: dict[str, Any] = {"steps_from": told["steps_from"], "ahead": None}
    servers = told["servers"][:_ASKED]
    if told["steps_from"] is None or not servers:
        return found
    with ThreadPoolExecutor(max_workers=len(servers)) as pool:
        said = list(pool.map(lambda one: ahead_of(one[0], _ANSWERING, one[1]), servers))
    known = sorted(one for one in said if one is not None)
    return dict(found, ahead=known[len(known) // 2] if known else None)


def _daemon(facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
    """What to do about a chronyd that does not answer."""
    found = judged(facts["unit"], "chrony")
    if found.state == NEEDED:
        no = _no_start(facts["start"], options)
        if no is not None:
            return Diagnosis(
                ESCALATE,
                "{0}, but {1}".format(found.reason, no[0]),
                "{0}；但{1}".format(found.reason_zh, no[1]),
            )
    others = ", ".join(facts["others"])
    if not others:
        return found
    return Diagnosis(
        found.state,
        "{0}; {1} runs".format(found.reason, others),
        "{0}；运行的是 {1}".format(found.reason_zh, others),
    )


def _no_start(start: dict[str, Any], options: dict[str, Any]) -> tuple[str, str] | None:
    """Why chronyd must not be started by itself: what it would do to the clock at once."""
    if start["steps_from"] is None:
        return None  # it slews
    if start["ahead"] is None:
        if options["step"] and (not options["open"] or options["approved"]):
            return None
        return (
            "it steps the clock at its start, and no time server says by how much it is wrong",
            "其启动时会步进时钟，而没有时间服务器可说明偏差",
        )
    ahead = float(start["ahead"])
    if abs(ahead) <= float(start["steps_from"]):
        return None
    no = _no_step(ahead, options)
    if no is None:
        return None
    return (
        "that would step the clock by {0:+.3f} s at once: {1}".format(-ahead, no[0]),
        "启动会立即步进时钟 {0:+.3f} 秒：{1}".format(-ahead, no[1]),
    )


def _clock(facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
    no_source = _no_source(facts)
    if no_source is not None:
        return Diagnosis(ESCALATE, *no_source)
    ahead = float(facts["tracking"]["ahead"])
    way = ("ahead of", "快") if ahead > 0 else ("behind", "慢")
    en = "the clock is {0:.3f} s {1} {2}".format(abs(ahead), way[0], facts["tracking"]["reference"])
    zh = "时钟比 {2} {1} {0:.3f} 秒".format(abs(ahead), way[1], facts["tracking"]["reference"])
    if abs(ahead) <= float(options["max_offset"]):
        return Diagnosis(HEALTHY, en, zh)
    no = _no_step(ahead, options)
    if no is not None:
        return Diagnosis(ESCALATE, "{0}; {1}".format(en, no[0]), "{0}；{1}".format(zh, no[1]))
    return Diagnosis(NEEDED, en, zh, {"do": "step", "unit": facts["unit"]["name"], "ahead": ahead})


def _no_source(facts: dict[str, Any]) -> tuple[str, str] | None:
    """Why nobody knows what time it is."""
    sources = facts["sources"]
    if not sources:
        return "chrony has no time server at all", "chrony 未配置任何时间服务器"
    names = ", ".join(one["name"] for one in sources)
    if not any(one["reached"] for one in sources):
        return (
            "no time server answers: {0}".format(names),
            "时间服务器均无响应：{0}".format(names),
        )
    if not any(one["state"] == chrony.SELECTED for one in sources):
        return (
            "chrony follows none of its time servers: {0}".format(names),
            "chrony 未采用任何时间服务器：{0}".format(names),
        )
    return None


def _no_step(ahead: float, options: dict[str, Any]) -> tuple[str, str] | None:
    """Why this clock is not to be stepped by itself."""
    if not options["step"]:
        return "stepping is not allowed here, chrony slews it", "此处不允许步进，由 chrony 渐进调整"
    most = float(options["most_step"])
    if abs(ahead) > most:
        return (
            "more than {0:g} s are a person's work".format(most),
            "超过 {0:g} 秒须由人处理".format(most),
        )
    back = float(options["most_back"])
    if ahead > back and options["open"] and not options["approved"]:
        return (
            "it would go back by more than {0:g} s while the store is open".format(back),
            "营业期间不得回拨超过 {0:g} 秒".format(back),
        )
    return None


ACTION = Time()
