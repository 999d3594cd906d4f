# SPDX-License-Identifier: GPL-3.0-or-later
"""``change override``: asking to start although windows forbid it, and saying yes to that."""

from __future__ import annotations

import os
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from storewarden.cli import change_draft
from storewarden.cli.change_call import (
    Call,
    Number,
    new_key,
    refusals_in,
    show_json,
    style_of,
)
from storewarden.cli.change_show import override_lines
from storewarden.cli.exits import Exit
from storewarden.cli.gathered import gathered
from storewarden.cli.options import site_config
from storewarden.domain.change.plain import typed
from storewarden.domain.errors import ConfigInvalid

_FORMS = "--reason TEXT --until WHEN, or --approve [--comment TEXT]"

Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it cannot wait.")]
Until = Annotated[
    str, typer.Option("--until", metavar="WHEN", help="When it ends; a day: at its end.")
]
Yes = Annotated[bool, typer.Option("--approve", help="Say yes to the one that was asked for.")]
Comment = Annotated[str, typer.Option("--comment", metavar="TEXT", help="A word with it.")]


@gathered
def override(
    number: Number,
    *,
    reason: Why = "",
    until: Until = "",
    approve: Yes = False,
    comment: Comment = "",
    call: Call,
) -> int:
    """Ask to start although windows forbid it; or, as one of two others, say yes to that."""
    from storewarden.wiring.service import service  # noqa: PLC0415 - httpx costs 0.2 s

    if approve == bool(reason or until) or bool(comment) > approve:
        raise ConfigInvalid("is either asked for or approved", where="override", hint=_FORMS)
    if not approve and not (reason and until):
        raise ConfigInvalid("needs a reason and an end", where="override", hint=_FORMS)
    settings = site_config(call.config)
    path, body = f"/changes/{number}/override/approve", {"comment": comment}
    if not approve:
        zone = ZoneInfo(settings.site.timezone)
        path = f"/changes/{number}/override"
        body = {"reason": reason, "expires": change_draft.end_of(until, zone)}
    with service(settings, os.environ, call.token_file) as client, refusals_in(settings):
        answer = client.write(path, body, call.key or new_key())
    if call.as_json:
        show_json(answer)
    else:
        found = typed(answer["change"])
        first = next(override_lines(found, style_of(settings, None)))
        typer.echo(f"{found.number} {first}")
    return Exit.FINE
