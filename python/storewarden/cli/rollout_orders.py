# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders to a rollout: pause, resume, promote, abort, rollback, release, cancel; and the kill
switch. All of them go through the service, with one's token: who ordered what is always known."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from storewarden.cli.change_call import Call, new_key, refusals_in, show_json
from storewarden.cli.exits import Exit
from storewarden.cli.gathered import gathered
from storewarden.cli.options import say, site_config
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.outbox.rollout_terms import STATES
from storewarden.domain.rollout.numbers import change_of

if TYPE_CHECKING:
    from collections.abc import Mapping


def rollout_number(text: str) -> str:
    """The number as given: what is none is refused here, since it becomes a part of a path."""
    try:
        change_of(text)
    except ValueError:
        raise ConfigInvalid(
            f"{text[:40]!r} is no rollout number",
            where="ROLLOUT",
            hint="like GMBG-20260601-001-R1; storewarden rollout list",
        ) from None
    return text


Number = Annotated[
    str,
    typer.Argument(metavar="ROLLOUT", help="Like GMBG-20260601-001-R1.", callback=rollout_number),
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is journaled.")]


@gathered
def pause(number: Number, reason: Reason = "", *, call: Call) -> int:
    """Dispatch nothing new; what is under way comes to its end."""
    return _order(call, number, "pause", reason)


@gathered
def resume(number: Number, reason: Reason = "", *, call: Call) -> int:
    """Let a paused rollout go on."""
    return _order(call, number, "resume", reason)


@gathered
def promote(number: Number, reason: Reason = "", *, call: Call) -> int:
    """Promote a wave whose gates cannot tell, in your name."""
    return _order(call, number, "promote", reason)


@gathered
def abort(number: Number, reason: Reason = "", *, call: Call) -> int:
    """Stop, and take everything back that was touched."""
    return _order(call, number, "abort", reason)


@gathered
def rollback(number: Number, reason: Reason = "", *, call: Call) -> int:
    """Take everything back; also of a completed rollout, while its restore points are there."""
    return _order(call, number, "rollback", reason)


@gathered
def release(
    number: Number,
    host: Annotated[str, typer.Argument(metavar="HOST", help="The host to be set aside.")],
    reason: Reason = "",
    *,
    call: Call,
) -> int:
    """Set one host aside by name: it is no longer waited for, and stays a debt."""
    return _order(call, number, "release", reason, host)


@gathered
def cancel(number: Number, reason: Reason = "", *, call: Call) -> int:
    """Withdraw a rollout that has not begun."""
    return _order(call, number, "cancel", reason)


@gathered
def stop_all(reason: Reason = "", *, call: Call) -> int:
    """The kill switch: no rollout begins anything new until `go-on`."""
    return _switch(call, "stop", reason)


@gathered
def go_on(reason: Reason = "", *, call: Call) -> int:
    """Take the kill switch back."""
    return _switch(call, "go-on", reason)


def _order(call: Call, number: str, order: str, reason: str, host: str = "") -> int:
    if not reason.strip():
        raise ConfigInvalid("say why", where="--reason", hint="it stands in the journal")
    body = {"order": order, "reason": reason, "host": host}
    answer = _asked(call, f"/rollouts/{quote(number, safe='')}/orders", body)
    if call.as_json:
        show_json(answer)
        return Exit.FINE
    language = site_config(call.config).site.language
    state = STATES.get(answer["state"])
    typer.echo(f"{answer['rollout']} {state.in_(language) if state else answer['state']}")
    say(f"storewarden rollout watch {answer['rollout']}")
    return Exit.FINE


def _switch(call: Call, word: str, reason: str) -> int:
    if not reason.strip():
        raise ConfigInvalid("say why", where="--reason", hint="it stands in the journal")
    answer = _asked(call, f"/rollouts/{word}", {"reason": reason})
    if call.as_json:
        show_json(answer)
    else:
        typer.echo(answer["stopped"] or "nothing is stopped")
    return Exit.FINE


def _asked(call: Call, path: str, body: Mapping[str, object]) -> dict[str, Any]:
    from storewarden.wiring.service import service  # noqa: PLC0415 - httpx costs 0.2 s

    settings = site_config(call.config)
    with service(settings, os.environ, call.token_file) as client, refusals_in(settings):
        answer: dict[str, Any] = client.write(path, body, call.key or new_key())
    return answer
