# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``dns``: names are not resolved although a name server of the site would answer.

Each server is asked by ourselves, so that it is known which one is dead. Three things can then be
put right on the host: a resolv.conf that was emptied, overwritten, or begins with a dead server;
a systemd-resolved that failed or is stuck; one that was left without servers. What that was given
it gives back when its own are good again, for all names go to these servers meanwhile. A server
that the site did not declare never gets into a file, however well it answers.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
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
from ansible_collections.storewarden.ops.plugins.module_utils.heal.dns_query import (
    GOOD,
    NOBODY,
    SILENT,
    UNREACHABLE,
    ZH,
    ask,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.dns_settings import (
    DROP_IN,
    STUBS,
    own_servers,
    read_resolv,
    writer_of,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.host_files import (
    digest,
    journal,
    must,
    put,
    text_of,
    unchanged,
    unit_state,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

OPTIONS: dict[str, Any] = {
    "names": {"type": "list", "elements": "str", "required": True},
    "servers": {"type": "list", "elements": "str", "required": True},
    "search": {"type": "list", "elements": "str", "default": []},
    "seconds": {"type": "float", "default": 2.0},
    "tries": {"type": "int", "default": 2},
}

RESOLV = "/etc/resolv.conf"
UPLINKS = "/run/systemd/resolve/resolv.conf"
UNIT = "systemd-resolved.service"
_ITSELF = "127.0.0.1"  # where the C library asks when no server is named (resolv.conf(5))
_MOST_SERVERS = 3  # MAXNS: the C library reads no more
_STARTING = 60.0


class Dns(Action):
    name = "dns"

    def facts(self, host: Host, options: dict[str, Any]) -> dict[str, Any]:
        text, link = text_of(host, RESOLV), _link(host)
        resolv = read_resolv(text)
        asked = resolv["servers"][:_MOST_SERVERS] or [_ITSELF]
        uplinks = read_resolv(text_of(host, UPLINKS))["servers"]
        drop_in = text_of(host, DROP_IN)
        own = own_servers(host) if drop_in is not None else []
        servers = list(dict.fromkeys([*asked, *uplinks, *own, *options["servers"]]))
        return {
            "resolv": dict(resolv, link=link, digest=digest(text)),
            "writer": writer_of(text, link, resolv["servers"]),
            "resolved": unit_state(host, UNIT),
            "uplinks": uplinks,
            "drop_in": digest(drop_in),
            "own": own,
            "answers": answers(servers, options),
        }

    def evidence(
        self, host: Host, facts: dict[str, Any], _options: dict[str, Any]
    ) -> tuple[Evidence, ...]:
        told = [
            "{0} {1}: {2}".format(server, name, word)
            for server, said in facts["answers"].items()
            for name, word in said.items()
        ]
        pieces = [
            Evidence(RESOLV, text_of(host, RESOLV) or "nothing can be read there\n"),
            Evidence("name servers", "\n".join(told) + "\n"),
        ]
        if facts["writer"] == "resolved":
            pieces.append(Evidence("journal of " + UNIT, journal(host, UNIT)))
        return tuple(pieces)

    def diagnose(self, facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
        first = (facts["resolv"]["servers"] or [_ITSELF])[0]
        good = [one for one in options["servers"] if _good(facts, one)]
        if facts["resolv"]["servers"] and _good(facts, first):
            return _give_back(facts) or Diagnosis(
                HEALTHY,
                "{0} knows {1}".format(first, ", ".join(options["names"])),
                "{0} 能解析 {1}".format(first, "、".join(options["names"])),
            )
        if not good:
            return _nobody_answers(facts, options)
        if facts["writer"] == "file":
            return _rewrite(facts, options, good)
        if facts["writer"] == "resolved":
            return _resolved(facts, options, good)
        return Diagnosis(
            ESCALATE,
            "{0} belongs to {1}, which would overwrite a repair: its own settings have to be put "
            "right".format(RESOLV, facts["writer"]),
            "{0} 由 {1} 管理，修复会被覆盖：需更正其自身设置".format(RESOLV, facts["writer"]),
        )

    def act(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> list[Step]:
        plan = diagnosis.plan
        if plan["servers"] and not _answers_now(plan["servers"][0], options):
            raise HealError(
                "{0} does not answer any more".format(plan["servers"][0]),
                "{0} 已不再应答".format(plan["servers"][0]),
            )
        if plan["repair"] == "write":
            return _write(host, plan)
        if plan["repair"] == "uplinks":
            return _give_servers(host, plan)
        if plan["repair"] == "give back":
            return _taken_away(host, plan)
        return _wake(host, options)

    def verify(self, host: Host, _diagnosis: Diagnosis, options: dict[str, Any]) -> Finding:
        servers = read_resolv(text_of(host, RESOLV))["servers"]
        if not servers or not _answers_now(servers[0], options):
            first = servers[0] if servers else RESOLV
            return Finding(False, first + " does not answer", first + " 无应答")
        for name in options["names"]:
            # As every program asks: through the C library.
            done = host.run(["getent", "ahosts", name], 15.0)
            if done.code != 0:
                return Finding(
                    False,
                    "programs do not find {0}".format(name),
                    "程序仍无法解析 {0}".format(name),
                )
        names = ", ".join(options["names"])
        return Finding(
            True,
            "programs find {0} through {1}".format(names, servers[0]),
            "程序可经 {1} 解析 {0}".format(names, servers[0]),
        )


def answers(servers: list[str], options: dict[str, Any]) -> dict[str, dict[str, str]]:
    """What each server says to each name; all servers at once, for a dead one takes its time."""
    if not servers:
        return {}
    with ThreadPoolExecutor(max_workers=min(len(servers), 16)) as pool:
        said = list(pool.map(lambda one: _said_by(one, options), servers))
    return dict(zip(servers, said))  # noqa: B905 - Python 3.9


def _said_by(server: str, options: dict[str, Any]) -> dict[str, str]:
    said: dict[str, str] = {}
    for name in options["names"]:
        # A server that kept silent once is not waited for again.
        silent = SILENT in said.values()
        said[name] = SILENT if silent else ask(server, name, options["seconds"], options["tries"])
    return said


def _good(facts: dict[str, Any], server: str) -> bool:
    said = facts["answers"].get(server) or {}
    return bool(said) and all(word == GOOD for word in said.values())


def _answers_now(server: str, options: dict[str, Any]) -> bool:
    return all(word == GOOD for word in _said_by(server, options).values())


def _link(host: Host) -> str:
    path = host.at(RESOLV)
    return os.readlink(path) if os.path.islink(path) else ""


# -- judgements ----------------------------------------------------------------------------------


def _give_back(facts: dict[str, Any]) -> Diagnosis | None:
    """With our drop-in every name goes to the site's servers, those of tunnels as well."""
    own = facts["own"]
    if not facts["drop_in"] or facts["resolved"]["active"] != "active":
        return None
    if not own or not all(_good(facts, one) for one in own):
        return None
    return Diagnosis(
        NEEDED,
        "{0} was given servers, and its own ({1}) are good again".format(UNIT, ", ".join(own)),
        "{0} 曾被指定服务器，其自身的服务器（{1}）已恢复".format(UNIT, "、".join(own)),
        plan={"repair": "give back", "before": facts["drop_in"], "servers": []},
        capture=(
            {"kind": "file", "path": DROP_IN},
            {"kind": "unit", "name": UNIT, "after_restore": "restart"},
        ),
    )


def _nobody_answers(facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
    en, zh = [], []
    for server in options["servers"]:
        said = facts["answers"].get(server) or {}
        word = next((one for one in said.values() if one != GOOD), SILENT)
        en.append("{0} {1}".format(server, word))
        zh.append("{0} {1}".format(server, ZH[word]))
    return Diagnosis(
        ESCALATE,
        "none of the site's name servers answers: {0}".format("; ".join(en)),
        "本站点的域名服务器均不可用：{0}".format("；".join(zh)),
    )


def _rewrite(facts: dict[str, Any], options: dict[str, Any], good: list[str]) -> Diagnosis:
    dead = [one for one in options["servers"] if one not in good]
    resolv = facts["resolv"]
    why, why_zh = _wrong(facts)
    return Diagnosis(
        NEEDED,
        "{0} {1}; {2} answers".format(RESOLV, why, good[0]),
        "{0} {1}；{2} 可用".format(RESOLV, why_zh, good[0]),
        plan={
            "repair": "write",
            "before": resolv["digest"],
            "servers": [*good, *dead][:_MOST_SERVERS],
            "other": _settings(resolv["other"], options["search"]),
        },
        capture=({"kind": "file", "path": RESOLV},),
    )


def _wrong(facts: dict[str, Any]) -> tuple[str, str]:
    servers = facts["resolv"]["servers"]
    if not servers:
        return "names no server", "没有域名服务器"
    word = next((one for one in facts["answers"][servers[0]].values() if one != GOOD), SILENT)
    return (
        "begins with {0}, which {1}".format(servers[0], word),
        "首个服务器 {0} {1}".format(servers[0], ZH[word]),
    )


def _settings(other: list[str], search: list[str]) -> list[str]:
    """What stood there stays; the site's search list only where no other is left."""
    if search and not any(one.split()[0] in ("search", "domain") for one in other):
        return ["search " + " ".join(search), *other]
    return other


def _resolved(facts: dict[str, Any], options: dict[str, Any], good: list[str]) -> Diagnosis:
    unit = facts["resolved"]
    if unit["load"] in ("not-found", ""):
        return _rewrite(facts, options, good)
    if unit["load"] == "masked" or unit["active"] == "inactive":
        return Diagnosis(
            ESCALATE,
            "{0} leads to {1}, which somebody stopped or masked".format(RESOLV, UNIT),
            "{0} 指向 {1}，而该服务被人停止或屏蔽".format(RESOLV, UNIT),
        )
    servers = facts["resolv"]["servers"]
    stub = not servers or servers[0] in STUBS
    asks_good = stub and any(_good(facts, one) for one in facts["uplinks"])
    if unit["active"] == "failed" or asks_good:
        return Diagnosis(
            NEEDED,
            "{0} is {1} and does not resolve; {2} answers".format(UNIT, unit["active"], good[0]),
            "{0} 状态为 {1} 且无法解析；{2} 可用".format(UNIT, unit["active"], good[0]),
            plan={"repair": "resolved", "servers": good[:1]},
        )
    return Diagnosis(
        NEEDED,
        "{0} has no server that answers; {1} does".format(UNIT, good[0]),
        "{0} 没有可用的服务器；{1} 可用".format(UNIT, good[0]),
        plan={"repair": "uplinks", "before": facts["drop_in"], "servers": good},
        capture=(
            {"kind": "file", "path": DROP_IN},
            {"kind": "unit", "name": UNIT, "after_restore": "restart"},
        ),
    )


# -- repairs -------------------------------------------------------------------------------------


def _write(host: Host, plan: dict[str, Any]) -> list[Step]:
    unchanged(host, RESOLV, plan["before"])
    servers = plan["servers"]
    lines = ["# written by storewarden: the site's name servers, those that answer first"]
    lines += plan["other"] + ["nameserver " + one for one in servers]
    put(host, RESOLV, "\n".join(lines) + "\n")
    return [
        Step(
            "wrote {0} with {1}".format(RESOLV, ", ".join(servers)),
            "已写入 {0}：{1}".format(RESOLV, "、".join(servers)),
        )
    ]


def _give_servers(host: Host, plan: dict[str, Any]) -> list[Step]:
    unchanged(host, DROP_IN, plan["before"])
    servers = plan["servers"]
    # The empty line forgets the servers that other files give it.
    text = "# written by storewarden\n[Resolve]\nDNS=\nDNS={0}\nDomains=~.\n"
    put(host, DROP_IN, text.format(" ".join(servers)))
    _restart(host)
    return [
        Step(
            "gave {0} the servers {1}, and restarted it".format(UNIT, ", ".join(servers)),
            "已为 {0} 指定服务器 {1} 并重启".format(UNIT, "、".join(servers)),
        )
    ]


def _taken_away(host: Host, plan: dict[str, Any]) -> list[Step]:
    unchanged(host, DROP_IN, plan["before"])
    os.unlink(host.at(DROP_IN))
    _restart(host)
    return [
        Step(
            "gave {0} its own servers back".format(UNIT),
            "{0} 已恢复使用其自身的服务器".format(UNIT),
        )
    ]


def _wake(host: Host, options: dict[str, Any]) -> list[Step]:
    """What costs least first: a flush takes a cache that is wrong, a restart all the rest."""
    steps = []
    said = set(_said_by(STUBS[0], options).values())
    # One that says nothing at all would not hear that either.
    if not said & {SILENT, NOBODY, UNREACHABLE}:
        host.run(["resolvectl", "flush-caches"], 5.0)
        host.run(["resolvectl", "reset-server-features"], 5.0)
        steps.append(Step("flushed the cache of " + UNIT, "已清空 {0} 的缓存".format(UNIT)))
        if _answers_now(STUBS[0], options):
            return steps
    _restart(host)
    return [*steps, Step("restarted " + UNIT, "已重启 {0}".format(UNIT))]


def _restart(host: Host) -> None:
    host.run(["systemctl", "reset-failed", UNIT])
    must(host, ["systemctl", "restart", UNIT], _STARTING)


ACTION = Dns()
