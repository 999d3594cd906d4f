# SPDX-License-Identifier: GPL-3.0-or-later
"""What all verbs of ``change`` share: their options, and one call to the service."""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from storewarden.cli.change_next import next_lines
from storewarden.cli.change_show import Style
from storewarden.cli.change_words import LABELS, STATES, word
from storewarden.cli.exits import Exit
from storewarden.cli.options import Config, Lang, say, site_config
from storewarden.domain.change.numbers import parse_number
from storewarden.domain.change.plain import typed
from storewarden.domain.change.spoken import told
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.ports.reports import Language

if TYPE_CHECKING:
    from storewarden.config import SiteConfig

_KEY = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_HIDDEN = re.compile(  # what JSON leaves as it is and a terminal may obey
    "[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\U000e0000-\U000e007f]"
)


def change_number(text: str) -> str:
    """The number as given: what is none is refused here, since it becomes a part of a path."""
    try:
        parse_number(text)
    except ValueError:
        raise ConfigInvalid(
            f"{text[:40]!r} is no change number",
            where="NUMBER",
            hint="like GMBG-20260601-001; storewarden change list",
        ) from None
    return text


def _key(text: str) -> str:
    if text and not _KEY.fullmatch(text):
        raise ConfigInvalid(
            "must be 1-100 letters, digits and . _ : -", where="--key", hint="one per request"
        )
    return text


Number = Annotated[
    str,
    typer.Argument(metavar="NUMBER", help="Like GMBG-20260601-001.", callback=change_number),
]
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
        "--key",
        metavar="KEY",
        help="For programs: again with it, nothing is done twice.",
        callback=_key,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """How a verb that changes something was called, beyond what it is about."""

    config: Config = None
    token_file: TokenFile = None
    key: Key = ""
    as_json: Json = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a verb that only reads was called."""

    config: Config = None
    token_file: TokenFile = None
    lang: Lang = None
    as_json: Json = False


def write(call: Call, path: str, body: Mapping[str, object]) -> int:
    """Ask the service to do something and say what came of it, in one line or as JSON."""
    from storewarden.wiring.service import service  # noqa: PLC0415 - httpx costs 0.2 s

    settings = site_config(call.config)
    with service(settings, os.environ, call.token_file) as client, refusals_in(settings):
        say_done(client.write(path, body, call.key or new_key()), settings, call)
    return Exit.FINE


@contextmanager
def refusals_in(settings: SiteConfig) -> Iterator[None]:
    """What a rule says against it, in the site's language."""
    try:
        yield
    except Refused as no:
        language = settings.site.language
        hint = told(no.hint, language)
        raise Refused(told(no.what, language), where=no.where, hint=hint) from None


def say_done(answer: Mapping[str, Any], settings: SiteConfig, call: Call) -> None:
    """The change's number and where it stands now."""
    if call.as_json:
        show_json(answer)
        return
    style, waits_for = style_of(settings, None), answer["waits_for"]
    line = f"{answer['change']['number']} {word(STATES, answer['change']['state'], style.language)}"
    typer.echo(f"{line}; {style.waits(waits_for)}" if waits_for else line)
    label = word(LABELS, "next", style.language)
    change = typed(answer["change"])
    for each in next_lines(change, waits_for, style.language, style.at, style.now):
        say(f"{label}: {each}")  # stdout stays one line, for programs


def style_of(settings: SiteConfig, language: Language | None) -> Style:
    """How things are shown here."""
    return Style(
        language=(language or Language(settings.site.language)).value,
        zone=ZoneInfo(settings.site.timezone),
        now=datetime.now(UTC),
    )


def show_json(data: object) -> None:
    """JSON on stdout; letters that cannot be seen are escaped."""
    text = json.dumps(data, ensure_ascii=False, indent=2)
    typer.echo(_HIDDEN.sub(lambda found: json.dumps(found[0])[1:-1], text))


def new_key() -> str:
    """A key that nobody else has."""
    return uuid.uuid4().hex
