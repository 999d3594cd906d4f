# SPDX-License-Identifier: GPL-3.0-or-later
"""What `harden` says beside its report: (English, Chinese)."""

from __future__ import annotations

from collections.abc import Mapping

from storewarden.domain.change.record import State
from storewarden.ports.harden import Deed, HardenReport

type Pair = tuple[str, str]

_SAID: Mapping[str, Pair] = {
    "plan_done": ("nothing was changed", "未作任何更改"),
    "ask": (
        "next: a change over these hosts (storewarden change new --help), then: "
        "storewarden harden start --change NUMBER",
        "下一步：为这些主机申请变更（storewarden change new --help），批准后执行 "
        "storewarden harden start --change NUMBER",
    ),
    "nothing": ("nothing to fix; no host was touched", "无需修复，未操作任何主机"),
    "interrupted": (
        "stopped: what hosts had not confirmed they take back by themselves within {seconds} s",
        "已停止：主机未确认的更改将在 {seconds} 秒内自行回滚",
    ),
    "good": ("every host is as required", "所有主机均已达标"),
    "back": ("everything is as it was", "已全部恢复原状"),
    "left": ("not as wanted: {hosts}", "未达到目标：{hosts}"),
    "open": (
        "nobody knows yet: {hosts}; what they had not confirmed they take back by themselves",
        "状态未知：{hosts}；未确认的更改将由主机自行回滚",
    ),
    "closed": ("{change} is closed: {outcome}", "{change} 已关闭：{outcome}"),
    "next": ("next: {command}", "下一步：{command}"),
    "trouble": ("{trouble}", "{trouble}"),
    "attached": ("the plan is evidence of {change} now", "方案已作为 {change} 的证据"),
}
_NAMED = 5
_MOST_LEFT = 20


def said(key: str, language: str, **values: object) -> str:
    """A sentence with its blanks filled."""
    return _SAID[key][language == "zh"].format(**values)


def closing_lines(report: HardenReport, language: str, seconds: int) -> list[str]:
    """What an operator has to know at the end, and what to type next."""
    found = report.conclusion
    lines = [said("trouble", language, trouble=trouble) for trouble in report.troubles]
    if report.interrupted and report.session:
        lines.append(said("interrupted", language, seconds=seconds))
    if report.deed is Deed.PLAN:
        return [*lines, said("plan_done", language), *_after_plan(report, language)]
    if not report.session and found.good:
        next_ = [said("next", language, command=each) for each in _closing(report)]
        return [*lines, said("nothing", language), *next_]
    if found.open:
        lines.append(said("open", language, hosts=_names(found.open)))
    rest = (*found.missed, *found.untouched)
    if rest:
        lines.append(said("left", language, hosts=_names(rest)))
    if found.good and not report.interrupted:  # then nobody has looked at them afterwards
        lines.append(said("back" if report.deed is Deed.UNDO else "good", language))
    if report.outcome:
        lines.append(said("closed", language, change=report.change, outcome=report.outcome))
        return lines
    return [*lines, *(said("next", language, command=each) for each in commands(report))]


def _after_plan(report: HardenReport, language: str) -> list[str]:
    """How what was planned is done; nothing when there is nothing to do, or it was cut off."""
    if report.interrupted or not any(host.groups for host in report.hosts):
        return []
    if not report.change:
        return [said("ask", language)]
    start = f"storewarden harden start --change {report.change}"
    return [said("next", language, command=start)]


def commands(report: HardenReport) -> list[str]:
    """What to type next, the usual thing first."""
    number, found = report.change, report.conclusion
    if report.deed is Deed.UNDO:
        return _after_undo(report)
    close = f"storewarden change close {number} --outcome"
    if report.interrupted:
        return [f"storewarden harden start --change {number}"]
    if found.good:
        return _closing(report)
    left = " ".join(f"--left {host}" for host in found.left[:_MOST_LEFT])
    return [
        f"storewarden harden status --change {number}",
        f"storewarden harden start --change {number} --limit {','.join(found.left[:_MOST_LEFT])}",
        f"storewarden harden undo --change {number}",
        f"{close} partial --reason TEXT {left}",
    ]


def _closing(report: HardenReport) -> list[str]:
    """Of a change on which nothing is left to do."""
    if report.state != State.IN_PROGRESS.value:
        return []
    number = report.change
    return [
        f"storewarden change finish {number}",
        f"storewarden change close {number} --outcome successful",
    ]


def _after_undo(report: HardenReport) -> list[str]:
    number = report.change
    status = f"storewarden harden status --change {number}"
    if report.left_over:
        return [status, f"storewarden harden undo --change {number}"]
    close = f"storewarden change close {number} --outcome"
    word = '"rolled back"' if not report.differences else "failed"
    return [status, f"{close} {word} --reason TEXT"]


def _names(hosts: tuple[str, ...]) -> str:
    more = len(hosts) - _NAMED
    return ", ".join(hosts[:_NAMED]) + (f" (+{more})" if more > 0 else "")
