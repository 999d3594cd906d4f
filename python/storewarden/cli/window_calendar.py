# SPDX-License-Identifier: GPL-3.0-or-later
"""The next days as blocks of half hours, one block for each group of stores that look alike.

A day is a line of 48 signs, so that it fits beside its names in 80 columns. Every sign means
the same with and without colour.
"""

from __future__ import annotations

import io
from itertools import groupby

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from storewarden.cli.window_words import DAYS, LEGEND, WORDS
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.maintenance.outlook import CELLS, Cell, Day
from storewarden.domain.maintenance.words import operation_name
from storewarden.flows.window import Grouping, GroupOutlook, Outlooks
from storewarden.ports.reports import Page

_SIGNS = {
    Cell.OPEN: ("█", "green"),
    Cell.PARTLY: ("▒", "yellow"),
    Cell.NO_WINDOW: ("·", "dim"),
    Cell.HOURS: ("-", "dim"),
    Cell.BLACKOUT: ("x", "red"),
    Cell.HOLIDAY: ("h", "magenta"),
    Cell.CAMPAIGN: ("c", "red"),
    Cell.SKIPPED: (" ", ""),
}
_EVERY = 3  # hours between the figures above the columns
_LABEL = 11  # columns: "Mon 06-15"


def drawn(found: Outlooks, operation: OperationClass, grouping: Grouping, page: Page) -> str:
    """The whole text; with escape codes only when ``page.colour``."""
    sheet = _Sheet(page)
    sheet.title(found, operation)
    for group in found.groups:
        sheet.block(group, grouping)
    sheet.legend()
    return sheet.text()


class _Sheet:
    """One calendar being drawn."""

    def __init__(self, page: Page) -> None:
        self._words = WORDS[page.language.value]
        self._language = page.language.value
        self._width = page.width
        self._out = io.StringIO()
        self._console = Console(
            file=self._out,
            width=page.width,
            force_terminal=page.colour,
            color_system="standard" if page.colour else None,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )

    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self._out.getvalue().splitlines()) + "\n"

    def title(self, found: Outlooks, operation: OperationClass) -> None:
        days = found.groups[0].days if found.groups else ()
        line = self._words["title"].format(
            operation=operation_name(operation, self._language),
            days=len(days),
            first=days[0].day if days else "",
        )
        self._console.print(Text(line, style="bold"))
        if found.provisional:
            years = ", ".join(str(year) for year in found.provisional)
            line = self._words["provisional"].format(years=years)
            self._console.print(Text(line, style="yellow"))

    def block(self, group: GroupOutlook, grouping: Grouping) -> None:
        self._console.print()
        self._console.print(Text(self._heading(group, grouping), style="bold"))
        self._console.print(Text(" " * _LABEL + _hours(), style="dim"))
        for day in group.days:
            self._console.print(self._line(day))

    def _heading(self, group: GroupOutlook, grouping: Grouping) -> str:
        store = grouping is Grouping.STORE
        nobody = self._words["no_store" if store else "no_region"]
        several = store and len(group.names) > 1
        line = self._words["stores" if several else "store"]
        values = {
            "roles": ", ".join(role or self._words["no_role"] for role in group.roles),
            "count": len(group.names),
            "devices": group.devices,
            "zones": ", ".join(group.zones),
        }
        names = [name or nobody for name in group.names]
        room = self._width - cell_len(line.format(names="", **values))
        return line.format(names=_fitting(names, room), **values)

    def _line(self, day: Day) -> Text:
        name = f"{DAYS[self._language][day.day.weekday()]} {day.day:%m-%d}"
        line = Text(name + " " * (_LABEL - cell_len(name)))
        for cell, run in groupby(day.cells):
            sign, style = _SIGNS[cell]
            line.append(sign * len(list(run)), style=style)
        line.append("  ")
        names = Text(", ".join(day.names), style="dim")
        names.truncate(max(self._width - _LABEL - CELLS - 2, 1), overflow="ellipsis")
        return line.append_text(names)

    def legend(self) -> None:
        self._console.print()
        line = Text()
        for cell, words in LEGEND.items():
            sign, style = _SIGNS[cell]
            word = f" {words[self._language == 'zh']}"
            room = self._width - cell_len(line.plain)
            if line.plain and cell_len(sign + word) + 3 > room:
                self._console.print(line)
                line = Text()
            line.append("   " if line.plain else "").append(sign, style=style).append(word)
        self._console.print(line)


def _hours() -> str:
    """Figures over the signs: two signs are an hour."""
    figures = (str(hour) for hour in range(0, CELLS // 2, _EVERY))
    return "".join(figure.ljust(_EVERY * 2) for figure in figures) + str(CELLS // 2)


def _fitting(names: list[str], room: int) -> str:
    """As many names as fit, and an ellipsis for the rest; always at least one."""
    whole = ", ".join(names)
    shown = len(names)
    while cell_len(whole) > room and shown > 1:
        shown -= 1
        whole = ", ".join([*names[:shown], "…"])
    return whole
