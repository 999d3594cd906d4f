# SPDX-License-Identifier: GPL-3.0-or-later
"""A planned rollout at a shell: waves with their dates, gates, deadlines, obstacles."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from rich.table import Column
from rich.text import Text

from storewarden.adapters.reports import rollout_plan_view as view
from storewarden.adapters.reports.harden_table import Sheet
from storewarden.adapters.reports.rollout_plan_problems import problems, remarks
from storewarden.adapters.reports.rollout_plan_words import Words
from storewarden.ports.reports import Page
from storewarden.ports.rollout_reports import RolloutPlanReport

_MOST_WAVES = 60
_MOST_REFUSED = 12
_STYLES = {"good": "green", "bad": "red", "": ""}
_NUMBERS = (0, 2, 3)  # columns that stand on the right


def render(report: RolloutPlanReport, page: Page) -> str:
    """The whole text."""
    sheet, words = Sheet(page), Words(page.language)
    sheet.say(Text(view.title(report, words), style="bold"))
    for line in view.head(report, words):
        sheet.say(line)
    if report.plan.waves:
        _waves(sheet, report, words)
        _judged(sheet, report, words)
    else:
        sheet.say(Text(words["nothing"], style="yellow"))
    _listed(sheet, words["problems"], problems(report, words), "red")
    if report.store is not None:
        sheet.title(view.store_title(report, report.store, words))
        _lines(sheet, view.tale_lines(report, report.store, words), indent=2)
    _refused(sheet, report, words)
    _listed(sheet, words["remarks"], remarks(report, words), "")
    return sheet.text()


def _waves(sheet: Sheet, report: RolloutPlanReport, words: Words) -> None:
    sheet.title(words["waves"])
    columns = [
        Column(name, no_wrap=True, justify="right" if place in _NUMBERS else "left")
        for place, name in enumerate(view.columns(words))
    ]
    rows: list[tuple[str | Text, ...]] = [
        (*row.cells, Text(row.undo, style="" if row.in_time else "red"))
        for row in islice(view.wave_rows(report, words), _MOST_WAVES)
    ]
    sheet.table(columns, rows)
    if len(report.plan.waves) > _MOST_WAVES:
        sheet.say(words("more", count=len(report.plan.waves) - _MOST_WAVES))
    sheet.say()
    ending = view.ending(report, words)
    if ending:
        sheet.say(Text(ending, style="bold"))
    for line in view.assumptions(report, words):
        sheet.say(line)


def _judged(sheet: Sheet, report: RolloutPlanReport, words: Words) -> None:
    sheet.say()
    _lines(sheet, view.judged(report, words), indent=0)
    found = list(view.deadlines(report, words))
    if found:
        sheet.title(words["deadlines"])
        _lines(sheet, found, indent=2)


def _refused(sheet: Sheet, report: RolloutPlanReport, words: Words) -> None:
    count = len(report.plan.refused)
    if not count:
        return
    sheet.title(words("refused", count=count))
    _lines(sheet, islice(view.refused(report, words), _MOST_REFUSED), indent=2)
    if count > _MOST_REFUSED:
        sheet.say("  " + words("more", count=count - _MOST_REFUSED))


def _listed(sheet: Sheet, title: str, lines: Iterable[str], style: str) -> None:
    found = list(lines)
    if found:
        sheet.title(title)
        sheet.pairs((("-", Text(line, style=style)) for line in found), indent=2, gap=1)


def _lines(sheet: Sheet, lines: Iterable[view.Line], *, indent: int) -> None:
    sheet.pairs(
        ((each.label, Text(each.text, style=_STYLES[each.tone])) for each in lines), indent=indent
    )
