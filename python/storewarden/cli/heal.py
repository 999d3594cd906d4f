# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden heal`: what is done about alerts, why, and a person's word where it is asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import typer

from storewarden.cli.change_call import Call, Json, new_key, refusals_in, show_json
from storewarden.cli.exits import Exit
from storewarden.cli.gathered import gathered
from storewarden.cli.group import Group
from storewarden.cli.heal_words import (
    HEADS,
    answer_line,
    history_rows,
    pause_lines,
    rule_data,
    rule_rows,
    story,
)
from storewarden.cli.options import Config, Lang, say, site_config
from storewarden.cli.printing import printable
from storewarden.cli.tabular import table
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.reports import Language

if TYPE_CHECKING:
    from storewarden.config import SiteConfig

heal = typer.Typer(cls=Group, help="What is done about alerts, and why.")

_LARGEST = 1 << 20  # bytes of a payload: what the receiver takes

Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is journaled.")]
Alert = Annotated[
    str, typer.Argument(metavar="ALERT", help="Its key, or at least eight letters of it.")
]


@heal.callback()
def _group() -> None:
    """What is done about alerts, and why."""


@heal.command()
def rules(*, lang: Lang = None, config: Config = None, as_json: Json = False) -> int:
    """Show the rules in the order in which they are tried, what their actions may do, and what is
    paused."""
    from storewarden.flows.heal_pause import holding  # noqa: PLC0415
    from storewarden.wiring import open_site  # noqa: PLC0415 - costs 0.2 s
    from storewarden.wiring.healing import Healing  # noqa: PLC0415

    settings = site_config(config)
    language = _language(settings, lang)
    with open_site(settings) as site:
        healing = Healing(site)
        found, modes = healing.rules, healing.modes
        now, there = site.clock.now(), site.has_ledger()
        standings = healing.standings(now) if there else {}
        pauses = holding(site.ledger.heal_pauses, now) if there else ()
    if as_json:
        show_json(rule_data(found, modes, standings, pauses))
        return Exit.FINE
    if found:
        rows = rule_rows(found, modes, standings, language)
        typer.echo(table([HEADS["rules"][language], *rows]))
    else:
        say(_no_rules(settings, language))
    for line in pause_lines(pauses, language, ZoneInfo(settings.site.timezone)):
        typer.echo(printable(line))
    return Exit.FINE


@heal.command("test")
def test_(
    payload: Annotated[
        Path, typer.Argument(metavar="FILE", help="A webhook's body, as it was sent.")
    ],
    *,
    source: Annotated[
        str, typer.Option("--source", metavar="NAME", help="The source it would come from.")
    ] = "",
    as_sent: Annotated[
        bool,
        typer.Option("--as-sent", help="Its alerts begin when it says, not now."),
    ] = False,
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Explain step by step what would be done about a payload, and why; nothing is touched."""
    from storewarden.wiring import open_site  # noqa: PLC0415 - costs 0.2 s
    from storewarden.wiring.healing import explained  # noqa: PLC0415

    settings = site_config(config)
    language = _language(settings, lang)
    with open_site(settings) as site:
        site.require_ledger()
        sender = _source(settings, source)
        told = explained(site, sender, _body(payload), as_sent=as_sent)
    if as_json:
        show_json([each.data for each in told])
        return Exit.FINE
    blocks = ["\n".join(each.explanation.lines(language.value)) for each in told]
    typer.echo("\n\n".join(blocks)) if blocks else say(_nothing(language))
    return Exit.FINE


@heal.command()
def history(
    alert: Annotated[
        str, typer.Argument(metavar="[ALERT]", help="One alert: its key, or its beginning.")
    ] = "",
    *,
    rule: Annotated[str, typer.Option("--rule", metavar="NAME", help="Of one rule only.")] = "",
    limit: Annotated[int, typer.Option("--limit", metavar="N", help="At most so many.")] = 50,
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Show alerts with what was done about them, newest first; or one with its whole story."""
    from storewarden.flows.heal_orders import named  # noqa: PLC0415
    from storewarden.flows.heal_view import occurrence_data  # noqa: PLC0415
    from storewarden.wiring import open_site  # noqa: PLC0415 - costs 0.2 s

    settings = site_config(config)
    language, zone = _language(settings, lang), ZoneInfo(settings.site.timezone)
    with open_site(settings) as site:
        site.require_ledger()
        book = site.ledger.alerts
        if alert:
            found = named(book, alert)
            entries = book.history(found.key)
            repair = book.repair(found.repair) if found.repair else None
            if as_json:
                show_json(occurrence_data(found))
            else:
                typer.echo(story(found, entries, repair, language.value, zone))
            return Exit.FINE
        occurrences = book.occurrences(rule=rule, limit=limit)
    if as_json:
        show_json([occurrence_data(each) for each in occurrences])
    elif occurrences:
        typer.echo(table([HEADS["history"][language], *history_rows(occurrences, language, zone)]))
    else:
        say("没有告警" if language is Language.ZH else "no alerts")
    return Exit.FINE


@heal.command()
@gathered
def approve(alert: Alert, *, call: Call) -> int:
    """Say yes to a repair that waits for a person, with your own name."""
    return _answer(call, alert, "approve", "")


@heal.command()
@gathered
def deny(alert: Alert, reason: Reason = "", *, call: Call) -> int:
    """Say no to a repair, or take it over: nothing more is done by machine."""
    return _answer(call, alert, "deny", reason)


def _answer(call: Call, alert: str, word: str, reason: str) -> int:
    from storewarden.wiring.service import service  # noqa: PLC0415 - httpx costs 0.2 s

    settings = site_config(call.config)
    path = f"/alerts/{quote(alert, safe='')}/{word}"
    with service(settings, os.environ, call.token_file) as client, refusals_in(settings):
        found: dict[str, Any] = client.write(path, {"reason": reason}, call.key or new_key())
    if call.as_json:
        show_json(found)
    else:
        typer.echo(answer_line(found, Language(settings.site.language)))
    return Exit.FINE


def _language(settings: SiteConfig, asked: Language | None) -> Language:
    return asked or Language(settings.site.language)


def _source(settings: SiteConfig, asked: str) -> str:
    names = sorted(settings.healing.sources)
    if not asked and len(names) == 1:
        return names[0]
    if asked in names:
        return asked
    what = f"{asked[:40]!r} is no source of alerts" if asked else "which source would send it?"
    raise ConfigInvalid(what, where="--source", hint=f"one of: {', '.join(names) or 'none is set'}")


def _body(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            found = stream.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigInvalid(
            f"cannot be read: {(error.strerror or str(error)).lower()}", where=str(path)
        ) from None
    if len(found) > _LARGEST:
        raise ConfigInvalid(f"is larger than {_LARGEST} bytes", where=str(path))
    return found


def _no_rules(settings: SiteConfig, language: Language) -> str:
    if settings.healing.rules is None:
        zh, en = "未设置 healing.rules：告警不会被处理", "healing.rules is not set: nothing is done"
    else:
        zh, en = "没有规则", "no rules"
    return zh if language is Language.ZH else en


def _nothing(language: Language) -> str:
    return "其中没有告警" if language is Language.ZH else "it holds no alert"
