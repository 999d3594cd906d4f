# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether to switch: the judgement of the action link over what both lines said.

Who is dead and who is good leave room between them, so that a line on the edge does not flap; and
a switch that could not help, or would be one too many, is left to people.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import (
    ESCALATE,
    HEALTHY,
    NEEDED,
    Diagnosis,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.link_unit import (
    UNIT,
    route_words,
)

_HOUR = 3600.0
DAY = 24 * _HOUR
_CLOCKS = 60.0  # seconds by which a switch may seem to lie in the future
_GOOD_LOSS = 20.0  # percent; far below what counts as dead


def judged(facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
    """Stay, switch, go back, or fetch somebody."""
    primary, backup = facts["primary"], facts["backup"]
    if facts["backup_carries"]:
        return _while_away(facts, options)
    if not _is_dead(primary, options):
        return Diagnosis(
            HEALTHY,
            "the line {0} carries ({1:g} % lost)".format(device_of(options), primary["loss"]),
            "线路 {0} 正常（丢包 {1:g}%）".format(device_of(options), primary["loss"]),
        )
    if not is_good(backup, options):
        return _both_dead(facts, options)
    return _too_often(facts, options) or _switch(facts, options)


def device_of(options: dict[str, Any], which: str = "primary") -> str:
    return str(options[which]["device"])


def _is_dead(line: dict[str, Any], options: dict[str, Any]) -> bool:
    return bool(line["loss"] >= options["loss"] and line["failed_last"] >= options["consecutive"])


def is_good(line: dict[str, Any], options: dict[str, Any]) -> bool:
    return bool(line["loss"] <= _GOOD_LOSS and line["good_last"] >= options["consecutive"])


def _recent(facts: dict[str, Any]) -> list[float]:
    """Switches of the last hour. What a clock that was ahead has noted does not count: it would
    forbid every switch until then."""
    return [one for one in facts["switches"] if -_CLOCKS <= facts["now"] - one < _HOUR]


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
    names = (device_of(options), lost[0], device_of(options, "backup"), lost[1])
    en = "both lines are dead: {0} loses {1:g} %, the backup {2} {3:g} %".format(*names)
    zh = "两条线路均不可用：{0} 丢包 {1:g}%，备用 {2} 丢包 {3:g}%".format(*names)
    if facts["strict"]:
        where = ", ".join(facts["strict"])
        en += "; or nobody can know: rp_filter=1 drops answers over {0}, 2 is wanted".format(where)
        zh += "；或无法判断：{0} 上 rp_filter=1 会丢弃应答，应设为 2".format(where)
    return Diagnosis(ESCALATE, en, zh)


def _hidden_by(facts: dict[str, Any], options: dict[str, Any]) -> str:
    """The default route that a route with the option's metric would not come before, or nothing.
    Without a word on its metric a route has 0, the best there is (as Debian's static ones)."""
    for line in facts["routes"]:
        words = line.split()
        said = dict(zip(words, words[1:]))  # noqa: B905, RUF007 - Python 3.9
        metric = int(said["metric"]) if said.get("metric", "").isdigit() else 0
        if metric <= options["metric"] and said.get("dev") != device_of(options, "backup"):
            return str(line.strip())
    return ""


def _switch(facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
    hidden = _hidden_by(facts, options)
    if hidden:
        words = (device_of(options), hidden, options["metric"])
        return Diagnosis(
            ESCALATE,
            "the line {0} is dead, and no route with metric {2} comes before {1!r}: give that a"
            " larger metric".format(*words),
            "线路 {0} 中断，但 metric {2} 的路由优先级不高于 {1!r}：请调大后者的 metric".format(
                *words
            ),
        )
    names = (device_of(options), facts["primary"]["loss"], device_of(options, "backup"))
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
    if not is_good(facts["primary"], options):
        return _stay(facts, options)
    names = (device_of(options), device_of(options, "backup"))
    if not options["back"]:
        return Diagnosis(
            HEALTHY,
            "{0} is good again; {1} carries, for going back is not allowed now".format(*names),
            "{0} 已恢复；当前不允许切回，由 {1} 承载".format(*names),
        )
    steady = facts["steady"] or {"lost": 1, "sent": 1}
    last = max(_recent(facts), default=None)
    if last is not None and facts["now"] - last < options["hold"]:
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
    names = (device_of(options), device_of(options, "backup"))
    if _is_dead(facts["backup"], options):
        return Diagnosis(
            ESCALATE,
            "{0} is dead, and so is {1}, which carries".format(*names),
            "{0} 中断，正在承载的 {1} 也已中断".format(*names),
        )
    if device_of(options) in facts["strict"]:
        return _cannot_know(facts, names)
    return Diagnosis(
        HEALTHY,
        "{1} carries, for {0} is not good yet".format(*names),
        "{0} 尚未恢复，由 {1} 承载".format(*names),
    )


def _cannot_know(facts: dict[str, Any], names: tuple[str, str]) -> Diagnosis:
    """With rp_filter=1 the line looks dead for as long as the backup carries."""
    past = [one for one in facts["switches"] if one <= facts["now"] + _CLOCKS]
    long = not past or facts["now"] - max(past) > DAY
    return Diagnosis(
        ESCALATE if long else HEALTHY,
        "{1} carries; whether {0} is good nobody can know, for rp_filter=1 drops its answers, 2 is"
        " wanted".format(*names),
        "由 {1} 承载；{0} 上 rp_filter=1 会丢弃应答，无法判断其是否恢复，应设为 2".format(*names),
    )
