# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden heal import`: rulebooks of ansible-rulebook as a rules file, and what is left."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from storewarden.cli.exits import Exit
from storewarden.cli.options import Lang, say
from storewarden.ports.reports import Language

_HEADS = {
    Language.EN: ("not taken over:", "taken over with a difference:"),
    Language.ZH: ("未能转换：", "已转换，但有差异："),
}


def import_(
    rulebooks: Annotated[
        list[Path], typer.Argument(metavar="RULEBOOK...", help="Rulebooks of ansible-rulebook.")
    ],
    *,
    mapping: Annotated[
        Path,
        typer.Option("--mapping", metavar="FILE", help="What answers instead of each playbook."),
    ],
    lang: Lang = None,
) -> int:
    """Make heal rules of rulebooks; the rules go to stdout, what could not be said to stderr."""
    from storewarden.config.rulebook import (  # noqa: PLC0415 - YAML
        Imported,
        import_rulebook,
        read_mapping,
    )

    mapped = read_mapping(mapping)
    found = [import_rulebook(each, mapped) for each in rulebooks]
    whole = Imported(
        entries=tuple(entry for each in found for entry in each.entries),
        left=tuple(left for each in found for left in each.left),
        notes=tuple(note for each in found for note in each.notes),
    )
    typer.echo(whole.text(), nl=False)
    heads = _HEADS[lang or Language.EN]
    for head, told in zip(heads, (whole.left, whole.notes), strict=True):
        for place, each in enumerate(told):
            if not place:
                say(head)
            say(f"  {each}")
    return Exit.FINE
