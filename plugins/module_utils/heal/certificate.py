# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``certificate``: one that has expired, or soon will, is renewed by the site's own hook.

How a certificate is renewed is the site's affair; the hook is a program of root's in one folder
of the host, so that nobody who can name it in an option can also write it. What it leaves must be
whole before any service is told of it: the key fits, the chain leads to the given authority, the
names are the same, and it is good for longer than the old one.
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
from ansible_collections.storewarden.ops.plugins.module_utils.heal.certificate_hook import (
    FOLDER,
    hook_problem,
    run_hook,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.host_files import must
from ansible_collections.storewarden.ops.plugins.module_utils.heal.systemd_units import (
    full_name,
    shown,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.unit_rules import not_allowed
from ansible_collections.storewarden.ops.plugins.module_utils.heal.x509_facts import (
    chain_problem,
    key_fits,
    of_file,
    of_server,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

OPTIONS: dict[str, Any] = {
    "certificate": {"type": "path", "required": True},
    "key": {"type": "path", "required": True},
    "ca": {"type": "path", "default": ""},
    "hook": {"type": "str", "default": ""},
    "days": {"type": "float", "default": 21.0},
    "units": {"type": "list", "elements": "str", "default": []},
    "address": {"type": "str", "default": "127.0.0.1"},
    "port": {"type": "int", "default": 0},
    "server_name": {"type": "str", "default": ""},
    "hook_files": {"type": "list", "elements": "path", "default": []},
    "hook_seconds": {"type": "float", "default": 120.0},
}

_DAY = 86400.0
_TLS_SECONDS = 10.0
_RELOADING = 90.0
_ACT = 300.0  # timing.act: the hook, and then the services, have to fit into it
_SERVICES = 60.0
_SHARE = 3.0  # of its own life is left when a short-lived certificate is renewed


class Certificate(Action):
    name = "certificate"

    def facts(self, host: Host, options: dict[str, Any]) -> dict[str, Any]:
        if options["hook_seconds"] > _ACT - _SERVICES:
            raise HealError(
                "hook_seconds: {0:g} s are the most".format(_ACT - _SERVICES),
                "hook_seconds：最多 {0:g} 秒".format(_ACT - _SERVICES),
            )
        return {
            "now": time.time(),
            "file": of_file(host, options["certificate"]),
            "live": _live(host, options) if options["port"] else None,
            "hook": hook_problem(host, options["hook"]) if options["hook"] else "no hook is named",
            "paths": _paths(host, options),
            "units": _units(host, options["units"]),
        }

    def evidence(
        self, host: Host, facts: dict[str, Any], options: dict[str, Any]
    ) -> tuple[Evidence, ...]:
        """Certificates are public; their keys never come near this."""
        words = ["openssl", "x509", "-in", host.at(options["certificate"]), "-noout", "-text"]
        shown = "nothing was asked" if facts["live"] is None else str(facts["live"])
        return (
            Evidence(options["certificate"], host.run(words, 15.0).out or "cannot be read\n"),
            Evidence("what the server shows", shown + "\n"),
        )

    def diagnose(self, facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
        own = facts["file"]
        if "error" in own:
            return Diagnosis(
                ESCALATE,
                "{0}: {1}".format(options["certificate"], own["error"]),
                "{0}：{1}".format(options["certificate"], own["error"]),
            )
        no = _refused(facts["units"])
        if no is not None:
            return no
        if _is_due(own, facts["now"], options):
            return _renew(facts, options)
        live = facts["live"]
        if live is not None and live.get("fingerprint") != own["fingerprint"]:
            return _server_is_behind(facts, options)
        days, days_zh = _left(own, facts["now"])
        path = options["certificate"]
        return Diagnosis(
            HEALTHY, "{0} is good: {1}".format(path, days), "{0} 有效：{1}".format(path, days_zh)
        )

    def act(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> list[Step]:
        steps = []
        if diagnosis.plan["renew"]:
            steps += _renewed(host, diagnosis.plan, options)
        return steps + _told(host, diagnosis.plan)

    def verify(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> Finding:
        """Whether what was planned has come about; a unit that was down before is another
        repair's affair, and one that waits for its restart goes on showing the old one."""
        plan, facts = diagnosis.plan, self.facts(host, options)
        for unit in facts["units"]:
            if unit["name"] in plan["units"] and unit["active"] not in ("active", "reloading"):
                return Finding(False, unit["name"] + " does not run", unit["name"] + " 未运行")
        own, path = facts["file"], options["certificate"]
        wrong = own.get("error") or (_worse(own, plan) if plan["renew"] else "")
        if wrong:
            return Finding(
                False, "{0}: {1}".format(path, wrong), "{0} 不可用：{1}".format(path, wrong)
            )
        live = facts["live"]
        if live is not None and plan["units"] and not plan["later"]:
            if live.get("fingerprint") != own["fingerprint"]:
                where = "{0}:{1}".format(options["address"], options["port"])
                said = live.get("error") or "it still shows another certificate"
                return Finding(
                    False, "{0}: {1}".format(where, said), "{0} 尚未使用新证书".format(where)
                )
        left, left_zh = _left(own, facts["now"])
        later, later_zh = _waiting(plan["later"])
        return Finding(
            True,
            "{0} is good: {1}{2}".format(path, left, later),
            "{0} 有效：{1}{2}".format(path, left_zh, later_zh),
        )


def _units(host: Host, names: list[str]) -> list[dict[str, Any]]:
    """Of each unit its names, whether it runs, and whether it can reload."""
    keys = ("name", "names", "load", "active", "reloads")
    asked = [full_name(one) for one in names]
    # By the name that the site gave it, which may be an alias.
    return [
        dict({key: unit[key] for key in keys}, name=name)
        for name, unit in zip(asked, shown(host, asked))  # noqa: B905 - Python 3.9
    ]


def _live(host: Host, options: dict[str, Any]) -> dict[str, Any]:
    name = options["server_name"]
    return of_server(host, options["address"], options["port"], name, _TLS_SECONDS)


def _paths(host: Host, options: dict[str, Any]) -> list[str]:
    """What the hook may change: the files, and what they are links to (as certbot has them)."""
    named = [options["certificate"], options["key"], *options["hook_files"]]
    found = []
    for path in named:
        found.append(path)
        real = os.path.realpath(host.at(path))
        if real.startswith(host.root + "/"):
            found.append(real[len(host.root) :])
    return list(dict.fromkeys(found))


def _left(one: dict[str, Any], now: float) -> tuple[str, str]:
    days = (one["not_after"] - now) / _DAY
    if days < 0:
        return "expired {0:.0f} days ago".format(-days), "已过期 {0:.0f} 天".format(-days)
    if days < 2:
        hours = days * 24
        return "{0:.0f} hours left".format(hours), "剩余 {0:.0f} 小时".format(hours)
    return "{0:.0f} days left".format(days), "剩余 {0:.0f} 天".format(days)


# -- judgements ----------------------------------------------------------------------------------


def _is_due(own: dict[str, Any], now: float, options: dict[str, Any]) -> bool:
    """``days`` before its end; a certificate that lives for days only, in its last third: else it
    would be due again the moment it was renewed."""
    before = min(options["days"] * _DAY, (own["not_after"] - own["not_before"]) / _SHARE)
    return bool(own["not_after"] - now < before)


def _refused(units: list[dict[str, Any]]) -> Diagnosis | None:
    for unit in units:
        no = not_allowed(unit["name"], [], all_when_empty=True, aliases=unit["names"])
        if no is not None:
            return no.diagnosis()
    return None


def _turns(facts: dict[str, Any], ended: bool) -> dict[str, Any]:
    """Of the units that run: which are told now, and which take the certificate up ``later``, with
    their next restart. One that cannot reload loses what it is doing, so it is restarted only when
    what it shows has ``ended`` anyhow. One that is stopped stays stopped."""
    runs = [one for one in facts["units"] if one["active"] in ("active", "reloading")]
    told = [one["name"] for one in runs if one["reloads"] or ended]
    later = [one["name"] for one in runs if one["name"] not in told]
    restarts = any(not one["reloads"] for one in runs) and ended
    operation = "service-restart" if restarts else "service-recovery"
    return {"units": told, "later": later, "operation": operation}


def _waiting(later: list[str]) -> tuple[str, str]:
    if not later:
        return "", ""
    names = ", ".join(later)
    return (
        "; {0} cannot reload and takes it up with its next restart".format(names),
        "；{0} 不支持重新加载，将在下次重启时启用".format(names),
    )


def _captured(unit: dict[str, Any]) -> dict[str, Any]:
    again = "reload" if unit["reloads"] else "restart"
    return {"kind": "unit", "name": unit["name"], "after_restore": again}


def _renew(facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
    own, path = facts["file"], options["certificate"]
    left, left_zh = _left(own, facts["now"])
    if facts["hook"]:
        return Diagnosis(
            ESCALATE,
            "{0}: {1}, and it cannot be renewed: {2}".format(path, left, facts["hook"]),
            "{0}：{1}，且无法续期：{2}".format(path, left_zh, facts["hook"]),
        )
    turns = _turns(facts, own["not_after"] <= facts["now"])
    later, later_zh = _waiting(turns["later"])
    known = {key: own[key] for key in ("fingerprint", "not_after", "names")}
    return Diagnosis(
        NEEDED,
        "{0}: {1}; {2} can renew it{3}".format(path, left, options["hook"], later),
        "{0}：{1}；可由 {2} 续期{3}".format(path, left_zh, options["hook"], later_zh),
        plan={"renew": True, "hook": options["hook"], **known, **turns},
        capture=(
            *({"kind": "file", "path": one} for one in facts["paths"]),
            *(_captured(one) for one in facts["units"] if one["name"] in turns["units"]),
        ),
    )


def _server_is_behind(facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
    live = facts["live"]
    where = "{0}:{1}".format(options["address"], options["port"])
    if "error" in live:
        return Diagnosis(
            ESCALATE,
            "the certificate is good, but no server shows it: {0}".format(live["error"]),
            "证书有效，但服务端无法访问：{0}".format(live["error"]),
        )
    if not options["units"]:
        return Diagnosis(
            ESCALATE,
            "{0} shows another certificate than the file, and no unit is named".format(where),
            "{0} 使用的证书与文件不符，且未指定服务".format(where),
        )
    left, left_zh = _left(live, facts["now"])
    turns = _turns(facts, live["not_after"] <= facts["now"])
    if not turns["units"]:
        later, later_zh = _waiting(turns["later"])
        return Diagnosis(
            ESCALATE,
            "{0} still shows an older certificate ({1}){2}".format(
                where, left, later or "; none of its units runs"
            ),
            "{0} 仍在使用旧证书（{1}）{2}".format(where, left_zh, later_zh or "；其服务均未运行"),
        )
    return Diagnosis(
        NEEDED,
        "{0} still shows an older certificate ({1})".format(where, left),
        "{0} 仍在使用旧证书（{1}）".format(where, left_zh),
        plan={"renew": False, **turns},
    )


# -- repairs -------------------------------------------------------------------------------------


def _renewed(host: Host, plan: dict[str, Any], options: dict[str, Any]) -> list[Step]:
    problem = hook_problem(host, plan["hook"])
    if problem:
        raise HealError(problem, problem)
    if of_file(host, options["certificate"]).get("fingerprint") != plan["fingerprint"]:
        raise HealError(
            "{0} was changed since it was looked at".format(options["certificate"]),
            "{0} 在诊断之后被改动".format(options["certificate"]),
        )
    path = FOLDER + "/" + plan["hook"]
    code = run_hook(
        host, plan["hook"], [options["certificate"], options["key"]], options["hook_seconds"]
    )
    if code != 0:
        raise HealError(
            "{0} ended with status {1} (its words: journalctl -t storewarden-renew)".format(
                path, code
            ),
            "{0} 以状态 {1} 结束（输出见 journalctl -t storewarden-renew）".format(path, code),
        )
    new = _sound(host, plan, options)
    day = time.strftime("%Y-%m-%d", time.gmtime(new["not_after"]))
    return [
        Step(
            "{0} renewed {1}: good until {2}".format(plan["hook"], options["certificate"], day),
            "{0} 已续期 {1}：有效期至 {2}".format(plan["hook"], options["certificate"], day),
        )
    ]


def _sound(host: Host, plan: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """The new pair; HealError with what is wrong with it."""
    path = options["certificate"]
    new = of_file(host, path)
    wrong = new.get("error") or _worse(new, plan)
    if not wrong and not key_fits(host, path, options["key"]):
        wrong = "the key does not fit the certificate"
    if not wrong and options["ca"]:
        wrong = chain_problem(host, path, options["ca"])
    if wrong:
        raise HealError(
            "the renewed {0} cannot be used: {1}".format(path, wrong),
            "续期后的 {0} 不可用：{1}".format(path, wrong),
        )
    return new


def _worse(new: dict[str, Any], plan: dict[str, Any]) -> str:
    if new["fingerprint"] == plan["fingerprint"]:
        return "it is still the old one"
    if new["not_after"] <= plan["not_after"] or new["not_after"] <= time.time():
        return "it is not good for longer than the old one"
    lost = sorted(set(plan["names"]) - set(new["names"]))
    return "it is no longer for {0}".format(", ".join(lost)) if lost else ""


def _told(host: Host, plan: dict[str, Any]) -> list[Step]:
    """One that was stopped since stays stopped."""
    steps = []
    for unit in _units(host, plan["units"]):
        name = unit["name"]
        if unit["active"] == "active":
            verb = "reload" if unit["reloads"] else "restart"
            must(host, ["systemctl", verb, "--", name], _RELOADING)
            words = {"reload": ("reloaded ", "已重新加载 "), "restart": ("restarted ", "已重启 ")}
            steps.append(Step(*(one + name for one in words[verb])))
    return steps


ACTION = Certificate()
