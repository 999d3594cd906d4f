# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden init DIR`: a new site that works as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
) -> None:
    """Lay out a site: settings, an inventory from a table of devices, waivers."""
    from storewarden.config.scaffold import write_site  # noqa: PLC0415 - only this command

    written = write_site(directory)
    for path in written:
        typer.echo(path)
    typer.echo(f"next: cd {directory}; put your devices into inventory/stores.csv; run")
    typer.echo("  storewarden doctor")
    typer.echo("  ansible-inventory --graph")
