# SPDX-License-Identifier: GPL-3.0-or-later
"""``storewarden person``: who may do what, and their tokens.

Tokens are made on the machine of the service, by whoever may write its tokens file. A token
is seen once; afterwards nobody can find it out, only make a new one.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self
from zoneinfo import ZoneInfo

import typer

from storewarden.cli.exits import Exit
from storewarden.cli.options import Config, Lang, say, site_config
from storewarden.cli.printing import padded, printable
from storewarden.domain.change.plain import stamp
from storewarden.domain.change.spoken import role_name
from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.ports.reports import Language
from storewarden.wiring import open_site

_WORDS = {
    "en": {
        "until": "token until {day}",
        "no_token": "no token",
        "no_role": "no role",
        "nobody_in": "nobody yet: write people into {file}",
        "no_file": "nobody: name a file under people.file in storewarden.yml",
    },
    "zh": {
        "until": "令牌有效期至 {day}",
        "no_token": "无令牌",
        "no_role": "无角色",
        "nobody_in": "尚无人员：请写入 {file}",
        "no_file": "尚无人员：请在 storewarden.yml 的 people.file 中指定文件",
    },
}

person = typer.Typer(help="People, their roles and their tokens.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="As in the people file.")]


@person.callback()
def _group() -> None:
    """People, their roles and their tokens."""


@person.command(name="list")
def list_people(
    *,
    config: Config = None,
    lang: Lang = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> int:
    """List people, their roles, and until when they have a token."""
    from storewarden.flows.person_tokens import list_people as listed  # noqa: PLC0415
    from storewarden.wiring.here import operator  # noqa: PLC0415
    from storewarden.wiring.people import token_parts  # noqa: PLC0415

    settings = site_config(config)
    with open_site(settings) as site:
        found = listed(token_parts(site, operator()))
    if as_json:
        rows = [
            {
                "id": each.id,
                "name": each.name,
                "roles": each.roles,
                "tokens": each.tokens,
                "expires": stamp(each.expires) if each.expires else None,
            }
            for each in found
        ]
        typer.echo(json.dumps({"people": rows}, ensure_ascii=False, indent=2))
        return Exit.FINE
    language = (lang or Language(settings.site.language)).value
    zone, words = ZoneInfo(settings.site.timezone), _WORDS[language]
    for each in found:
        day = f"{each.expires.astimezone(zone):%Y-%m-%d}" if each.expires else ""
        until = words["until"].format(day=day) if day else words["no_token"]
        roles = ", ".join(role_name(role, language) for role in each.roles) or words["no_role"]
        cells = padded(each.id, 16), padded(printable(each.name), 14), padded(roles, 34), until
        typer.echo(" ".join(cells))
    if not found:
        file = settings.people.file
        nobody = words["nobody_in"].format(file=file) if file else words["no_file"]
        typer.echo(nobody)
    return Exit.FINE


@person.command()
def token(
    name: Name,
    *,
    expires: Annotated[
        str, typer.Option("--expires", metavar="DAY|30d", help="Last day, or for how long.")
    ] = "",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="NAME.token by default.")
    ] = None,
    stdout: Annotated[bool, typer.Option("--stdout", help="Print it instead.")] = False,
    config: Config = None,
) -> int:
    """Make a token for somebody, into a file that only you can read."""
    from storewarden.flows.person_tokens import issue_token  # noqa: PLC0415
    from storewarden.wiring.here import operator  # noqa: PLC0415
    from storewarden.wiring.people import token_parts  # noqa: PLC0415

    settings = site_config(config)
    zone = ZoneInfo(settings.site.timezone)
    lifetime = _lifetime(expires, zone)
    with open_site(settings) as site, _Hand(None if stdout else output or _file(name)) as hand:
        facts = issue_token(token_parts(site, operator()), name, lifetime, hand.take)
    until = facts.expires.astimezone(zone)
    say(f"a token for {name} until {until:%Y-%m-%d %H:%M}, {hand.where}")
    return Exit.FINE


@person.command()
def withdraw(name: Name, *, config: Config = None) -> int:
    """Accept none of somebody's tokens any more, from now on."""
    from storewarden.flows.person_tokens import withdraw_tokens  # noqa: PLC0415
    from storewarden.wiring.here import operator  # noqa: PLC0415
    from storewarden.wiring.people import token_parts  # noqa: PLC0415

    with open_site(site_config(config)) as site:
        ended = withdraw_tokens(token_parts(site, operator()), name)
    say(f"{len(ended)} tokens of {name} withdrawn")
    return Exit.FINE


class _Hand:
    """Takes a token and gives it on when all went well: a file that nobody else can read, or
    stdout. A token that came to nothing leaves no file."""

    def __init__(self, target: Path | None) -> None:
        self._target = target
        self._token = ""
        self.where = f"in {target}" if target else "on stdout"

    def __enter__(self) -> Self:
        """Refuse a file that is there before a token is made."""
        if self._target is not None and self._target.exists():
            raise ConfigInvalid("is there already", where=str(self._target), hint="use --output")
        return self

    def take(self, token: str) -> None:
        """The token; on the disk when this returns."""
        self._token = token
        if self._target is None:
            return
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(self._target, flags, 0o600), "w") as stream:
                stream.write(f"{token}\n")
        except OSError as error:
            raise AdapterError(
                f"cannot be written: {error.strerror}", where=str(self._target)
            ) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Print it, or clear up."""
        if kind is None and self._target is None:
            typer.echo(self._token)
        if kind is not None and self._target is not None and self._token:
            with suppress(OSError):
                self._target.unlink()


def _file(name: str) -> Path:
    """Where a token goes when nobody says; a name is no path."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name):
        raise ConfigInvalid(f"{name!r} is nobody in the people file", where="person")
    return Path(f"{name}.token")


def _lifetime(text: str, zone: ZoneInfo) -> timedelta | None:
    """``30d``, or until a day ends; None for the longest there is."""
    if not text:
        return None
    if re.fullmatch(r"[0-9]{1,4}d", text):
        return timedelta(days=int(text[:-1]))
    try:
        day = date.fromisoformat(text) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise ConfigInvalid(
            f"{text!r} is no day", where="--expires", hint="2026-07-31, or 30d"
        ) from None
    return datetime.combine(day, time(), zone) - datetime.now(UTC)
