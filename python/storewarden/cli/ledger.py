# SPDX-License-Identifier: GPL-3.0-or-later
"""``storewarden ledger``: looking after the record itself."""

from __future__ import annotations

import typer

from storewarden.cli.exits import Exit
from storewarden.cli.options import Config, site_config
from storewarden.wiring import open_site

ledger = typer.Typer(help="The record of everything that was done.", no_args_is_help=False)


@ledger.callback()
def _group() -> None:
    """The record of everything that was done."""


@ledger.command()
def verify(config: Config = None) -> int:
    """Replay the journal: was any entry altered, removed, cut off or re-ordered?"""
    with open_site(site_config(config)) as site:
        found = site.verify_ledger()
    for problem in found.problems:
        typer.echo(f"{problem.where}: {problem.what}")
    head = f"{found.entries} entries, head {found.head}"
    typer.echo(f"{'PROBLEMS' if found.problems else 'OK'}: {head}")
    return Exit.BELOW if found.problems else Exit.FINE
