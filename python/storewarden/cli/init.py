# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden init DIR`: a new site that works as it is."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

_NEXT = """\
next:
  cd {folder}
  put name, language and time zone of the site into storewarden.yml
  put your devices into inventory/stores.csv, then: ansible-inventory --graph
  put those who ask and approve into people.yml, then: storewarden person token NAME
  storewarden doctor
  storewarden window calendar      when work is allowed; rules of your own go into windows/
  storewarden audit
  storewarden serve                for changes
"""


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
) -> None:
    """Lay out a site: settings, inventory from a table of devices, people, windows, waivers."""
    from storewarden.config.scaffold import write_site  # noqa: PLC0415 - only this command

    written = write_site(directory)
    for path in written:
        typer.echo(path)
    typer.echo(_NEXT.format(folder=shlex.quote(str(directory))), nl=False)
