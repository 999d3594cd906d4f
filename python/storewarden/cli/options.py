# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several commands share, and where their output goes."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated

import typer

from storewarden.cli.printing import printable
from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.ports.reports import AuditReport, Format, Language, Page
from storewarden.wiring import rendered

if TYPE_CHECKING:
    from storewarden.config import SiteConfig

Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="The site's storewarden.yml.")
]
Shape = Annotated[Format, typer.Option("--format", help="The shape of the report.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write the report here, not to stdout."),
]
Since = Annotated[
    str,
    typer.Option(
        "--since",
        metavar="last|AUDIT|DATE",
        help="Show the drift alone: what changed since then.",
    ),
]
Lang = Annotated[
    Language | None, typer.Option("--lang", help="The report's language; the site's by default.")
]

NARROWEST, WIDEST = 80, 140  # columns of a table; a log gets 100


def site_config(path: Path | None) -> SiteConfig:
    """The settings of the site this command is called in."""
    from storewarden.config import load_config  # noqa: PLC0415 - costs 0.3 s, --help needs none

    return load_config(path, os.environ, Path.cwd())


def percentage(text: str) -> Fraction | None:
    """``--fail-under`` as a number of percent; None when it is not given."""
    if not text:
        return None
    if not re.fullmatch(r"\d{1,3}(\.\d+)?%?", text.strip()) or Fraction(text.rstrip("% ")) > 100:
        raise ConfigInvalid(
            f"{text!r} is not a percentage", where="--fail-under", hint="a number from 0 to 100"
        )
    return Fraction(text.strip().rstrip("%"))


def page_for(language: Language | None, config: SiteConfig, *, drift_only: bool) -> Page:
    """How the report looks here: as wide as the terminal, in colour only on one."""
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    width = get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100
    return Page(
        language=language or Language(config.site.language),
        width=min(max(width, NARROWEST), WIDEST),
        colour=colour,
        drift_only=drift_only,
    )


def check_output(output: Path | None) -> None:
    """Refuse a file that cannot be written before an hour is spent on what goes into it."""
    if output is None:
        return
    if output.is_dir():
        raise ConfigInvalid("is a folder", where=str(output), hint="name a file")
    folder = output.resolve().parent
    if _in_place(output):
        return
    if not folder.is_dir():
        raise ConfigInvalid("no such folder", where=str(folder), hint="make it first")
    if not os.access(folder, os.W_OK):
        raise ConfigInvalid("cannot be written", where=str(folder), hint="named by --output")


def deliver(report: AuditReport, shape: Format, page: Page, output: Path | None) -> None:
    """Write the report to stdout or, whole or not at all, to ``output``."""
    if output is not None or sys.stdout.isatty() is False or shape is not Format.HTML:
        plain = page if output is None else Page(language=page.language, drift_only=page.drift_only)
        text = rendered(report, shape, plain)
        if output is None:
            _print_whole(text.encode("utf-8", "backslashreplace"))
            return
    else:  # a page of HTML helps nobody on a terminal
        output = Path(f"storewarden-{report.audit.id}.html")
        text = rendered(report, shape, page)
    _replace(output, text, f"the audit is recorded: storewarden report {report.audit.id}")
    say(f"report written to {output}")


def write_out(text: str, output: Path | None) -> None:
    """Write ``text`` to stdout or, whole or not at all, to ``output``."""
    if output is None:
        _print_whole(text.encode("utf-8", "backslashreplace"))
        return
    _replace(output, text, "")
    say(f"written to {output}")


def _print_whole(data: bytes) -> None:
    """All of ``data`` to stdout: under PYTHONUNBUFFERED a write takes what the pipe holds."""
    sys.stdout.flush()
    rest = memoryview(data)
    while rest:
        rest = rest[sys.stdout.buffer.write(rest) :]
    sys.stdout.flush()


def _in_place(output: Path) -> bool:
    """A device or a pipe is written into; renaming a file over /dev/null would replace it."""
    return output.exists() and not output.is_file()


def _replace(output: Path, text: str, hint: str) -> None:
    try:
        if _in_place(output):
            with output.open("w", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(text)
        else:
            _rename_over(output.resolve(), text)
    except OSError as error:
        raise AdapterError(
            f"cannot be written: {error.strerror}",
            where=str(output),
            hint=hint,
        ) from error


def _rename_over(target: Path, text: str) -> None:
    """The whole text or nothing under the name ``target``."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(text)
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(target)
    except OSError:
        with suppress(OSError):
            Path(name).unlink()
        raise


def say(line: str) -> None:
    """One line for the operator, beside the report."""
    typer.echo(f"storewarden: {printable(line)}", err=True)
