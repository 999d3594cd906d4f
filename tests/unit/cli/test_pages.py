# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator can type stands on the operator's page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from storewarden.cli.app import app

_PAGES = {
    "audit": "audit.md",
    "report": "audit.md",
    "drift": "drift.md",
    "compliance": "compliance.md",
    "waiver": "waivers.md",
    "harden": "harden.md",
    "doctor": "doctor.md",
    "heal": "heal.md",
    "incident": "incident.md",
}
_EVERYWHERE = {"--config", "--help"}  # every command has them; where settings are: estate.md


def _verbs(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Each command line that does something, and its parameters."""
    if not hasattr(command, "commands"):
        yield " ".join(path), command.params
        return
    for name in command.list_commands(None):
        if path or name in _PAGES:
            yield from _verbs(command.get_command(None, name), (*path, name))


_VERBS = dict(_verbs(typer.main.get_command(app)))


def test_each_page_has_its_verbs() -> None:
    assert {verb.split()[0] for verb in _VERBS} == set(_PAGES)


@pytest.mark.parametrize("verb", sorted(_VERBS))
def test_every_option_is_on_its_page(verb: str, project_root: Path) -> None:
    page = (project_root / "docs/operators" / _PAGES[verb.split(maxsplit=1)[0]]).read_text()
    words = set(re.findall(r"(?<![\w-])-{1,2}[a-z][a-z-]*", page))
    names = [set(one.opts) for one in _VERBS[verb] if one.param_type_name == "option"]
    assert [sorted(one) for one in names if not one & (words | _EVERYWHERE)] == []
