# SPDX-License-Identifier: GPL-3.0-or-later
"""``storewarden ledger``: looking after the record itself."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storewarden.cli.exits import Exit
from storewarden.cli.options import Config, say, site_config
from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.wiring import open_site

if TYPE_CHECKING:
    from storewarden.ports.ledger import Verification
    from storewarden.wiring.records import Expiry

ledger = typer.Typer(help="The record of everything that was done.", no_args_is_help=False)

Anchors = Annotated[
    list[str] | None,
    typer.Option("--anchor", metavar="ENTRY:HASH", help="A hash from a ticket or a message."),
]
New = Annotated[Path, typer.Argument(metavar="FILE", help="A new file.")]
Old = Annotated[Path, typer.Argument(metavar="FILE", help="The file to read.")]


@ledger.callback()
def _group() -> None:
    """The record of everything that was done."""


@ledger.command()
def verify(anchor: Anchors = None, config: Config = None) -> int:
    """Replay the journal: was any entry altered, removed, cut off or re-ordered?"""
    from storewarden.wiring import records  # noqa: PLC0415 - costs 0.3 s, --help needs none

    known = records.known_anchors(anchor or ())
    with open_site(site_config(config)) as site:
        return _told(site.verify_ledger(known))


@ledger.command()
def backup(file: New, config: Config = None) -> int:
    """Copy the ledger and its documents while it is used; the copy is verified."""
    from storewarden.wiring import records  # noqa: PLC0415

    with open_site(site_config(config)) as site:
        made = records.backup(site, file)
    typer.echo(f"{file}: {made.entries} entries, head {made.head}")
    typer.echo(f"{made.size} bytes, sha256 {made.sha256}")
    return Exit.FINE


@ledger.command()
def restore(
    file: Old,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of a ledger, which is kept.")
    ] = False,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Give up entries that the backup lacks.")
    ] = False,
    config: Config = None,
) -> int:
    """Put a backup in place, verified first; nothing else may use the ledger then."""
    from storewarden.wiring import records  # noqa: PLC0415

    with open_site(site_config(config)) as site:
        made = records.restored(site, file, replace=replace, accept_loss=accept_loss)
        place = site.config.ledger
    typer.echo(f"{place}: restored up to entry {made.backup.sequence}, hash {made.backup.hash}")
    if made.kept is not None:
        typer.echo(f"the old ledger is kept as {made.kept}")
    if made.given_up is None:
        typer.echo("the old ledger could not be read; what was given up is not known")
    elif made.given_up:
        typer.echo(f"entries given up: {made.given_up}")
    return Exit.FINE


@ledger.command()
def export(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="A new file.")] = None,
    config: Config = None,
) -> int:
    """Write the journal as lines of JSON, which any machine can check."""
    from storewarden.wiring import records  # noqa: PLC0415

    with open_site(site_config(config)) as site:
        lines = records.exported(site)
        if file is None:
            for line in lines:
                typer.echo(line)
            return Exit.FINE
        number = _written(file, lines)
    say(f"{number} entries exported to {file}")
    return Exit.FINE


@ledger.command("check-export")
def check_export(
    file: Old,
    anchor: Anchors = None,
    anchors: Annotated[
        Path | None, typer.Option("--anchors", metavar="FILE", help="The anchor file, if any.")
    ] = None,
) -> int:
    """Verify an exported journal; needs no site and no ledger."""
    from storewarden.wiring import records  # noqa: PLC0415

    return _told(records.check_export(file, records.known_anchors(anchor or ()), anchors))


@ledger.command()
def expire(
    change: Annotated[
        str,
        typer.Option("--change", metavar="NUMBER", help="Delete, under this approved change."),
    ] = "",
    before: Annotated[
        str, typer.Option("--before", metavar="DATE", help="Only what is older than this.")
    ] = "",
    config: Config = None,
) -> int:
    """Show what evidence is past its retention; delete it under an approved change."""
    from storewarden.wiring import records  # noqa: PLC0415

    with open_site(site_config(config)) as site:
        if change:
            _say_expiry("deleted", records.expire(site, change, _day(before)))
            return Exit.FINE
        found = records.expirable(site, _day(before))
    _say_expiry("past its retention", found)
    if found.results or found.documents:
        typer.echo(
            "to delete it: open a change with the operation record-deletion, have it approved,"
            " start it, then run this again with --change NUMBER"
        )
    return Exit.FINE


def _told(found: Verification) -> int:
    for problem in found.problems:
        typer.echo(f"{problem.where}: {problem.what}")
    for note in found.notes:
        typer.echo(f"note: {note.where}: {note.what}")
    head = f"{found.entries} entries, head {found.head}"
    typer.echo(f"{'PROBLEMS' if found.problems else 'OK'}: {head}")
    return Exit.BELOW if found.problems else Exit.FINE


def _say_expiry(what: str, found: Expiry) -> None:
    parts = f"{found.results} results ({found.size} bytes), {found.documents} documents"
    typer.echo(f"evidence from before {found.before.date()} {what}: {parts}")


def _day(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise ConfigInvalid(
            f"{text!r} is no date", where="--before", hint="write it like 2026-01-31"
        ) from None


def _written(file: Path, lines: Iterable[str]) -> int:
    """The lines in a new file (0600), whole or not at all; how many entries they are."""
    aside = file.with_name(f".{file.name}.new")
    if file.exists():
        raise ConfigInvalid("is there already", where=str(file), hint="name a new file")
    number = 0
    try:
        handle = os.open(aside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            for line in lines:
                stream.write(f"{line}\n")
                number += 1
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(file)
    except OSError as failure:
        aside.unlink(missing_ok=True)
        raise AdapterError(f"cannot be written: {failure.strerror}", where=str(file)) from failure
    return number - 1  # the last line is the head
