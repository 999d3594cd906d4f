# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever goes wrong, the operator reads one line and the shell gets one code.

A traceback is for us: it goes to a file, and the line names it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime

import typer

from storewarden.cli.exits import Exit, exit_of
from storewarden.cli.group import Interrupted, ReaderGone
from storewarden.cli.printing import printable
from storewarden.domain.errors import StorewardenError


def guarded(argv: Sequence[str] | None = None) -> int:
    """Run the command line; never raises."""
    try:
        return _run(argv)
    except (BrokenPipeError, ReaderGone):
        return _quiet()
    except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 - nothing may pass
        return _fail(*_told(error))


def _told(error: BaseException) -> tuple[str, Exit]:
    """The line and the code; an error that nobody foresaw is kept in a file."""
    match error:
        case StorewardenError():
            return str(error), exit_of(error)
        case typer.TyperException():
            return _usage(error), Exit.USAGE
        case KeyboardInterrupt() | Interrupted() | typer.Abort():
            return "interrupted", Exit.INTERRUPTED
        case OSError():
            return _system(error), Exit.FOREIGN
    head = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return f"a fault of storewarden itself: {head} (details: {_kept(error)})", Exit.BUG


def _run(argv: Sequence[str] | None) -> int:
    from storewarden.cli.app import app  # noqa: PLC0415 - a broken install must not escape

    arguments = list(argv) if argv is not None else None
    code = app(arguments, standalone_mode=False, prog_name="storewarden")
    if sys.stdout is not None:  # the shell may have closed it
        sys.stdout.flush()
    return int(code) if isinstance(code, int) else Exit.FINE


def _fail(line: str, code: Exit) -> int:
    try:
        print(f"storewarden: {printable(line)}", file=sys.stderr, flush=True)  # noqa: T201
    except BrokenPipeError:
        _quiet()
    return code


def _usage(error: typer.TyperException) -> str:
    """A usage error on one line, with where to read more."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "storewarden"
    said = " ".join(error.format_message().split()).rstrip(".").replace("Value error, ", "")
    return f"{said} ({command} --help)"


def _system(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def _quiet() -> int:
    """Nobody reads any more: say nothing, now and when Python closes the stream."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    return Exit.PIPE


def _kept(error: BaseException) -> str:
    """Where the traceback was written, for its owner alone."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    try:
        handle, path = tempfile.mkstemp(prefix=f"storewarden-fault-{stamp}-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            traceback.print_exception(error, file=stream)
    except OSError as failure:
        return f"not kept: {failure.strerror}"
    return path
