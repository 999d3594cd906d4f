# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands, in the order of ``storewarden --help``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import storewarden
from storewarden.cli.audit import audit, report
from storewarden.cli.change import change
from storewarden.cli.compliance import compliance
from storewarden.cli.doctor import doctor
from storewarden.cli.drift import drift
from storewarden.cli.exits import Exit
from storewarden.cli.group import Group
from storewarden.cli.harden import harden
from storewarden.cli.init import init
from storewarden.cli.ledger import ledger
from storewarden.cli.notify import notify
from storewarden.cli.outbox import outbox
from storewarden.cli.person import person
from storewarden.cli.rollout_verbs import rollout
from storewarden.cli.serve import serve
from storewarden.cli.waiver import waiver
from storewarden.cli.window import window
from storewarden.cli.worker import worker

app = typer.Typer(
    cls=Group,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def storewarden_command(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> int:
    """Keep the machines of a chain of stores hardened, and be able to prove it."""
    if version:
        typer.echo(f"storewarden {storewarden.__version__}")
        raise typer.Exit(Exit.FINE)
    if context.invoked_subcommand is None:
        sys.stderr.write(context.get_help() + "\n")
        raise typer.Exit(Exit.USAGE)
    return Exit.FINE


app.command()(audit)
app.command()(report)
app.command()(compliance)
app.add_typer(drift, name="drift")
app.add_typer(waiver, name="waiver")
app.add_typer(harden, name="harden")
app.add_typer(rollout, name="rollout")
app.add_typer(change, name="change")
app.add_typer(person, name="person")
app.add_typer(ledger, name="ledger")
app.add_typer(window, name="window")
app.command()(serve)
app.command()(worker)
app.add_typer(outbox, name="outbox")
app.add_typer(notify, name="notify")
app.command()(doctor)
app.command()(init)
