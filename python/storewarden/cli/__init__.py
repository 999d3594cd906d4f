# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: parse, call, print. What is decided is decided elsewhere."""

from __future__ import annotations

import sys


def main() -> int:
    """Entry point of ``storewarden``; the exit status (see ``cli.exits``)."""
    try:
        from storewarden.cli.guard import guarded  # noqa: PLC0415 - Ctrl-C may come this early

        return guarded()
    except KeyboardInterrupt:
        sys.stderr.write("storewarden: interrupted\n")
        return 130
