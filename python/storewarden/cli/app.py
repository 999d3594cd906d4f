# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands, in the order of ``storewarden --help``."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any

import typer

import storewarden
from storewarden.cli.exits import Exit
from storewarden.cli.group import Group

_MODULES = {  # verb -> the module of storewarden.cli that has it under its own name
    "audit": "audit",
    "report": "audit",
    "compliance": "compliance",
    "drift": "drift",
    "waiver": "waiver",
    "harden": "harden",
    "rollout": "rollout_verbs",
    "heal": "heal_verbs",
    "chaos": "chaos",
    "incident": "incident",
    "backup": "backup",
    "drill": "drill",
    "restore": "restore",
    "change": "change",
    "person": "person",
    "ledger": "ledger",
    "window": "window",
    "serve": "serve",
    "worker": "worker",
    "outbox": "outbox",
    "notify": "notify",
    "doctor": "doctor",
    "init": "init",
}


class Verbs(Group):
    """The verbs; the module of one is imported when it is asked for, as all cost 0.3 s."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the base class gives it
        """The names, in the order of the help."""
        return [*_MODULES, *(name for name in self.commands if name not in _MODULES)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb, None when there is none of that name."""
        if cmd_name not in self.commands and cmd_name in _MODULES:
            module = import_module(f"storewarden.cli.{_MODULES[cmd_name]}")
            self.commands[cmd_name] = _command(cmd_name, getattr(module, cmd_name))
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb of a command line; for a word that is none, all are loaded to suggest one."""
        if args and args[0] not in _MODULES:
            for name in _MODULES:
                self.get_command(ctx, name)
        return super().resolve_command(ctx, args)


def _command(name: str, verb: Any) -> Any:
    """What Typer makes of a verb: a function, or a group of verbs."""
    holder = typer.Typer(add_completion=False, rich_markup_mode=None)
    if isinstance(verb, typer.Typer):
        holder.add_typer(verb, name=name)
    else:
        holder.command(name)(verb)
    return typer.main.get_group(holder).commands[name]


app = typer.Typer(
    cls=Verbs,
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
