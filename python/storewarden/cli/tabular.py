# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of text in columns, as wide as what stands in them; Chinese characters take two."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from storewarden.cli.printing import padded, printable


def table(rows: Sequence[Sequence[str]]) -> str:
    """``rows``, the head among them, as lines; the last column is not filled up."""
    clean = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*clean, strict=True)]
    lines = []
    for row in clean:
        filled = [padded(cell, width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join((*filled[:-1], row[-1])).rstrip())
    return "\n".join(lines)


def _width(text: str) -> int:
    return len(text) + sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
