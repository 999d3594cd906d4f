# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``nginx``: a server behind it is down, or nginx itself failed.

A server on this host whose unit failed gets it restarted; one that runs and is silent only when the
site has said how to see that nobody uses it. Otherwise, and elsewhere, a dead server is taken out
of its upstream, so that customers no longer wait for it, but only while another one answers, and
only in the file that the site declared; when it answers again it is put back. A configuration that
nginx does not take is for people: nothing of it is guessed.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.request
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
from ansible_collections.storewarden.ops.plugins.module_utils.heal.host_files import (
    digest,
    journal,
    must,
    put,
    text_of,
    unchanged,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.nginx_backend import (
    MINUTES,
    MOST,
    left_alone,
    probe,
    seen,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.systemd_units import (
    restart,
    unit_facts,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.unit_rules import (
    No,
    kept_down,
    looping,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.upstream_servers import (
    lines_in,
    put_back,
    servers_in,
    taken_out,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

OPTIONS: dict[str, Any] = {
    "units": {"type": "dict", "default": {}},
    "includes": {"type": "dict", "default": {}},
    "paths": {"type": "dict", "default": {}},
    "url": {"type": "str", "default": ""},
    "seconds": {"type": "float", "default": 3.0},
    "rounds": {"type": "int", "default": 3},
    "busy_checks": {"type": "dict", "default": {}},
}

UNIT = "nginx.service"
_NOT_DECLARED = "it is in no file that was declared"
_DIRECT = "a proxy_pass names it itself, so there is no upstream to take it out of"
_STARTING = 90.0
_TESTING = 30.0
_RECOVERY, _RESTART = "service-recovery", "service-restart"  # operation classes
_WRONG = re.compile(r"\[emerg\].*")


class Nginx(Action):
    name = "nginx"

    def facts(self, host: Host, options: dict[str, Any]) -> dict[str, Any]:
        if not host.has("nginx"):
            return {"problem": "nginx is not installed"}
        tested = host.run(["nginx", "-T", "-q"], _TESTING)
        if tested.code != 0:
            wrong = _WRONG.search(tested.err)
            return {"problem": wrong.group(0) if wrong else tested.last}
        try:
            servers = servers_in(tested.out)
        except ProbeError as error:
            return {"problem": str(error)}
        return {
            "nginx": unit_facts(host, UNIT, MINUTES),
            "servers": seen(host, servers, options),
            "files": {path: _file(host, path) for path in _files(options)},
        }

    def evidence(
        self, host: Host, facts: dict[str, Any], _options: dict[str, Any]
    ) -> tuple[Evidence, ...]:
        row = "{upstream} {address}: answers {answers}, down {down}, {unit} {state}"
        lines = [row.format(**one) for one in facts.get("servers", [])]
        units = {one["unit"] for one in facts.get("servers", []) if one["unit"]}
        return (
            Evidence("servers", "\n".join([*lines, facts.get("problem", "")]) + "\n"),
            *(
                Evidence("journal of " + unit, journal(host, unit))
                for unit in (UNIT, *sorted(units))
            ),
        )

    def diagnose(self, facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
        if "problem" in facts:
            return Diagnosis(
                ESCALATE,
                "nginx does not take its configuration: {0}".format(facts["problem"]),
                "nginx 配置有误：{0}".format(facts["problem"]),
            )
        state = facts["nginx"]["active"]
        if state not in ("active", "reloading", "activating"):
            return _itself(facts["nginx"])
        return _judged(facts, options)

    def act(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> list[Step]:
        plan = diagnosis.plan
        if plan["start"]:
            host.run(["systemctl", "reset-failed", UNIT])
            must(host, ["systemctl", "start", UNIT], _STARTING)
            return [Step("started " + UNIT, "已启动 " + UNIT)]
        return _restart(host, plan, options) + _rewrite(host, plan, options)

    def verify(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> Finding:
        facts = self.facts(host, options)
        if "problem" in facts or facts["nginx"]["active"] != "active":
            return Finding(False, "nginx does not run", "nginx 未运行")
        wrong = _still_wrong(facts, diagnosis.plan)
        if wrong:
            return Finding(False, *wrong)
        if options["url"] and not _good_url(options["url"], options["seconds"]):
            return Finding(
                False,
                "{0} does not answer well".format(options["url"]),
                "{0} 应答异常".format(options["url"]),
            )
        return Finding(
            True,
            "nginx runs, and what was down is up or out",
            "nginx 运行正常，故障后端已恢复或移出",
        )


# -- looking -------------------------------------------------------------------------------------


def _files(options: dict[str, Any]) -> list[str]:
    return sorted({str(path) for path in options["includes"].values()})


def _file(host: Host, path: str) -> dict[str, Any]:
    text = text_of(host, path)
    return {"digest": digest(text), "lines": lines_in(text or "")}


def _good_url(url: str, seconds: float) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:
            return bool(answer.status < 400)
    except (OSError, ValueError, urllib.error.URLError):
        return False


# -- judgements ----------------------------------------------------------------------------------


def _itself(unit: dict[str, Any]) -> Diagnosis:
    no = kept_down(unit)
    if no is None and unit["active"] != "failed":
        return Diagnosis(
            ESCALATE,
            "{0} is {1}: somebody stopped it".format(UNIT, unit["active"]),
            "{0} 状态为 {1}：被人停止".format(UNIT, unit["active"]),
        )
    no = no or looping(unit, MOST, MINUTES)
    if no is not None:
        return no.diagnosis()
    return Diagnosis(
        NEEDED,
        "{0} failed, and its configuration is good".format(UNIT),
        "{0} 已失败，配置检查通过".format(UNIT),
        plan={"start": True, "operation": _RECOVERY, "restart": [], "out": [], "in": []},
    )


def _judged(facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
    plan: dict[str, Any] = {"start": False, "operation": _RECOVERY}
    plan.update({"restart": [], "out": [], "in": []})
    people: list[str] = []
    for one in facts["servers"]:
        if one["down"]:
            if one["answers"] and _line_state(facts, options, one) == "out":
                plan["in"].append(_named(facts, options, one))
        elif not one["answers"]:
            _sort(facts, options, one, plan, people)
    return _told(facts, plan, people)


def _sort(
    facts: dict[str, Any],
    options: dict[str, Any],
    one: dict[str, Any],
    plan: dict[str, Any],
    people: list[str],
) -> None:
    """Whose affair a dead server is."""
    name = "{0} ({1})".format(one["address"], one["upstream"])
    no = left_alone(one) if one["unit"] else None
    if one["unit"] and no is None:
        plan["restart"].append({"unit": one["unit"], **_named(facts, options, one)})
        if one["state"] == "active":
            plan["operation"] = _RESTART
    elif no is not None and one["state"] != "active":
        people.append("{0}: {1}".format(name, no.en))
    elif one.get("direct"):
        people.append("{0}: {1}".format(one["address"], no.en if no else _DIRECT))
    elif _line_state(facts, options, one) != "in":
        people.append("{0}: {1}".format(name, no.en if no else _NOT_DECLARED))
    elif not _others(facts, one):
        why = no.en + ", and no" if no else "no"
        people.append("{0}: {1} other server of its upstream answers".format(name, why))
    else:
        plan["out"].append(_named(facts, options, one))


def _path(options: dict[str, Any], one: dict[str, Any]) -> str:
    return str(options["includes"].get(one["upstream"], ""))


def _line_state(facts: dict[str, Any], options: dict[str, Any], one: dict[str, Any]) -> str:
    file = facts["files"].get(_path(options, one)) or {"lines": {}}
    return str(file["lines"].get(one["address"], ""))


def _others(facts: dict[str, Any], one: dict[str, Any]) -> list[str]:
    return [
        other["address"]
        for other in facts["servers"]
        if other["upstream"] == one["upstream"]
        and other["address"] != one["address"]
        and other["answers"]
        and not other["down"]
    ]


def _named(facts: dict[str, Any], options: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    path = _path(options, one)
    before = (facts["files"].get(path) or {"digest": ""})["digest"]
    return {
        "upstream": one["upstream"],
        "address": one["address"],
        "file": path,
        "before": before,
        "others": _others(facts, one),
        **({"tls": True} if one.get("tls") else {}),
    }


def _told(facts: dict[str, Any], plan: dict[str, Any], people: list[str]) -> Diagnosis:
    said = [
        *("{0} is down, its unit is {1}".format(o["address"], o["unit"]) for o in plan["restart"]),
        *("{0} is down, {1} answers".format(o["address"], o["others"][0]) for o in plan["out"]),
        *("{0} was taken out and answers again".format(o["address"]) for o in plan["in"]),
    ]
    said_zh = [
        *("{0} 不可用，服务单元 {1}".format(o["address"], o["unit"]) for o in plan["restart"]),
        *("{0} 不可用，{1} 可用".format(o["address"], o["others"][0]) for o in plan["out"]),
        *("{0} 曾被移出，现已恢复".format(o["address"]) for o in plan["in"]),
    ]
    if said:
        rest = ["for people: " + one for one in people]
        rest_zh = ["需人工处理：" + one for one in people]
        return Diagnosis(
            NEEDED,
            "; ".join(said + rest),
            "；".join(said_zh + rest_zh),
            plan=plan,
            capture=_capture(plan),
        )
    if people:
        return Diagnosis(ESCALATE, "; ".join(people), "需人工处理：" + "；".join(people))
    count = len(facts["servers"])
    return Diagnosis(
        HEALTHY,
        "nginx runs, and all {0} servers behind it answer or are meant to be down".format(count),
        "nginx 运行正常，{0} 个后端均可用或按计划停用".format(count),
    )


def _capture(plan: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    files = sorted({one["file"] for one in (*plan["out"], *plan["in"])})
    if not files:
        return ()
    return (
        *({"kind": "file", "path": path} for path in files),
        {"kind": "unit", "name": UNIT, "after_restore": "reload"},
    )


def _still_wrong(facts: dict[str, Any], plan: dict[str, Any]) -> tuple[str, str] | None:
    """Of what the plan named; the rest of the estate is another repair's affair."""
    seen = {(one["upstream"], one["address"]): one for one in facts["servers"]}
    for one in (*plan["restart"], *plan["in"]):
        found = seen.get((one["upstream"], one["address"]))
        if found is None or found["down"] or not found["answers"]:
            return one["address"] + " does not answer", one["address"] + " 无应答"
    for one in plan["out"]:
        found = seen.get((one["upstream"], one["address"]))
        if found is not None and not found["down"]:
            return one["address"] + " is still in use", one["address"] + " 仍在使用"
    return None


# -- repairs -------------------------------------------------------------------------------------


def _restart(host: Host, plan: dict[str, Any], options: dict[str, Any]) -> list[Step]:
    """Each unit is looked at again: one that was failed may run, and be in use, by now."""
    steps = []
    for unit in dict.fromkeys(one["unit"] for one in plan["restart"]):
        now = seen(host, [one for one in plan["restart"] if one["unit"] == unit], options)
        silent = [one for one in now if not one["answers"]]
        if not silent:
            continue
        no = left_alone(silent[0]) or _up_meanwhile(silent[0], plan)
        if no is not None:
            raise HealError(
                "not as diagnosed any more: {0}".format(no.en),
                "情况已与诊断时不同：{0}".format(no.zh),
            )
        restart(host, unit, True, _STARTING)
        steps.append(Step("restarted " + unit, "已重启 " + unit))
    return steps


def _up_meanwhile(one: dict[str, Any], plan: dict[str, Any]) -> No | None:
    """Windows were asked about starting what is down: that is not what this would be."""
    if one["state"] != "active" or plan["operation"] == _RESTART:
        return None
    return No("{0} runs".format(one["unit"]), "{0} 已在运行".format(one["unit"]))


def _rewrite(host: Host, plan: dict[str, Any], options: dict[str, Any]) -> list[Step]:
    steps: list[Step] = []
    files = {one["file"]: one["before"] for one in (*plan["out"], *plan["in"])}
    texts = {}
    for path, before in files.items():
        unchanged(host, path, before)
        texts[path] = text_of(host, path) or ""
    for one in plan["out"]:
        others = [dict(one, address=other) for other in one["others"]]
        if probe(host, one, options) or not any(probe(host, o, options) for o in others):
            continue
        texts[one["file"]] = taken_out(texts[one["file"]], one["address"])
        steps.append(
            Step(
                "took {address} out of {upstream}".format(**one),
                "已将 {address} 移出 {upstream}".format(**one),
            )
        )
    for one in plan["in"]:
        if probe(host, one, options):
            texts[one["file"]] = put_back(texts[one["file"]], one["address"])
            steps.append(
                Step(
                    "put {address} back into {upstream}".format(**one),
                    "已将 {address} 放回 {upstream}".format(**one),
                )
            )
    if steps:
        _taken_up(host, texts)
    return steps


def _taken_up(host: Host, texts: dict[str, str]) -> None:
    """The restore point puts the files back if nginx does not take them; nothing is reloaded."""
    for path, text in texts.items():
        put(host, path, text)
    tested = host.run(["nginx", "-t", "-q"], _TESTING)
    if tested.code != 0:
        raise HealError(
            "nginx does not take the change: {0}".format(tested.last),
            "nginx 不接受此修改：{0}".format(tested.last),
        )
    must(host, ["systemctl", "reload", UNIT], _STARTING)


ACTION = Nginx()
