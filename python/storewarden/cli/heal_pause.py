# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden heal pause|resume`: a person's word that something is to be left alone, and for how
long. Both go through the service, with one's token: who paused what is always known."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import typer

from storewarden.cli.change_call import Call, new_key, refusals_in, show_json
from storewarden.cli.change_draft import duration, end_of
from storewarden.cli.exits import Exit
from storewarden.cli.gathered import gathered
from storewarden.cli.heal_words import pause_lines, resumed_line
from storewarden.cli.options import site_config
from storewarden.cli.printing import printable
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.healing.pause import Pause
from storewarden.ports.reports import Language

if TYPE_CHECKING:
    from storewarden.config import SiteConfig

What = Annotated[
    str,
    typer.Argument(metavar="WHAT", help="rule:NAME, action:NAME, source:NAME, or a plain name."),
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is journaled.")]


@gathered
def pause(
    what: What,
    reason: Reason = "",
    *,
    until: Annotated[
        str, typer.Option("--until", metavar="TIME", help="A day, or as in 2026-06-02T22:30.")
    ] = "",
    span: Annotated[str, typer.Option("--for", metavar="2h30m", help="For so long.")] = "",
    call: Call,
) -> int:
    """Leave a rule, an action or a source alone: a person gets what it would have repaired."""
    settings = site_config(call.config)
    body = {"what": what, "reason": reason, "until": _until(until, span, settings)}
    with _service(settings, call) as client, refusals_in(settings):
        found: dict[str, Any] = client.write("/pauses", body, call.key or new_key())
    if call.as_json:
        show_json(found)
        return Exit.FINE
    language, zone = Language(settings.site.language), ZoneInfo(settings.site.timezone)
    typer.echo(printable("".join(pause_lines((_pause(found),), language, zone))))
    return Exit.FINE


@gathered
def resume(what: What, reason: Reason = "", *, call: Call) -> int:
    """Let it go on. What people got meanwhile stays with them."""
    settings = site_config(call.config)
    path = f"/pauses/{quote(what, safe='')}"
    with _service(settings, call) as client, refusals_in(settings):
        found: dict[str, Any] = client.remove(path, call.key or new_key(), reason=reason)
    if call.as_json:
        show_json(found)
        return Exit.FINE
    typer.echo(printable(resumed_line(found, Language(settings.site.language))))
    return Exit.FINE


def _service(settings: SiteConfig, call: Call) -> Any:
    from storewarden.wiring.service import service  # noqa: PLC0415 - httpx costs 0.2 s

    return service(settings, os.environ, call.token_file)


def _until(until: str, span: str, settings: SiteConfig) -> str | None:
    """The end as ISO text; None: until somebody resumes it."""
    if until and span:
        raise ConfigInvalid("say one of both", where="--until, --for")
    if span:
        try:
            return (datetime.now(UTC) + duration(span)).isoformat()
        except ConfigInvalid:
            raise ConfigInvalid(
                f"{span!r} is no duration", where="--for", hint="40m, 2h, 1h30m; at most 168h"
            ) from None
    return end_of(until, ZoneInfo(settings.site.timezone)) if until else None


def _pause(found: dict[str, Any]) -> Pause:
    until = found["until"]
    return Pause(
        what=found["what"],
        by=found["by"],
        at=datetime.fromisoformat(found["at"]),
        reason=found["reason"],
        until=None if until is None else datetime.fromisoformat(until),
    )
