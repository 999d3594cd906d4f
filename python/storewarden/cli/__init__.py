# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: parse, call, print. What is decided is decided elsewhere."""

from __future__ import annotations

import signal
import sys
from types import FrameType


def _terminated(_number: int, _frame: FrameType | None) -> None:
    """TERM is Ctrl-C from somebody who has no keyboard."""
    raise KeyboardInterrupt


def main() -> int:
    """Entry point of ``storewarden``; the exit status (see ``cli.exits``)."""
    try:
        signal.signal(signal.SIGTERM, _terminated)
        from storewarden.cli.guard import guarded  # noqa: PLC0415 - Ctrl-C may come this early

        return guarded()
    except KeyboardInterrupt:
        sys.stderr.write("storewarden: interrupted\n")
        return 130
