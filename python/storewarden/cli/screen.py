# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture that stays in its place on a terminal while it changes.

It is drawn on the terminal's other screen, over what stood there and in one write, so that it
neither flickers nor scrolls, and what the operator had on the screen is there again afterwards.
"""

from __future__ import annotations

import os
import sys
from shutil import get_terminal_size
from types import TracebackType
from typing import Self, TextIO

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"  # other screen, no cursor, long lines are cut
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_HOME, _END_OF_LINE, _BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


def can_redraw() -> bool:
    """Whether stdout is a terminal that can move its cursor."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class Screen:
    """Use it in a ``with``."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._shown: tuple[str, tuple[int, int]] = ("", (0, 0))

    def __enter__(self) -> Self:
        """The other screen, empty."""
        self._write(_ENTER)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Back to what stood there before."""
        self._write(_LEAVE)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines, as they are now."""
        found = get_terminal_size((80, 24))
        return found.columns, found.lines

    def draw(self, text: str) -> None:
        """Show ``text``; nothing is sent when it stands there already."""
        lines = text.splitlines()[: self.size[1]]
        # Emptied first: behind a line that is as wide as the terminal its last letter would go.
        below = f"\n{_BELOW}" if len(lines) < self.size[1] else ""
        picture = _HOME + "\n".join(f"{_END_OF_LINE}{line}" for line in lines) + below
        if (picture, self.size) != self._shown:
            self._write(picture)
            self._shown = (picture, self.size)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
