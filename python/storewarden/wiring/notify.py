# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's channels to people, each with its rules and its sender."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storewarden.domain.errors import ConfigInvalid, StorewardenError
from storewarden.domain.outbox.digest import ChannelRules
from storewarden.domain.outbox.trial import trial
from storewarden.ports.notifications import Message, Sender
from storewarden.ports.secrets import Secrets

if TYPE_CHECKING:
    from storewarden.config.site import SiteConfig

_CHANNEL = "notify:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One channel. ``outbox`` is its name in the outbox; ``attach_reports``: audits come with
    their report; ``to_people``: messages also go to the addresses of those who have to act."""

    outbox: str
    rules: ChannelRules
    sender: Sender
    attach_reports: bool = True
    to_people: bool = False


def site_channels(config: SiteConfig, secrets: Secrets) -> tuple[Channel, ...]:
    """The channels of the ``notifications`` section, connected; shut their senders after use.

    Nothing is sent and no secret is read. Raises ConfigInvalid, naming the file and
    ``notifications.channels.<name>.<key>``, and ContentMissing for an extra that is missing.
    """
    return tuple(_connected(config, name, secrets) for name in config.notifications.channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedChannel:
    """A channel as the settings have it; ``trouble`` is why they cannot be used, or ""."""

    name: str
    type: str
    language: str
    severities: tuple[str, ...]
    trouble: str = ""


def listed_channels(config: SiteConfig, environ: Mapping[str, str]) -> tuple[ListedChannel, ...]:
    """All channels; nothing is sent and no secret is read."""
    from storewarden.wiring.secrets import site_secrets  # noqa: PLC0415

    secrets, found = site_secrets(config, environ), []
    for name, channel in config.notifications.channels.items():
        trouble = ""
        try:
            _connected(config, name, secrets).sender.shut()
        except StorewardenError as error:
            trouble = str(error)
        severities = sorted(_rules(config, name).severities, reverse=True)
        found.append(
            ListedChannel(
                name=name,
                type=channel.type,
                language=channel.language or config.site.language,
                severities=tuple(each.name.lower() for each in severities),
                trouble=trouble,
            )
        )
    return tuple(found)


def send_trial(
    config: SiteConfig, environ: Mapping[str, str], name: str, to: tuple[str, ...] = ()
) -> str:
    """Send a test message over one channel, at once; what the other side answered.

    Raises ConfigInvalid for a channel that is none or that is set wrongly, AdapterError when
    the other side did not take the message.
    """
    from storewarden.adapters.clock import SystemClock  # noqa: PLC0415
    from storewarden.wiring.here import operator  # noqa: PLC0415
    from storewarden.wiring.secrets import site_secrets  # noqa: PLC0415

    known = config.notifications.channels
    if name not in known:
        raise ConfigInvalid(
            "no such channel", where=name, hint=f"known: {', '.join(known) or 'none'}"
        )
    channel = _connected(config, name, site_secrets(config, environ))
    title, text = trial(channel.rules, operator(), SystemClock().now())
    try:
        return channel.sender.send(Message(title=title, text=text, to=to))
    finally:
        channel.sender.shut()


def _connected(config: SiteConfig, name: str, secrets: Secrets) -> Channel:
    from storewarden.adapters.notify import connect_sender  # noqa: PLC0415 - costs 0.2 s

    channel = config.notifications.channels[name]
    try:
        sender = connect_sender(name, channel.type, channel.settings, secrets)
    except ConfigInvalid as error:
        where = f"{config.source}: {error.where}" if config.source else error.where
        raise ConfigInvalid(error.what, where=where, hint=error.hint) from None
    return Channel(
        outbox=outbox_channel(name),
        rules=_rules(config, name),
        sender=sender,
        attach_reports=channel.attach_reports,
        to_people=channel.to_people,
    )


def _rules(config: SiteConfig, name: str) -> ChannelRules:
    site = config.site
    return config.notifications.channels[name].rules(
        name, site=site.name, language=site.language, timezone=site.timezone
    )


def outbox_channel(name: str) -> str:
    """What the channel ``name`` is called in the outbox."""
    return _CHANNEL + name
