# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden outbox`: what has not reached other systems yet, and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from storewarden.cli.exits import Exit
from storewarden.cli.options import Config, say, site_config
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.ports.outbox import Delivery
from storewarden.wiring import Site, open_site
from storewarden.wiring.here import operator

if TYPE_CHECKING:
    from storewarden.config import SiteConfig

outbox = typer.Typer(help="What still has to reach tickets and people.", no_args_is_help=False)

Channel = Annotated[str, typer.Argument(metavar="CHANNEL", help="Like ticket:roundup.")]
_HEAD = ("CHANNEL", "SUBJECT", "ARRIVED", "LATEST", "STATE", "NEXT TRY", "ERROR")


@outbox.callback()
def _group() -> None:
    """What still has to reach tickets and people."""


@outbox.command("list")
def list_(
    channel: Annotated[str, typer.Argument(metavar="[CHANNEL]", help="One channel only.")] = "",
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Only what has not arrived completely.")
    ] = False,
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> int:
    """Show how far everything has got. 1 when a delivery is parked: a person has to look."""
    with _site(site_config(config)) as site:
        _require(site, channel)
        found = site.outbox.deliveries(channel)
    shown = [each for each in found if not waiting or _state(each) != "arrived"]
    typer.echo(_json(shown) if as_json else _table(shown))
    return Exit.BELOW if any(each.parked for each in shown) else Exit.FINE


@outbox.command()
def retry(
    channel: Channel,
    subject: Annotated[
        str, typer.Argument(metavar="[CHANGE]", help="One change; all parked ones without it.")
    ] = "",
    config: Config = None,
) -> int:
    """Try parked deliveries again, after the reason is gone."""
    settings = site_config(config)
    with _site(settings) as site:
        _require(site, channel)
        parked = [each for each in site.outbox.deliveries(channel) if each.parked]
        chosen = [each for each in parked if not subject or each.subject == subject]
        if subject and not chosen:
            raise ConfigInvalid(
                "is not parked", where=f"{channel} {subject}", hint="storewarden outbox list"
            )
        for each in chosen:
            site.outbox.release(channel, each.subject, by=operator())
    typer.echo(f"{len(chosen)} released")
    _continue(settings, channel)
    return Exit.FINE


@outbox.command()
def skip(
    channel: Channel,
    subject: Annotated[
        str, typer.Argument(metavar="[CHANGE]", help="The change; none for notifications.")
    ] = "",
    config: Config = None,
) -> int:
    """Leave out the one entry at which a parked delivery stopped; the ledger notes who did."""
    settings = site_config(config)
    with _site(settings) as site:
        _require(site, channel)
        before = [each for each in site.outbox.deliveries(channel) if each.subject == subject]
        if not before or not before[0].parked:
            raise ConfigInvalid(
                "is not parked", where=f"{channel} {subject}", hint="storewarden outbox list"
            )
        after = site.outbox.release(channel, subject, by=operator(), skip=True)
    typer.echo(f"left out: entry {after.through}")
    _continue(settings, channel)
    return Exit.FINE


def _site(settings: SiteConfig) -> Site:
    """Who only looks makes no ledger."""
    site = open_site(settings)
    site.require_ledger()
    return site


def _require(site: Site, channel: str) -> None:
    known = site.outbox.channels()
    if channel and channel not in known:
        raise ConfigInvalid(
            "no such channel", where=channel, hint=f"known: {', '.join(known) or 'none'}"
        )


def _continue(settings: SiteConfig, channel: str) -> None:
    """Let the controller go on now, or say that none runs."""
    from storewarden.wiring.controller import controller_at, wake_controller  # noqa: PLC0415

    kind, _, name = channel.partition(":")
    duty = f"{'mirror' if kind == 'ticket' else 'tell'}:{name}"
    try:
        controller_at(settings)
    except Refused as none:
        say(f"{none.what}: it goes out when storewarden serve is started")
    else:
        wake_controller(settings, duty)


def _state(delivery: Delivery) -> str:
    if delivery.parked:
        return "parked"
    if delivery.through >= delivery.latest:
        return "arrived"
    return "retrying" if delivery.attempts else "waiting"


def _row(each: Delivery) -> tuple[str, ...]:
    at = each.retry_at.isoformat(sep=" ", timespec="seconds") if each.retry_at else "-"
    counts = (str(each.through), str(each.latest))
    return (each.channel, each.subject or "-", *counts, _state(each), at, each.error or "-")


def _table(deliveries: Iterable[Delivery]) -> str:
    rows = [_HEAD, *(_row(each) for each in deliveries)]
    if len(rows) == 1:
        return "nothing to show"
    widths = [max(len(row[n]) for row in rows) for n in range(len(_HEAD) - 1)]
    lines = []
    for row in rows:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        lines.append("  ".join((*padded, row[-1])))
    return "\n".join(lines)


def _json(deliveries: Sequence[Delivery]) -> str:
    listed = [
        {
            "channel": each.channel,
            "subject": each.subject,
            "through": each.through,
            "latest": each.latest,
            "state": _state(each),
            "attempts": each.attempts,
            "retry_at": each.retry_at.isoformat() if each.retry_at else None,
            "error": each.error,
            "receipt": dict(each.receipt),
        }
        for each in deliveries
    ]
    return json.dumps(listed, ensure_ascii=False, indent=2)
