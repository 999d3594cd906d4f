# SPDX-License-Identifier: GPL-3.0-or-later
"""``storewarden notify``: which channels there are, and whether one of them is heard.

A channel is found broken when it is needed, unless somebody tries it before. A test goes out
at once and past the outbox: it is no news, so nothing of it is recorded.
"""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer

from storewarden.cli.exits import Exit
from storewarden.cli.options import Config, site_config
from storewarden.cli.printing import printable

notify = typer.Typer(help="The channels to people: which there are, and a test.")

Channel = Annotated[str, typer.Argument(metavar="CHANNEL", help="Its name in storewarden.yml.")]
To = Annotated[
    list[str] | None,
    typer.Option("--to", metavar="ADDRESS", help="Also to this address; again for more."),
]
_HEAD = ("CHANNEL", "TYPE", "LANGUAGE", "SEVERITIES", "STATE")


@notify.callback()
def _group() -> None:
    """The channels to people: which there are, and a test."""


@notify.command(name="list")
def list_channels(
    *,
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> int:
    """List the channels; 1 when the settings of one cannot be used. Nothing is sent."""
    from storewarden.wiring.notify import listed_channels  # noqa: PLC0415 - costs 0.2 s

    found = listed_channels(site_config(config), os.environ)
    if as_json:
        rows = [
            {
                "channel": each.name,
                "type": each.type,
                "language": each.language,
                "severities": list(each.severities),
                "trouble": each.trouble,
            }
            for each in found
        ]
        typer.echo(json.dumps({"channels": rows}, ensure_ascii=False, indent=2))
    elif not found:
        typer.echo("no channels: nobody is told of anything (docs/operators/notifications.md)")
    else:
        cells = [
            (each.name, each.type, each.language, ",".join(each.severities), each.trouble or "ok")
            for each in found
        ]
        typer.echo(_table([_HEAD, *(tuple(printable(cell) for cell in row) for row in cells)]))
    return Exit.BELOW if any(each.trouble for each in found) else Exit.FINE


@notify.command()
def test(channel: Channel, *, to: To = None, config: Config = None) -> int:
    """Send a test message to one channel and say what the other side answered."""
    from storewarden.wiring.notify import send_trial  # noqa: PLC0415

    answer = send_trial(site_config(config), os.environ, channel, tuple(to or ()))
    typer.echo(printable(f"{channel}: taken: {answer}" if answer else f"{channel}: taken"))
    return Exit.FINE


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    )
