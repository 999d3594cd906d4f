# SPDX-License-Identifier: GPL-3.0-or-later
"""A hardening at a shell: per host what is done, what is not, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Column, Table
from rich.text import Text

from storewarden.adapters.reports.harden_view import HostRows, host_rows, score_line
from storewarden.adapters.reports.harden_words import Words
from storewarden.adapters.reports.html import moment
from storewarden.adapters.reports.terminal import Terminal
from storewarden.adapters.reports.values import clean
from storewarden.domain.baseline.harden_gate import minutes
from storewarden.ports.harden import Deed, HardenReport
from storewarden.ports.reports import Page

_MOST_HOSTS = 40  # shown in full; the others are in JSON and HTML
_MOST_LINES = 40


class Sheet(Terminal):
    """What a hardening report is written on: lines, headings, columns."""

    def __init__(self, page: Page) -> None:
        super().__init__(page)
        self.words = Words(page.language)

    def say(self, text: str | Text = "", style: str = "") -> None:
        """A line."""
        self._console.print(text, style=style or None, soft_wrap=False)

    def title(self, text: str) -> None:
        """A heading after an empty line."""
        self.say()
        self.say(Text(text, style="bold"))

    def table(self, columns: Iterable[Column], rows: Iterable[Sequence[str | Text]]) -> None:
        """Rows under columns, without lines."""
        table = Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
        for row in rows:
            table.add_row(*row)
        self._console.print(table)

    def pairs(self, rows: Iterable[tuple[str, str | Text]], *, indent: int, gap: int = 2) -> None:
        """Labels with their texts, folded beside them; empty texts are left out."""
        table = Table.grid(padding=(0, gap, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(ratio=1, overflow="fold")
        for label, text in rows:
            if text:
                table.add_row(" " * indent + label, text)
        self._console.print(table)


def render(report: HardenReport, page: Page) -> str:
    """The whole text."""
    sheet = Sheet(page)
    words = sheet.words
    _head(sheet, report)
    rows = host_rows(report, words)
    for row in rows[:_MOST_HOSTS]:
        _host(sheet, report, row)
    if len(rows) > _MOST_HOSTS:
        sheet.say(words("more", count=len(rows) - _MOST_HOSTS))
    _undone(sheet, report)
    if report.troubles:
        sheet.title(words["troubles"])
        for trouble in report.troubles:
            sheet.say(clean(trouble), "yellow")
    return sheet.text()


def _head(sheet: Sheet, report: HardenReport) -> None:
    words = sheet.words
    parts = [words[f"title_{report.deed.value}"]]
    parts += [report.session or report.change] if report.change else []
    parts += [moment(report.at, report.zone), f"{words['by']} {clean(report.by)}"]
    sheet.say(Text(" · ".join(part for part in parts if part), style="bold"))
    if report.interrupted:
        sheet.say(words["interrupted"], "yellow")
    line = score_line(report, words)
    if line:
        sheet.say(line)
    if report.deed is Deed.PLAN:
        sheet.say(words("max_risk", risk=report.max_risk.value))
        if report.needs is not None:
            sheet.say(words("needs", minutes=minutes(report.needs)))
        return
    found, back = report.conclusion, "back" if report.deed is Deed.UNDO else "stands"
    counts = (("well", found.well), ("missed", found.missed), ("untouched", found.untouched),
              ("open", found.open))  # fmt: skip
    told = [f"{words[f'{back}_{key}']} {len(hosts)}" for key, hosts in counts if hosts]
    sheet.say("   ".join(told))


def _host(sheet: Sheet, report: HardenReport, row: HostRows) -> None:
    words = sheet.words
    fixes = words("fixes", count=len(row.fixes)) if row.fixes else words["no_fixes"]
    state = fixes if report.deed is Deed.PLAN and not row.message else row.stands
    sheet.title(f"{row.host}: {state}" + (f": {row.message}" if row.message else ""))
    if report.deed is Deed.PLAN:
        _plan(sheet, row)
    elif row.groups:
        _groups(sheet, row)
    if row.open and report.deed is Deed.PLAN:
        sheet.say(Text(f"{words['not_fixed']} ({len(row.open)})"))
        columns = (
            Column(no_wrap=True),
            Column(max_width=44, overflow="fold"),
            Column(ratio=1, overflow="fold"),
        )
        sheet.table(columns, [(f"  {each.control}", each.why, each.now) for each in row.open])


def _plan(sheet: Sheet, row: HostRows) -> None:
    """A few lines per control: values are too wide for columns."""
    words, group = sheet.words, ""
    for each in row.fixes:
        if each.group != group:
            group = each.group
            if each.refused:
                sheet.pairs([(f"{group}:", Text(each.outcome, style="yellow"))], indent=2, gap=1)
            else:
                sheet.say(Text(f"  {group}", style="bold"))
        title = Text(each.title, style="red" if each.risk == "R3" else "")
        sheet.pairs([(f"{each.control} {each.risk}", title)], indent=4, gap=1)
        sheet.pairs(
            [
                (words["now"], each.now),
                (words["after"], each.after),
                (words["cannot"], Text(each.problem, style="yellow")),
                (words["does"], each.does),
                (words["lockout"], Text(each.lockout, style="red")),
            ],
            indent=6,
        )


def _groups(sheet: Sheet, row: HostRows) -> None:
    words = sheet.words
    columns = (
        Column(words["group"], no_wrap=True),
        Column(words["outcome"], no_wrap=True),
        Column(words["control"], ratio=1, overflow="fold"),
        Column(words["reason"], ratio=2, overflow="fold"),
        Column(words["point"], no_wrap=True, overflow="fold"),
    )
    sheet.table(
        columns,
        [
            (
                each.group,
                Text(each.outcome, style="green" if each.good else "red"),
                each.controls,
                each.reason,
                each.point,
            )
            for each in row.groups
        ],
    )


def _undone(sheet: Sheet, report: HardenReport) -> None:
    """Whether an undo brought everything back."""
    words = sheet.words
    if report.deed is not Deed.UNDO:
        return
    sheet.say()
    if report.after is None or not report.earlier:
        sheet.say(words["not_compared"])
    elif not report.differences:
        sheet.say(words("same_after", audit=clean(report.earlier)))
    else:
        sheet.say(Text(words("differences", count=len(report.differences)), style="bold"))
        for line in differences(report, words)[:_MOST_LINES]:
            sheet.say(line)
    if report.left_over:
        sheet.say(words("left_over", hosts=clean(", ".join(report.left_over))), "yellow")


def differences(report: HardenReport, words: Words) -> list[str]:
    """One line per control that an undo left other than it was."""
    return [
        words(
            "difference",
            host=clean(each.host),
            control=each.control,
            before=words[f"verdict_{each.before.value}"],
            now=words[f"verdict_{each.now.value}"],
        )
        for each in report.differences
    ]
