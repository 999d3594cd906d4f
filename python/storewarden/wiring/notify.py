# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's channels to people, each with its rules and its sender."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.outbox.digest import ChannelRules
from storewarden.ports.notifications import Sender
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
    if not config.notifications.channels:
        return ()
    from storewarden.adapters.notify import connect_sender  # noqa: PLC0415 - costs 0.2 s

    made = []
    for name, channel in config.notifications.channels.items():
        try:
            sender = connect_sender(name, channel.type, channel.settings, secrets)
        except ConfigInvalid as error:
            where = f"{config.source}: {error.where}" if config.source else error.where
            raise ConfigInvalid(error.what, where=where, hint=error.hint) from None
        rules = channel.rules(
            name,
            site=config.site.name,
            language=config.site.language,
            timezone=config.site.timezone,
        )
        made.append(
            Channel(
                outbox=outbox_channel(name),
                rules=rules,
                sender=sender,
                attach_reports=channel.attach_reports,
                to_people=channel.to_people,
            )
        )
    return tuple(made)


def outbox_channel(name: str) -> str:
    """What the channel ``name`` is called in the outbox."""
    return _CHANNEL + name
