# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``link``: a store's line is dead and its backup carries, or the line is good again.

The switch is one more default route over the backup, with a better metric than that of the line;
the routes that were there are never touched, so taking that one away is going back. The route
belongs to a small unit, and lives as long as it runs. So the restore point knows all there is to
know: with the unit's file and the word whether it ran, the host goes back by itself when the
switch has cut it off from everybody. Enabled, the unit brings the route back after a boot.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
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
from ansible_collections.storewarden.ops.plugins.module_utils.heal.host_files import (
    journal,
    must,
    put,
    text_of,
    unit_state,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.line_probe import (
    Line,
    rounds,
    told,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.link_unit import (
    UNIT,
    UNIT_FILE,
    route_words,
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
}

STATE = "/var/lib/storewarden/heal/link.json"
_HOUR = 3600.0
_GOOD_LOSS = (
    20.0  # percent; far below what counts as dead, so that a line on the edge does not flap
)
_SAMPLE = 2.0  # seconds between two looks while the line has to prove itself


class LinkFailover(Action):
    name = "link"

    def facts(self, host: Host, options: dict[str, Any]) -> dict[str, Any]:
        carries = unit_state(host, UNIT)["active"] in ("active", "activating")
        # At once: a dead line takes its time, and a store waits.
        with ThreadPoolExecutor(max_workers=2) as pool:
            primary, backup = pool.map(lambda one: _judged(options, one), ("primary", "backup"))
        steady = None
        if carries and _is_good(primary, options):
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
        primary, backup = facts["primary"], facts["backup"]
        if facts["backup_carries"]:
            return _while_away(facts, options)
        if not _is_dead(primary, options):
            return Diagnosis(
                HEALTHY,
                "the line {0} carries ({1:g} % lost)".format(_of(options), primary["loss"]),
                "线路 {0} 正常（丢包 {1:g}%）".format(_of(options), primary["loss"]),
            )
        if not _is_good(backup, options):
            return _both_dead(facts, options)
        return _too_often(facts, options) or _switch(facts, options)

    def act(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> list[Step]:
        to = diagnosis.plan["to"]
        # The lines may have changed their minds since; two rounds are enough to see that.
        if not any(rounds(_line(options, to), 2, options["seconds"])):
            raise HealError(
                "the line {0} does not carry any more".format(_of(options, to)),
                "线路 {0} 已不再可用".format(_of(options, to)),
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
        first = _address(line.targets[0])
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


def _routes(host: Host, options: dict[str, Any]) -> list[str]:
    words = ["ip", "route", "show", "default", "table", options["table"]]
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


def _address(target: str) -> str:
    address, _colon, port = target.rpartition(":")
    return address.strip("[]") if port.isdigit() and address else target


# -- judging -------------------------------------------------------------------------------------


def _of(options: dict[str, Any], which: str = "primary") -> str:
    return str(options[which]["device"])


def _is_dead(line: dict[str, Any], options: dict[str, Any]) -> bool:
    return bool(line["loss"] >= options["loss"] and line["failed_last"] >= options["consecutive"])


def _is_good(line: dict[str, Any], options: dict[str, Any]) -> bool:
    return bool(line["loss"] <= _GOOD_LOSS and line["good_last"] >= options["consecutive"])


def _recent(facts: dict[str, Any]) -> list[float]:
    """Switches of the last hour; one from the future (a clock that was set) counts as well."""
    return [one for one in facts["switches"] if facts["now"] - one < _HOUR]


def _too_often(facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis | None:
    count = len(_recent(facts))
    if count < options["per_hour"]:
        return None
    return Diagnosis(
        ESCALATE,
        "the lines were switched {0} times within an hour: they flap".format(count),
        "一小时内已切换 {0} 次：线路反复抖动".format(count),
    )


def _both_dead(facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
    lost = (facts["primary"]["loss"], facts["backup"]["loss"])
    names = (_of(options), lost[0], _of(options, "backup"), lost[1])
    en = "both lines are dead: {0} loses {1:g} %, the backup {2} {3:g} %".format(*names)
    zh = "两条线路均不可用：{0} 丢包 {1:g}%，备用 {2} 丢包 {3:g}%".format(*names)
    if facts["strict"]:
        where = ", ".join(facts["strict"])
        en += "; or nobody can know: rp_filter=1 drops answers over {0}, 2 is wanted".format(where)
        zh += "；或无法判断：{0} 上 rp_filter=1 会丢弃应答，应设为 2".format(where)
    return Diagnosis(ESCALATE, en, zh)


def _switch(facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
    names = (_of(options), facts["primary"]["loss"], _of(options, "backup"))
    return Diagnosis(
        NEEDED,
        "the line {0} is dead ({1:g} % lost), the backup {2} carries".format(*names),
        "线路 {0} 中断（丢包 {1:g}%），备用线路 {2} 可用".format(*names),
        plan={"to": "backup", "route": route_words(options).format("replace")},
        capture=_capture(),
    )


def _capture() -> tuple[dict[str, Any], ...]:
    return ({"kind": "unit", "name": UNIT, "after_restore": "leave"},)


def _while_away(facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
    """The backup carries: stay, go back, or fetch somebody."""
    if not _is_good(facts["primary"], options):
        return _stay(facts, options)
    names = (_of(options), _of(options, "backup"))
    if not options["back"]:
        return Diagnosis(
            HEALTHY,
            "{0} is good again; {1} carries, for going back is not allowed now".format(*names),
            "{0} 已恢复；当前不允许切回，由 {1} 承载".format(*names),
        )
    steady = facts["steady"] or {"lost": 1, "sent": 1}
    last = max(_recent(facts), default=None)
    if last is not None and 0 <= facts["now"] - last < options["hold"]:
        return Diagnosis(
            HEALTHY,
            "{0} is good again; {1} carries until {2:g} s have passed since the switch".format(
                *names, options["hold"]
            ),
            "{0} 已恢复；切换后 {2:g} 秒内仍由 {1} 承载".format(*names, options["hold"]),
        )
    if steady["lost"]:
        return Diagnosis(
            HEALTHY,
            "{0} answers again, but lost {2} of {3}: {1} goes on carrying".format(
                *names, steady["lost"], steady["sent"]
            ),
            "{0} 已有应答，但丢失 {2}/{3}：继续由 {1} 承载".format(
                *names, steady["lost"], steady["sent"]
            ),
        )
    return _too_often(facts, options) or Diagnosis(
        NEEDED,
        "{0} has been good for {2:g} s, and {1} carries".format(*names, options["stable"]),
        "{0} 已连续正常 {2:g} 秒，目前由 {1} 承载".format(*names, options["stable"]),
        plan={"to": "primary", "route": route_words(options).format("del")},
        capture=_capture(),
    )


def _stay(facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
    names = (_of(options), _of(options, "backup"))
    if _is_dead(facts["backup"], options):
        return Diagnosis(
            ESCALATE,
            "{0} is dead, and so is {1}, which carries".format(*names),
            "{0} 中断，正在承载的 {1} 也已中断".format(*names),
        )
    return Diagnosis(
        HEALTHY,
        "{1} carries, for {0} is not good yet".format(*names),
        "{0} 尚未恢复，由 {1} 承载".format(*names),
    )


# -- switching -----------------------------------------------------------------------------------


def _note_switch(host: Host, to: str) -> None:
    """Before the switch: one that is taken back was one, too."""
    now = time.time()
    kept = [one for one in switches(text_of(host, STATE)) if 0 <= now - one < 24 * _HOUR]
    put(host, STATE, json.dumps({"switches": [*kept, now], "to": to}) + "\n", 0o600)


def _over(host: Host, options: dict[str, Any]) -> list[Step]:
    put(host, UNIT_FILE, unit_text(options))
    must(host, ["systemctl", "daemon-reload"])
    host.run(["systemctl", "reset-failed", UNIT])
    must(host, ["systemctl", "restart", UNIT])
    steps = [
        Step(
            "default route over {0}".format(_of(options, "backup")),
            "默认路由已切换到 {0}".format(_of(options, "backup")),
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
                _of(options, "backup"), _of(options)
            ),
            "已撤销经 {0} 的默认路由；由 {1} 承载".format(_of(options, "backup"), _of(options)),
        )
    ]


ACTION = LinkFailover()
