# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden incident`: what people have to work on, until when, and a person's word about it.

Looking needs no identity; whoever says something about an incident goes through the running service
with their own token, as for changes.
"""

from __future__ import annotations

import os
import re
import sys
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import typer

from storewarden.cli.change_call import Call, Json, new_key, refusals_in, show_json
from storewarden.cli.exits import Exit
from storewarden.cli.gathered import gathered
from storewarden.cli.group import Group
from storewarden.cli.options import NARROWEST, WIDEST, Config, Lang, say, site_config
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.reports import Language

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storewarden.cli.incident_words import Look
    from storewarden.config import SiteConfig

incident = typer.Typer(cls=Group, help="What people have to work on, and until when.")

_NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_WORDS = {
    "none": ("no open incidents (--all shows those that are closed)",
             "没有未关闭的事件（--all 显示全部）"),
    "none_at_all": ("no incidents", "没有事件"),
    "more": ("there are more: --limit", "还有更多：--limit"),
}  # fmt: skip


def incident_number(text: str) -> str:
    """The number as given: what is none is refused here, since it becomes a part of a path."""
    if not _NUMBER.fullmatch(text):
        raise ConfigInvalid(
            f"{text[:40]!r} is no incident number",
            where="INCIDENT",
            hint="like INC-20260601-083000; storewarden incident list",
        )
    return text


Number = Annotated[
    str,
    typer.Argument(metavar="INCIDENT", help="Like INC-20260601-083000.", callback=incident_number),
]


@incident.callback()
def _group() -> None:
    """What people have to work on, and until when."""


@incident.command("list")
def list_(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Closed ones too, newest first.")
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")
    ] = 100,
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Show open incidents, what runs out next first. 1 when a promise is broken."""
    from storewarden.cli.incident_words import rows  # noqa: PLC0415
    from storewarden.flows.incident_view import by_urgency, look_at, row_data  # noqa: PLC0415
    from storewarden.wiring import open_site  # noqa: PLC0415 - costs 0.2 s
    from storewarden.wiring.incidents import incident_policy  # noqa: PLC0415

    settings = site_config(config)
    with open_site(settings) as site:
        site.require_ledger()
        book, policy, now = site.ledger.incidents, incident_policy(site), site.clock.now()
        found = book.incidents(limit=limit + 1) if everything else book.open_ones()
        looks = [look_at(each, policy, now) for each in found]
    shown = (looks if everything else by_urgency(looks))[:limit]
    if as_json:
        show_json({"incidents": [row_data(each) for each in shown], "more": len(looks) > limit})
    elif shown:
        typer.echo(rows(shown, _look(settings, lang)))
    if not as_json and (len(looks) > limit or not looks):
        word = "more" if looks else "none_at_all" if everything else "none"
        say(_WORDS[word][_language(settings, lang) is Language.ZH])
    return (
        Exit.BELOW if any(each.breached and not each.incident.over for each in shown) else Exit.FINE
    )


@incident.command()
def show(number: Number, *, lang: Lang = None, config: Config = None, as_json: Json = False) -> int:
    """Show one incident: clocks, what depends on it, alerts, repairs, and its story."""
    from storewarden.cli.incident_words import whole  # noqa: PLC0415
    from storewarden.flows.incident_orders import named  # noqa: PLC0415
    from storewarden.flows.incident_view import whole_data  # noqa: PLC0415
    from storewarden.wiring import open_site  # noqa: PLC0415 - costs 0.2 s
    from storewarden.wiring.incidents import whole_incident  # noqa: PLC0415

    settings = site_config(config)
    with open_site(settings) as site:
        site.require_ledger()
        found = whole_incident(site, named(site.ledger.incidents, number))
    if as_json:
        show_json(whole_data(found))
    else:
        typer.echo(whole(found, _look(settings, lang)))
    return Exit.FINE


@incident.command()
@gathered
def take(number: Number, *, call: Call) -> int:
    """Say that you are at it: that answers it. From somebody else it is taken over."""
    return _order(call, number, "take", {})


@incident.command()
@gathered
def note(
    number: Number,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="For its story.")],
    *,
    call: Call,
) -> int:
    """Write something down."""
    return _order(call, number, "note", {"text": text})


@incident.command()
@gathered
def solve(
    number: Number,
    how: Annotated[str, typer.Option("--how", metavar="TEXT", help="How it was solved.")],
    *,
    call: Call,
) -> int:
    """Say that it is well again; the business confirms, disputes, or says nothing for two hours."""
    return _order(call, number, "solve", {"how": how})


@incident.command()
@gathered
def confirm(number: Number, *, call: Call) -> int:
    """For the business: it is well. Never of whoever said that it is solved."""
    return _order(call, number, "confirm", {})


@incident.command()
@gathered
def dispute(
    number: Number,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="What is still broken.")],
    *,
    call: Call,
) -> int:
    """For the business: it is not solved. It is open again, and its clock never stopped."""
    return _order(call, number, "dispute", {"why": why})


def _order(call: Call, number: str, word: str, body: Mapping[str, object]) -> int:
    from storewarden.wiring.service import service  # noqa: PLC0415 - httpx costs 0.2 s

    settings = site_config(call.config)
    path = f"/incidents/{quote(number, safe='')}/{word}"
    with service(settings, os.environ, call.token_file) as client, refusals_in(settings):
        found: dict[str, Any] = client.write(path, body, call.key or new_key())
    if call.as_json:
        show_json(found)
        return Exit.FINE
    from storewarden.cli.incident_words import STATES  # noqa: PLC0415
    from storewarden.domain.healing.incident import IncidentState  # noqa: PLC0415

    chinese = settings.site.language == "zh"
    holder = f" ({found['holder']})" if found["holder"] else ""
    typer.echo(f"{found['number']} {STATES[IncidentState(found['state'])][chinese]}{holder}")
    return Exit.FINE


def _language(settings: SiteConfig, asked: Language | None) -> Language:
    return asked or Language(settings.site.language)


def _look(settings: SiteConfig, asked: Language | None) -> Look:
    """As wide as the terminal, in colour only on one."""
    from storewarden.cli.incident_words import Look  # noqa: PLC0415

    screen = sys.stdout.isatty()
    width = get_terminal_size((WIDEST, 24)).columns if screen else WIDEST
    return Look(
        language=_language(settings, asked).value,
        zone=ZoneInfo(settings.site.timezone),
        columns=max(width, NARROWEST),
        colour=screen and "NO_COLOR" not in os.environ,
    )
