# SPDX-License-Identifier: GPL-3.0-or-later
"""``storewarden change report``: how a month's changes turned out, on one screen."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from storewarden.cli.change_call import Look, show_json, style_of
from storewarden.cli.change_show import Style
from storewarden.cli.change_words import VALUES, Pair, word
from storewarden.cli.exits import Exit
from storewarden.cli.gathered import gathered
from storewarden.cli.options import site_config
from storewarden.cli.printing import printable
from storewarden.cli.tabular import table
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.maintenance.words import operation_name

_WORDS: Mapping[str, Pair] = {
    "head": (
        "Changes of {month}: {count} closed (times are {zone})",
        "{month} 变更：已关闭 {count} 项（时间为 {zone}）",
    ),
    "open": ("The month is not over: figures may still change.", "本月尚未结束，数字仍可能变化。"),
    "rate": ("success rate", "成功率"),
    "core": ("core systems", "核心系统"),
    "every": ("all", "全部"),
    "share": ("{good} of {total}", "{total} 项中成功 {good} 项"),
    "target": ("at least {bar}", "目标不低于 {bar}"),
    "missed": ("BELOW {bar}", "未达目标 {bar}"),
    "kinds": ("by kind", "按类型"),
    "classes": ("by class", "按操作类别"),
    "analyse": ("fails more often than {bar}: analyse why", "失败率高于 {bar}，须分析原因"),
    "debts": ("debts", "欠项"),
    "counts": (
        "{open} open ({overdue} overdue), {settled} settled ({late} late)",
        "未补 {open} 项（逾期 {overdue} 项），已补 {settled} 项（迟补 {late} 项）",
    ),
    "sample": ("to be audited", "抽查"),
    "later": ("drawn by lot when the month is over", "月末后抽签确定"),
    "none": ("none", "无"),
}

Month = Annotated[
    str, typer.Option("--month", metavar="YYYY-MM", help="The month; this one by default.")
]


@gathered
def report(*, month: Month = "", look: Look) -> int:
    """Show how a month's changes turned out, and which of them are to be audited.

    1 when the success rate of core systems is below 95 %.
    """
    from storewarden.wiring.service import change_reader  # noqa: PLC0415 - httpx costs 0.2 s

    settings = site_config(look.config)
    with change_reader(settings, os.environ, look.token_file) as reader:
        found = reader.month(month)
    if look.as_json:
        show_json(found)
    else:
        typer.echo("\n".join(month_lines(found, style_of(settings, look.lang))))
    rate = found["core"]["rate"]
    return Exit.BELOW if rate is not None and rate < found["target"] else Exit.FINE


def month_lines(found: Mapping[str, Any], style: Style) -> Iterator[str]:
    """The report; ``found`` is as ``flows.change_month.month_view`` gives it."""
    count = len(found["changes"])
    yield _say("head", style, month=found["month"], count=count, zone=style.zone)
    if not found["over"]:
        yield _say("open", style)
    yield table(list(_rows(found, style)))
    yield from _sample(found, style)


def _rows(found: Mapping[str, Any], style: Style) -> Iterator[list[str]]:
    """Label, name, share, rate, remark."""
    core, target = found["core"], _percent(found["target"])
    missed = core["rate"] is not None and core["rate"] < found["target"]
    remark = _say("missed" if missed else "target", style, bar=target)
    label = _say("rate", style)
    yield [label, _say("core", style), *_share(core, style), remark]
    yield ["", _say("every", style), *_share(found["every"], style), ""]
    yield from _under("kinds", [(each, "") for each in found["kinds"]], style)
    analyse = _say("analyse", style, bar=_percent(found["limit"]))
    classes = [(each, analyse if each["analyse"] else "") for each in found["classes"]]
    yield from _under("classes", classes, style)
    owed = [each for each in found["debts"] if each["open"] or each["settled"]]
    for place, each in enumerate(owed):
        counts = _say("counts", style, late=each["settled_late"], **each)
        label = "" if place else _say("debts", style)
        yield [label, style.value(each["kind"]), "", "", counts]


def _under(
    label: str, tallies: list[tuple[Mapping[str, Any], str]], style: Style
) -> Iterator[list[str]]:
    for place, (tally, remark) in enumerate(tallies):
        head = "" if place else _say(label, style)
        yield [head, _named(tally["name"], style), *_share(tally, style), remark]


def _share(tally: Mapping[str, Any], style: Style) -> tuple[str, str]:
    if tally["rate"] is None:
        return _say("none", style), ""
    share = _say("share", style, good=tally["successful"], total=tally["total"])
    return share, _percent(tally["rate"])


def _sample(found: Mapping[str, Any], style: Style) -> Iterator[str]:
    drawn = [f"  {printable(number)}" for number in found["sample"]]
    empty = "none" if found["over"] else "later"
    yield f"{_say('sample', style)}: {'' if drawn else _say(empty, style)}".rstrip()
    yield from drawn


def _named(name: str, style: Style) -> str:
    """A kind, an operation class, or the action of a standing change."""
    if name in {each.value for each in OperationClass} and name not in VALUES:
        return operation_name(OperationClass(name), style.language)
    return word(VALUES, name, style.language)


def _percent(share: float) -> str:
    """Never rounded up to a bar that was missed."""
    return f"{int(share * 1000 + 1e-9) / 10:g} %"


def _say(key: str, style: Style, **values: object) -> str:
    return _WORDS[key][style.language == "zh"].format(**values)
