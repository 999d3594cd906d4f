# SPDX-License-Identifier: GPL-3.0-or-later
"""What all verbs of ``change`` share: their options, and one call to the service."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from storewarden.cli.change_show import Style
from storewarden.cli.change_words import STATES, phrase, word
from storewarden.cli.options import site_config
from storewarden.ports.reports import Language

if TYPE_CHECKING:
    from storewarden.config import SiteConfig

Number = Annotated[str, typer.Argument(metavar="NUMBER", help="Like GMBG-20260601-001.")]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help="Your token; $STOREWARDEN_TOKEN_FILE or ~/.config/storewarden/token by default.",
    ),
]
Key = Annotated[
    str,
    typer.Option(
        "--key", metavar="KEY", help="For programs: again with it, nothing is done twice."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """How a verb was called, beyond what it is about."""

    config: Path | None
    token_file: Path | None
    key: str = ""
    as_json: bool = False


def write(call: Call, path: str, body: Mapping[str, object]) -> None:
    """Ask the service to do something and say what came of it, in one line or as JSON."""
    from storewarden.wiring.service import service  # noqa: PLC0415 - httpx costs 0.2 s

    settings = site_config(call.config)
    with service(settings, os.environ, call.token_file) as client:
        say_done(client.write(path, body, call.key or new_key()), settings, call)


def say_done(answer: Mapping[str, Any], settings: SiteConfig, call: Call) -> None:
    """The change's number and where it stands now."""
    if call.as_json:
        show_json(answer)
        return
    language = settings.site.language
    line = f"{answer['change']['number']} {word(STATES, answer['change']['state'], language)}"
    if answer["waits_for"]:
        line += f"; {phrase('waits_for', language, who=answer['waits_for'])}"
    typer.echo(line)


def style_of(settings: SiteConfig, language: Language | None) -> Style:
    """How things are shown here."""
    return Style(
        language=(language or Language(settings.site.language)).value,
        zone=ZoneInfo(settings.site.timezone),
        now=datetime.now(UTC),
    )


def show_json(data: object) -> None:
    """JSON on stdout."""
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))


def new_key() -> str:
    """A key that nobody else has."""
    return uuid.uuid4().hex
