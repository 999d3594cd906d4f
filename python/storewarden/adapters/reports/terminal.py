# SPDX-License-Identifier: GPL-3.0-or-later
"""Text for a terminal or a log, of a given width, with colour only where somebody sees it."""

from __future__ import annotations

import io

from rich.console import Console

from storewarden.ports.reports import Page


class Terminal:
    """Collects what is printed."""

    def __init__(self, page: Page) -> None:
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
        """What was written, without blanks at line ends."""
        return "\n".join(line.rstrip() for line in self._out.getvalue().splitlines()) + "\n"
