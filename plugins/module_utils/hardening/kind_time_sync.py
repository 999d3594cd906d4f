# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``time_sync``: one service that sets the clock, and only from the servers that are approved."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters import GETTERS
from ansible_collections.storewarden.ops.plugins.module_utils.hardening import (
    kind_comment_out,
    kind_file,
    kind_unit,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.own_lines import (
    key_of,
    merged,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import (
    FixFailed,
    Step,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.telling import words
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.together import together
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.touching import content

_SERVICES = ("systemd-timesyncd", "chrony", "chronyd", "ntp", "ntpd", "ntpsec", "openntpd")
_TIMESYNCD = "/etc/systemd/timesyncd.conf.d/zz-storewarden.conf"
_CHRONY_MAIN = ("/etc/chrony/chrony.conf", "/etc/chrony.conf")
_CHRONY_MORE = [
    "/etc/chrony/sources.d/*.sources",
    "/etc/chrony/conf.d/*.conf",
    "/etc/chrony.d/*.conf",
]
_SOURCE = r"(?i)^(server|pool|peer)\s"


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``keep``: the service to keep ("" = the one that runs), ``servers``: approved ones, or []."""
    states = kind_unit.states(system, [name + ".service" for name in _SERVICES])
    known = [one for one in states if one["load"] not in ("not-found", "masked")]
    keep = _kept(str(fix.get("keep") or ""), known)
    others = [
        one["name"]
        for one in known
        if one["name"] != keep and (kind_unit.runs(one) or one["enabled"] == "enabled")
    ]
    steps = [
        kind_unit.plan(system, {"units": others, "state": "masked"}),
        kind_unit.plan(system, {"units": [keep], "state": "enabled"}),
    ]
    servers = words(fix.get("servers"))
    if servers and not _right(system, keep, known, servers):
        steps.append(_servers(system, keep.split(".")[0], servers))
    return together(steps)


def _kept(asked: str, known: list[dict[str, str]]) -> str:
    """The unit to keep. Raises FixFailed when there is none, or not the one asked for."""
    names = [one["name"] for one in known]
    if asked:
        full = asked if asked.endswith(".service") else asked + ".service"
        if full not in names:
            raise FixFailed(
                "{0} is not on this host (baseline_logs_time_service)".format(asked),
                "本机没有 {0}（baseline_logs_time_service）".format(asked),
            )
        return full
    running = [one["name"] for one in known if kind_unit.runs(one)]
    enabled = [one["name"] for one in known if one["enabled"] == "enabled"]
    for name in [*running, *enabled, *names]:
        return name
    raise FixFailed(
        "no time service is installed: install systemd-timesyncd or chrony",
        "未安装时间同步服务：请安装 systemd-timesyncd 或 chrony",
    )


def _right(system: Any, keep: str, known: list[dict[str, str]], servers: list[str]) -> bool:
    """Whether the kept service, if it is the only one that runs, asks approved servers alone."""
    running = [one["name"] for one in known if kind_unit.runs(one)]
    if running != [keep]:
        return False
    asked = GETTERS["time_sync"].look(system, {"view": "servers"})
    return bool(asked) and set(asked) <= set(servers)


def _servers(system: Any, keep: str, servers: list[str]) -> Step:
    if keep == "systemd-timesyncd":
        # the empty assignment takes back what files before ours have named
        text = "# Written by storewarden.\n[Time]\nNTP=\nNTP={0}\nFallbackNTP=\n"
        file = {"path": _TIMESYNCD, "content": text.format(" ".join(servers)), "restart": keep}
        return kind_file.plan(system, file)
    main = next((one for one in _CHRONY_MAIN if system.exists(one)), None)
    if not keep.startswith("chrony") or main is None:
        raise FixFailed(
            "the servers of {0} are to be set by hand".format(keep),
            "{0} 的时间服务器须人工配置".format(keep),
        )
    others = "{0}(?!({1})\\b)".format(_SOURCE, "|".join(re.escape(one) for one in servers))
    now = content(system, main) or ""
    text, _gone = kind_comment_out.without(now, re.compile(others), "#")
    lines = ["server {0} iburst".format(one) for one in servers]
    text, _different = merged(text, lines, key_of(r"^server\s+\S+", None))
    more = {"files": _CHRONY_MORE, "match": others, "keep": [main], "restart": keep}
    return together(
        [
            kind_file.plan(system, {"path": main, "content": text, "restart": keep}),
            kind_comment_out.plan(system, more),
        ]
    )
