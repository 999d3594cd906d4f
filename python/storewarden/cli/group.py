# SPDX-License-Identifier: GPL-3.0-or-later
"""Ctrl-C and a closed pipe, carried past the parser.

Typer answers both by itself (status 130 without a word, and status 1). Our table
of exit codes has other answers, so they leave the command under other names.
"""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup


class Interrupted(Exception):
    """Ctrl-C while a command ran."""


class ReaderGone(Exception):
    """Whoever read our output has closed it."""


class Group(TyperGroup):
    """A group of commands that lets neither be swallowed."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Interrupted from error
        except BrokenPipeError as error:
            raise ReaderGone from error
