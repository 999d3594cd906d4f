# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden heal statistics`: how healing does, by rule and by action, against the guide's aims;
and which actions have earned mode auto."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from storewarden.cli.change_call import Json, show_json
from storewarden.cli.change_draft import moment
from storewarden.cli.exits import Exit
from storewarden.cli.options import Config, Lang, site_config
from storewarden.cli.tabular import table
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.maintenance.words import duration
from storewarden.ports.reports import Language

if TYPE_CHECKING:
    from storewarden.config import SiteConfig
    from storewarden.domain.healing.statistics import Figures
    from storewarden.flows.heal_figures import HealFigures

_SPAN = timedelta(days=30)  # when nobody says since when
_HEAD = (
    ("ALERTS", "告警"),
    ("REPAIRED", "已修复"),
    ("HEALED", "已自愈"),
    ("ESCALATED", "转人工"),
    ("MTTR", "平均修复时间"),
    ("SUCCESS", "成功率"),
    ("ESCALATION", "转人工率"),
)
_WORDS = {
    "span": ("{begin} to {end}\n"
             "aims of the guide (2.3): MTTR at most 2 h, success at least 95 %, escalation at most"
             " 20 %;\n! marks what misses one",
             "{begin} 至 {end}\n"
             "指南目标（2.3）：平均修复时间不超过 2 小时，成功率不低于 95 %，"
             "转人工率不高于 20 %；\n未达标以 ! 标出"),
    "rules": ("RULE", "规则"),
    "actions": ("ACTION", "动作"),
    "all": ("all", "合计"),
    "nothing": ("nothing was healed or escalated in this time", "该时段内没有自愈或转人工的告警"),
    "nobody": ("no action in mode approve has earned auto yet",
               "尚无审批模式的动作达到自动模式要求"),
}  # fmt: skip


def statistics(
    *,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="A day or a time; 30 days by default.")
    ] = "",
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Show how healing does: mean time to repair, success, escalation; and who has earned auto."""
    from storewarden.flows.heal_figures import figures_data  # noqa: PLC0415
    from storewarden.wiring import open_site  # noqa: PLC0415 - costs 0.2 s
    from storewarden.wiring.incidents import heal_figures  # noqa: PLC0415

    settings = site_config(config)
    begin = _since(since, settings)
    with open_site(settings) as site:
        site.require_ledger()
        found = heal_figures(site, begin)
    if as_json:
        show_json(figures_data(found))
    else:
        language = lang or Language(settings.site.language)
        typer.echo(told(found, language, ZoneInfo(settings.site.timezone)))
    return Exit.FINE


def told(found: HealFigures, language: Language, zone: ZoneInfo) -> str:
    """The figures for a terminal."""
    begin, end = (f"{at.astimezone(zone):%Y-%m-%d %H:%M}" for at in (found.begin, found.end))
    blocks = [_word("span", language).format(begin=begin, end=end)]
    if found.whole.total:
        blocks.append(_table("rules", (*found.rules, found.whole), language))
        blocks.append(_table("actions", found.actions, language))
    else:
        blocks.append(_word("nothing", language))
    earned = [each.said(language.value) for each in found.earned]
    blocks.append("\n".join(earned) or _word("nobody", language))
    return "\n\n".join(blocks)


def _table(name: str, rows: Iterable[Figures], language: Language) -> str:
    head = (_word(name, language), *(each[language is Language.ZH] for each in _HEAD))
    return table([head, *(_row(each, language) for each in rows)])


def _row(each: Figures, language: Language) -> tuple[str, ...]:
    reached = each.reached
    mttr = "-" if each.mttr is None else duration(each.mttr, language.value)
    return (
        _word("all", language) if each.name == "*" else each.name,
        str(each.total),
        str(each.acted),
        str(each.healed),
        str(each.escalated),
        mttr + _missed(reached["mttr"]),
        _percent(each.success) + _missed(reached["success"]),
        _percent(each.escalation) + _missed(reached["escalation"]),
    )


def _percent(share: Fraction | None) -> str:
    return "-" if share is None else f"{float(share) * 100:.1f} %"


def _missed(reached: bool | None) -> str:
    return " !" if reached is False else ""


def _word(name: str, language: Language) -> str:
    return _WORDS[name][language is Language.ZH]


def _since(text: str, settings: SiteConfig) -> datetime:
    now = datetime.now(UTC)
    if not text:
        return now - _SPAN
    begin = datetime.fromisoformat(moment(text, ZoneInfo(settings.site.timezone), "--since"))
    if begin >= now:
        raise ConfigInvalid("lies in the future", where="--since")
    return begin
