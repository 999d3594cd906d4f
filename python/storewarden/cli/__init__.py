# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: parse, call, print. What is decided is decided elsewhere."""

from __future__ import annotations


def main() -> int:
    """Entry point of ``storewarden``; the exit status (see ``cli.exits``)."""
    from storewarden.cli.guard import guarded  # noqa: PLC0415 - so that even this is guarded

    return guarded()
