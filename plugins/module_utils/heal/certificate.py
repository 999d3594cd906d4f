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
import re
import stat
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
from ansible_collections.storewarden.ops.plugins.module_utils.heal.host_files import (
    must,
    unit_state,
)
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

FOLDER = "/etc/storewarden/renew.d"
_DAY = 86400.0
_TLS_SECONDS = 10.0
_RELOADING = 90.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def hook_problem(host: Host, name: str) -> str:
    """Why the hook may not be run, or nothing. All folders above it count: who can write one of
    them can put another program in its place."""
    if not _NAME.fullmatch(name):
        return "{0!r} is no name of a hook".format(name)
    path = FOLDER + "/" + name
    place = path
    while place:
        problem = _loose(host, place)
        if problem:
            return problem
        place = place.rpartition("/")[0]
    found = os.lstat(host.at(path))
    if not stat.S_ISREG(found.st_mode) or not found.st_mode & stat.S_IXUSR:
        return "{0} is no program".format(path)
    return ""


def _loose(host: Host, path: str) -> str:
    try:
        found = os.lstat(host.at(path))
    except OSError as error:
        return "{0}: {1}".format(path, error.strerror)
    if stat.S_ISLNK(found.st_mode):
        return "{0} is a link".format(path)
    if found.st_uid != 0 or found.st_mode & 0o022:
        return "{0} is not root's alone to write".format(path)
    return ""


class Certificate(Action):
    name = "certificate"

    def facts(self, host: Host, options: dict[str, Any]) -> dict[str, Any]:
        return {
            "now": time.time(),
            "file": of_file(host, options["certificate"]),
            "live": _live(host, options) if options["port"] else None,
            "hook": hook_problem(host, options["hook"]) if options["hook"] else "no hook is named",
            "paths": _paths(host, options),
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
        if own["not_after"] - facts["now"] < options["days"] * _DAY:
            return _renew(facts, options)
        live = facts["live"]
        if live is not None and live.get("fingerprint") != own["fingerprint"]:
            return _server_is_behind(facts, options)
        days, days_zh = _left(own, facts)
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
        facts = self.facts(host, options)
        found = self.diagnose(facts, options)
        down = [
            unit
            for unit in diagnosis.plan["units"]
            if unit_state(host, unit)["active"] not in ("active", "reloading")
        ]
        if down:
            return Finding(False, down[0] + " does not run", down[0] + " 未运行")
        return Finding(found.state == HEALTHY, found.reason, found.reason_zh)


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


def _left(one: dict[str, Any], facts: dict[str, Any]) -> tuple[str, str]:
    days = (one["not_after"] - facts["now"]) / _DAY
    if days < 0:
        return "expired {0:.0f} days ago".format(-days), "已过期 {0:.0f} 天".format(-days)
    return "{0:.0f} days left".format(days), "剩余 {0:.0f} 天".format(days)


# -- judgements ----------------------------------------------------------------------------------


def _renew(facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
    own, path = facts["file"], options["certificate"]
    left, left_zh = _left(own, facts)
    if facts["hook"]:
        return Diagnosis(
            ESCALATE,
            "{0}: {1}, and it cannot be renewed: {2}".format(path, left, facts["hook"]),
            "{0}：{1}，且无法续期：{2}".format(path, left_zh, facts["hook"]),
        )
    return Diagnosis(
        NEEDED,
        "{0}: {1}; {2} can renew it".format(path, left, options["hook"]),
        "{0}：{1}；可由 {2} 续期".format(path, left_zh, options["hook"]),
        plan={
            "renew": True,
            "hook": options["hook"],
            "fingerprint": own["fingerprint"],
            "not_after": own["not_after"],
            "names": own["names"],
            "units": list(options["units"]),
        },
        capture=(
            *({"kind": "file", "path": one} for one in facts["paths"]),
            *({"kind": "unit", "name": one, "after_restore": "reload"} for one in options["units"]),
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
    left, left_zh = _left(live, facts)
    return Diagnosis(
        NEEDED,
        "{0} still shows an older certificate ({1})".format(where, left),
        "{0} 仍在使用旧证书（{1}）".format(where, left_zh),
        plan={"renew": False, "units": list(options["units"])},
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
    # What it says may hold what nobody should read: it stays in the host's own journal.
    logged = ["systemd-cat", "-t", "storewarden-renew"] if host.has("systemd-cat") else []
    done = host.run(
        [*logged, host.at(path), options["certificate"], options["key"]], options["hook_seconds"]
    )
    if done.code != 0:
        raise HealError(
            "{0} ended with status {1} (its words: journalctl -t storewarden-renew)".format(
                path, done.code
            ),
            "{0} 以状态 {1} 结束（输出见 journalctl -t storewarden-renew）".format(path, done.code),
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
    if new["not_after"] <= plan["not_after"] or new["not_after"] <= time.time():
        return "it is not good for longer than the old one"
    lost = sorted(set(plan["names"]) - set(new["names"]))
    return "it is no longer for {0}".format(", ".join(lost)) if lost else ""


def _told(host: Host, plan: dict[str, Any]) -> list[Step]:
    """One that is stopped stays stopped."""
    steps = []
    for unit in plan["units"]:
        if unit_state(host, unit)["active"] == "active":
            must(host, ["systemctl", "reload-or-restart", unit], _RELOADING)
            steps.append(Step("reloaded " + unit, "已重新加载 " + unit))
    return steps


ACTION = Certificate()
