# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A server behind nginx: does it answer, and may its unit on this host be restarted?

A backend that runs and does not answer may be slow, and in the middle of a sale: it is restarted
only when the site has said how to see that nobody uses it. One that is down follows the rules of
every unit: who stopped it, and how often was it started already.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Optional

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import HealError
from ansible_collections.storewarden.ops.plugins.module_utils.heal.systemd_units import (
    full_name,
    unit_facts,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.unit_rules import (
    DOWN,
    No,
    in_use,
    kept_down,
    looping,
    not_allowed,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.upstream_servers import answers
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

MINUTES, MOST = 10.0, 3  # more starts than these are a loop
_BUSY_SECONDS = 10.0
_AT_ONCE = 16


def seen(
    host: Host, servers: list[dict[str, Any]], options: dict[str, Any]
) -> list[dict[str, Any]]:
    """Each server with ``answers``, ``unit`` (a name), ``state``, ``facts`` of the unit, and
    ``busy`` (``{code, said}`` of the site's check, asked only for one that runs and is silent).
    All at once: a dead one takes its time."""
    if not servers:
        return []
    with ThreadPoolExecutor(max_workers=min(len(servers), _AT_ONCE)) as pool:
        return list(pool.map(lambda one: _seen(host, one, options), servers))


def _seen(host: Host, one: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    named = str(options["units"].get(one["address"], ""))
    unit = full_name(named) if named else ""
    found = dict(one, answers=probe(host, one, options), unit=unit, state="", facts=None, busy=None)
    if unit:
        facts = unit_facts(host, unit, MINUTES)
        found["facts"] = facts
        found["state"] = "masked" if facts["load"] == "masked" else facts["active"]
        if facts["active"] == "active" and not found["answers"]:
            found["busy"] = _asked(host, unit, options)
    return found


def probe(host: Host, one: dict[str, Any], options: dict[str, Any]) -> bool:
    """Whether it answers any of the rounds. Over TLS a connection has to be enough."""
    path = "" if one.get("tls") else str(options["paths"].get(one["upstream"], ""))
    return answers(host, one["address"], path, options["seconds"], options["rounds"])


def _asked(host: Host, unit: str, options: dict[str, Any]) -> Optional[dict[str, Any]]:
    checks = {full_name(str(name)): words for name, words in options["busy_checks"].items()}
    words = checks.get(unit)
    if not words:
        return None
    if not isinstance(words, list):
        raise HealError(
            "busy_checks: {0}: a list of words is meant".format(unit),
            "busy_checks：{0}：应为由单词组成的列表".format(unit),
        )
    done = host.run([str(word) for word in words], _BUSY_SECONDS)
    return {"code": done.code, "said": done.last[:200]}


def left_alone(one: dict[str, Any]) -> Optional[No]:
    """Why the unit of a silent server is not restarted, or None."""
    unit = one["facts"]
    no = not_allowed(unit["name"], [], all_when_empty=True, aliases=unit.get("names") or ())
    if no is not None:
        return no
    if unit["active"] in DOWN or unit["load"] == "masked":
        return kept_down(unit) or _not_failed(unit) or looping(unit, MOST, MINUTES)
    if unit["active"] != "active":
        words = (unit["name"], unit["active"])
        return No("{0} is {1}".format(*words), "{0} 状态为 {1}".format(*words))
    busy = in_use(one["busy"], "busy_checks")
    if busy is not None:
        return No(
            "{0} runs, and {1}".format(unit["name"], busy.en),
            "{0} 在运行，且{1}".format(unit["name"], busy.zh),
        )
    return looping(unit, MOST, MINUTES)


def _not_failed(unit: dict[str, Any]) -> Optional[No]:
    if unit["active"] == "failed":
        return None
    words = (unit["name"], unit["active"])
    return No(
        "{0} is {1}, and did not fail".format(*words), "{0} 状态为 {1}，并非失败".format(*words)
    )
