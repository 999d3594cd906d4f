# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's senders of alerts: how each is read, how it is known, and how it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from storewarden.domain.errors import ConfigInvalid
from storewarden.flows.alert_intake import AlertIntake, IntakeParts
from storewarden.flows.alert_poll import AlertPoll, PollParts
from storewarden.flows.heal_tick import HEALING
from storewarden.ports.alerts import AlertCheck, AlertInbox, AlertReader, AlertSource
from storewarden.ports.clock import Clock
from storewarden.ports.engine import Duty
from storewarden.ports.secrets import Secrets
from storewarden.wiring.secrets import site_secrets

if TYPE_CHECKING:
    from storewarden.config.healing import SourceConfig
    from storewarden.config.site import SiteConfig
    from storewarden.wiring.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertReceiver:
    """What the webhooks of a site work with."""

    sources: Mapping[str, SourceConfig]
    secrets: Secrets = field(repr=False)
    intake: AlertIntake


def alert_receiver(
    site: Site,
    wake: Callable[[str], None] = lambda _duty: None,
    inbox: AlertInbox | None = None,
) -> AlertReceiver:
    """The receiver; ``inbox`` is the ledger's by default.

    No secret is read yet. Raises ConfigInvalid, naming the file and the key, for settings of
    senders that are wrong.
    """
    config = site.config
    sources = config.healing.sources
    parts = IntakeParts(
        readers={name: _reader(config, name) for name in sources},
        inbox=inbox if inbox is not None else site.ledger.alerts,
        clock=site.clock,
        polled=frozenset(name for name, source in sources.items() if source.poll is not None),
        wake=wake,
        decides=HEALING if config.inventory else "",
    )
    return AlertReceiver(sources=sources, secrets=site_secrets(config), intake=AlertIntake(parts))


def alert_duties(
    site: Site,
    inbox: AlertInbox | None = None,
    decides: Callable[[], None] = lambda: None,
) -> tuple[Duty, ...]:
    """The duties that ask each source with a ``poll`` section; ``decides`` lets what they found be
    decided about now. Raises ConfigInvalid."""
    kept = inbox if inbox is not None else site.ledger.alerts
    polled = [(name, each.poll) for name, each in site.config.healing.sources.items() if each.poll]
    return tuple(
        AlertPoll(
            PollParts(
                source=alert_source(site.config, name),
                inbox=kept,
                every=poll.every,
                decides=decides,
            )
        )
        for name, poll in polled
    )


def alert_source(config: SiteConfig, name: str) -> AlertSource:
    """The monitoring system behind the source ``name``, which has a ``poll`` section; nothing is
    asked of it yet. Raises ConfigInvalid."""
    from storewarden.adapters.alert_sources import connect_source  # noqa: PLC0415 - costs 0.2 s

    source = config.healing.sources[name]
    values = source.poll.settings if source.poll is not None else {}
    try:
        folder = config.folder or Path.cwd()
        return connect_source(name, source.kind, values, site_secrets(config), folder)
    except ConfigInvalid as error:
        raise _in_file(config, error) from None


def expression_checks(config: SiteConfig, clock: Clock) -> Mapping[str, AlertCheck]:
    """Sources with a ``prometheus`` section -> who asks it for an alert's own expression. Nothing
    is asked yet. Raises ConfigInvalid."""
    sources = config.healing.sources
    wanted = {name: each.prometheus for name, each in sources.items() if each.prometheus}
    if not wanted:
        return {}
    from storewarden.adapters.alert_sources.expressions import connect_expressions  # noqa: PLC0415 - 0.2 s

    folder, secrets = config.folder or Path.cwd(), site_secrets(config)
    try:
        return {
            name: connect_expressions(name, values, secrets, folder, clock)
            for name, values in wanted.items()
        }
    except ConfigInvalid as error:
        raise _in_file(config, error) from None


def _reader(config: SiteConfig, name: str) -> AlertReader:
    from storewarden.adapters.alerts import alert_reader  # noqa: PLC0415 - pydantic

    source = config.healing.sources[name]
    values = source.settings(config.site.timezone)
    try:
        return alert_reader(source.kind, values, f"healing.sources.{name}")
    except ConfigInvalid as error:
        raise _in_file(config, error) from None


def _in_file(config: SiteConfig, error: ConfigInvalid) -> ConfigInvalid:
    where = f"{config.source}: {error.where}" if config.source else error.where
    return ConfigInvalid(error.what, where=where, hint=error.hint)
