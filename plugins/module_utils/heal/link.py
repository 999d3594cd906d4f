# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``link``: a store's line is dead and its backup carries, or the line is good again.

The switch is one more default route over the backup, with a better metric than that of the line;
the routes that were there are never touched, so taking that one away is going back. The route
belongs to a small unit, and lives as long as it runs. So the restore point knows all there is to
know: with the unit's file and the word whether it ran, the host goes back by itself when the
switch has cut it off from everybody. Once it is confirmed, the unit's program looks after the host:
it lets go of a backup that died. Enabled, the unit brings the route back after a boot.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import (
    Action,
    Diagnosis,
    Evidence,
    Finding,
    HealError,
    Step,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.host_files import (
    journal,
    must,
    put,
    text_of,
    unit_state,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.line_probe import (
    Line,
    parted,
    rounds,
    target_problem,
    told,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.link_judgement import (
    DAY,
    device_of,
    is_good,
    judged,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.link_unit import (
    STATE,
    UNIT,
    UNIT_FILE,
    programs,
    unit_text,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

_LINE = {
    "device": {"type": "str", "required": True},
    "gateway": {"type": "str", "required": True},
    "targets": {"type": "list", "elements": "str", "required": True},
}
OPTIONS: dict[str, Any] = {
    "primary": {"type": "dict", "required": True, "options": _LINE},
    "backup": {"type": "dict", "required": True, "options": _LINE},
    "metric": {"type": "int", "default": 10},
    "table": {"type": "str", "default": "main"},
    "rounds": {"type": "int", "default": 10},
    "seconds": {"type": "float", "default": 1.0},
    "loss": {"type": "float", "default": 50.0},
    "consecutive": {"type": "int", "default": 3},
    "stable": {"type": "float", "default": 60.0},
    "hold": {"type": "float", "default": 300.0},
    "per_hour": {"type": "int", "default": 4},
    "back": {"type": "bool", "default": True},
    "persistent": {"type": "bool", "default": False},
    "dead_after": {"type": "float", "default": 300.0},
    "lease": {"type": "float", "default": 21600.0},
}

_LOOKING = 150.0  # seconds of timing.diagnose that both lines may take; the rest is Ansible's
_SAMPLE = 2.0  # seconds between two looks while the line has to prove itself


class LinkFailover(Action):
    name = "link"

    def facts(self, host: Host, options: dict[str, Any]) -> dict[str, Any]:
        _must_be_judgeable(options)
        carries = unit_state(host, UNIT)["active"] in ("active", "activating")
        # At once: a dead line takes its time, and a store waits.
        with ThreadPoolExecutor(max_workers=2) as pool:
            primary, backup = pool.map(lambda one: _judged(options, one), ("primary", "backup"))
        steady = None
        if carries and is_good(primary, options):
            steady = _steady(options)
        return {
            "primary": primary,
            "backup": backup,
            "backup_carries": carries,
            "steady": steady,
            "routes": _routes(host, options),
            "strict": _strict(host, options),
            "switches": switches(text_of(host, STATE)),
            "now": time.time(),
        }

    def evidence(
        self, host: Host, facts: dict[str, Any], _options: dict[str, Any]
    ) -> tuple[Evidence, ...]:
        return (
            Evidence("routes", "\n".join(facts["routes"]) + "\n"),
            Evidence("links", host.run(["ip", "-s", "link", "show"], 10.0).out),
            Evidence("journal of " + UNIT, journal(host, UNIT, 30)),
        )

    def diagnose(self, facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
        return judged(facts, options)

    def act(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> list[Step]:
        to = diagnosis.plan["to"]
        # The lines may have changed their minds since; two rounds are enough to see that.
        if not any(rounds(_line(options, to), 2, options["seconds"])):
            raise HealError(
                "the line {0} does not carry any more".format(device_of(options, to)),
                "线路 {0} 已不再可用".format(device_of(options, to)),
            )
        _note_switch(host, to)
        return _over(host, options) if to == "backup" else _back(host, options)

    def verify(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> Finding:
        """Through the routes as they are, and then whether they lead over the right line."""
        to = diagnosis.plan["to"]
        line = _line(options, to)
        device = options[to]["device"]
        if not any(rounds(line._replace(device=""), 2, options["seconds"])):
            return Finding(
                False,
                "nothing answers over the routes as they are",
                "按当前路由没有任何应答",
            )
        first = parted(line.targets[0])[0]
        way = host.run(["ip", "route", "get", first], 10.0).out
        table = options["table"]
        if table == "main" and " dev {0} ".format(device) not in way:
            return Finding(
                False,
                "{0} is still reached another way: {1}".format(first, way.split("\n")[0]),
                "{0} 仍走其他路径：{1}".format(first, way.split("\n")[0]),
            )
        return Finding(
            True,
            "{0} answers over {1}".format(first, device),
            "{0} 经 {1} 可达".format(first, device),
        )


# -- looking -------------------------------------------------------------------------------------


def _line(options: dict[str, Any], which: str) -> Line:
    return Line(options[which]["device"], tuple(options[which]["targets"]))


def _judged(options: dict[str, Any], which: str) -> dict[str, Any]:
    return told(rounds(_line(options, which), options["rounds"], options["seconds"]))


def _steady(options: dict[str, Any]) -> dict[str, Any]:
    """How the line does over ``stable`` seconds."""
    every = min(_SAMPLE, max(options["stable"] / 5.0, 0.1))
    count = max(int(options["stable"] / every), 1) + 1
    return told(rounds(_line(options, "primary"), count, options["seconds"], every))


def _must_be_judgeable(options: dict[str, Any]) -> None:
    """HealError for targets by which nobody should switch, or for a look that takes too long."""
    named = [one for which in ("primary", "backup") for one in options[which]["targets"]]
    wrong = [problem for problem in map(target_problem, named) if problem]
    if wrong or not all(options[which]["targets"] for which in ("primary", "backup")):
        said = wrong[0] if wrong else "a line without targets"
        raise HealError("targets: {0}".format(said), "探测目标有误：{0}".format(said))
    takes = options["rounds"] * 2 * options["seconds"] + options["stable"]
    if takes > _LOOKING:
        raise HealError(
            "rounds, seconds and stable come to {0:g} s for one look; {1:g} s are the most".format(
                takes, _LOOKING
            ),
            "rounds、seconds 与 stable 合计需 {0:g} 秒，最多 {1:g} 秒".format(takes, _LOOKING),
        )


def _routes(host: Host, options: dict[str, Any]) -> list[str]:
    family = ["-6"] if ":" in options["backup"]["gateway"] else []
    words = ["ip", *family, "route", "show", "default", "table", options["table"]]
    return host.run(words, 10.0).out.strip().splitlines()


def _strict(host: Host, options: dict[str, Any]) -> list[str]:
    """Devices on which the kernel drops answers that it would not send the same way (the larger
    of both settings counts: ip-sysctl). The line that does not carry then always looks dead."""
    found = []
    for which in ("primary", "backup"):
        device = options[which]["device"]
        places = ["/proc/sys/net/ipv4/conf/{0}/rp_filter".format(one) for one in ("all", device)]
        if max((text_of(host, place) or "0").strip() for place in places) == "1":
            found.append(device)
    return found


def switches(text: str | None) -> list[float]:
    """When lines were switched, by the wall clock; what cannot be read counts as never."""
    try:
        return [float(one) for one in json.loads(text or "{}").get("switches", [])]
    except (ValueError, TypeError, AttributeError):
        return []


# -- switching -----------------------------------------------------------------------------------


def _note_switch(host: Host, to: str) -> None:
    """Before the switch: one that is taken back was one, too."""
    now = time.time()
    kept = [one for one in switches(text_of(host, STATE)) if 0 <= now - one < DAY]
    put(host, STATE, json.dumps({"switches": [*kept, now], "to": to}) + "\n", 0o600)


def _over(host: Host, options: dict[str, Any]) -> list[Step]:
    for path, text in programs().items():
        put(host, path, text)
    put(host, UNIT_FILE, unit_text(options))
    must(host, ["systemctl", "daemon-reload"])
    host.run(["systemctl", "reset-failed", UNIT])
    must(host, ["systemctl", "restart", UNIT])
    steps = [
        Step(
            "default route over {0}".format(device_of(options, "backup")),
            "默认路由已切换到 {0}".format(device_of(options, "backup")),
        )
    ]
    if options["persistent"]:
        must(host, ["systemctl", "enable", UNIT])
        steps.append(Step("it holds after a boot as well", "重启后仍然有效"))
    return steps


def _back(host: Host, options: dict[str, Any]) -> list[Step]:
    host.run(["systemctl", "disable", UNIT])
    must(host, ["systemctl", "stop", UNIT])
    with contextlib.suppress(FileNotFoundError):
        os.unlink(host.at(UNIT_FILE))
    must(host, ["systemctl", "daemon-reload"])
    return [
        Step(
            "took the default route over {0} away; {1} carries".format(
                device_of(options, "backup"), device_of(options)
            ),
            "已撤销经 {0} 的默认路由；由 {1} 承载".format(
                device_of(options, "backup"), device_of(options)
            ),
        )
    ]


ACTION = LinkFailover()
