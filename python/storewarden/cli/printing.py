# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes to a terminal is text: nothing in it may move its cursor or turn its letters round.

Much of what we print was said by others (people, ticket systems, inventories), and most of
it was checked at some door; here is the last one, for whatever had another way in.
"""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    """``text`` on one line, with a blank for each letter that is not seen but obeyed."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def padded(text: str, width: int) -> str:
    """Filled up to ``width`` columns; a Chinese character takes two."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return text + " " * max(width - len(text) - wide, 0)
