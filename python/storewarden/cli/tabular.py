# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of text in columns, as wide as what stands in them; Chinese characters take two."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from storewarden.cli.printing import padded, printable

_BELOW = "    "


def table(rows: Sequence[Sequence[str]]) -> str:
    """``rows``, the head among them, as lines; the last column is not filled up."""
    clean = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*clean, strict=True)]
    lines = []
    for row in clean:
        filled = [padded(cell, width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join((*filled[:-1], row[-1])).rstrip())
    return "\n".join(lines)


def folded(rows: Sequence[Sequence[str]], lead: int, columns: int) -> str:
    """``rows`` for a terminal of ``columns`` that a table does not fit into.

    The first ``lead`` cells stay in columns; what follows goes on behind them as far as there
    is room, and then on lines of its own below. Nothing is cut: a cell that no line holds is
    broken.
    """
    clean = [[printable(cell) for cell in row] for row in rows]
    widths = [
        max(map(_width, column)) for column in zip(*(row[:lead] for row in clean), strict=True)
    ]
    lines: list[str] = []
    for row in clean:
        lines.append(
            "  ".join(padded(cell, width) for cell, width in zip(row, widths, strict=False))
        )
        for cell in filter(None, row[lead:]):
            _go_on(lines, cell, columns)
    return "\n".join(line.rstrip() for line in lines)


def _go_on(lines: list[str], cell: str, columns: int) -> None:
    """Put ``cell`` behind the last line, or on as many below as it takes."""
    if _width(lines[-1]) + 2 + _width(cell) <= columns:
        lines[-1] += f"  {cell}"
        return
    lines.append(_BELOW)
    for letter in cell:
        if _width(lines[-1]) + _width(letter) > columns:
            lines.append(_BELOW)
        lines[-1] += letter


def widest(text: str) -> int:
    """Columns that the longest line of ``text`` takes."""
    return max(map(_width, text.splitlines()), default=0)


def _width(text: str) -> int:
    return len(text) + sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
