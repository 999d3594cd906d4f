# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture that fits: parts give up rows, the least important first, until a screen holds all.

A screen that scrolls while it is watched shows the end of a picture, and what matters stands at
its beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from storewarden.adapters.reports.harden_table import Sheet
from storewarden.adapters.reports.rollout_status_words import Words
from storewarden.ports.reports import Page
from storewarden.ports.rollout_status import RolloutStatus

_MARGIN = 4  # before a label, and between it and its text


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What parts draw from; ``tight`` when there is a screen to fit into."""

    status: RolloutStatus
    words: Words
    page: Page
    tight: bool = False

    def rows(self, sheet: Sheet, pairs: Sequence[tuple[str, str]]) -> None:
        """Labels and texts. On a screen each has one line, however long it is: the next one
        matters more than its end."""
        label = max((cell_len(label) for label, _ in pairs), default=0)
        room = max(self.page.width - label - _MARGIN, 1)
        shown = [(label, Text(text)) for label, text in pairs]
        for _, text in shown:
            if self.tight:
                text.truncate(room, overflow="ellipsis")
        sheet.pairs(shown, indent=2)


type Draw = Callable[[Sheet, View, int], int]
"""Draws at most so many rows, and a line about the others; how many rows there are in all. With
no row there is nothing to draw, no heading either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a picture. It has ``most`` rows where there is room, and gives up rows down to
    ``least`` before a part of the next ``weight`` gives up any; when that is not enough, it goes
    altogether, unless it is ``fixed``: then all of it stays."""

    draw: Draw
    most: int = 1
    least: int = 1
    weight: int = 0
    fixed: bool = False


@dataclass(slots=True)
class _Drawn:
    part: Part
    limit: int
    lines: list[str]
    rows: int

    def shrink(self, view: View, excess: int, least: int) -> int:
        """Give up to ``excess`` lines up; how many are too many then."""
        while excess > 0 and self.limit > least and self.lines:
            before = len(self.lines)
            self.limit = max(least, min(self.limit, self.rows) - excess)
            self.lines, self.rows = _lines(self.part, view, self.limit)
            excess -= before - len(self.lines)
        return excess

    def grow(self, view: View, room: int) -> int:
        """Take rows back that fit into ``room`` lines; how many are left then."""
        for limit in range(min(self.limit + room, self.part.most), self.limit, -1):
            lines, rows = _lines(self.part, view, limit)
            if len(lines) - len(self.lines) <= room:
                room -= len(lines) - len(self.lines)
                self.limit, self.lines, self.rows = limit, lines, rows
                break
        return room


def fitted(parts: Sequence[Part], view: View, rows: int) -> str:
    """All parts, one below the other; at most ``rows`` lines unless it is 0."""
    drawn = [_drawn(part, view) for part in parts]
    excess = sum(len(each.lines) for each in drawn) - rows if rows else 0
    giving = sorted((d for d in drawn if not d.part.fixed), key=lambda each: each.part.weight)
    for each in giving:
        excess = each.shrink(view, excess, each.part.least)
    for each in giving:
        excess = each.shrink(view, excess, 0)
    for each in reversed(giving) if excess < 0 < rows else ():  # a part that went left more room
        excess = -each.grow(view, -excess)
    lines = [line for each in drawn for line in each.lines]
    return "\n".join(lines[:rows] if rows else lines) + "\n"


def _drawn(part: Part, view: View) -> _Drawn:
    lines, rows = _lines(part, view, part.most)
    return _Drawn(part, part.most, lines, rows)


def _lines(part: Part, view: View, limit: int) -> tuple[list[str], int]:
    if limit <= 0:
        return [], 0
    sheet = Sheet(view.page)
    rows = part.draw(sheet, view, limit)
    return sheet.text().splitlines() if rows else [], rows
