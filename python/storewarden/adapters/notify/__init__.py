# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels to people, found by their names.

A type of channel is one module of this folder with a class ``Settings`` (its keys) and a
function ``connect(name, settings, secrets)``; the module's name is what stands under ``type``.
Other distributions add types by entry points of the group ``storewarden.notify`` that name
such a module. Two of one name are an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from storewarden.adapters.extensions import Extension, Family
from storewarden.adapters.notify.settings import key_of
from storewarden.adapters.settings import read_settings
from storewarden.ports.notifications import Sender
from storewarden.ports.secrets import Secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelType(Extension):
    """One type of channel."""

    def connect(self, channel: str, values: Mapping[str, object], secrets: Secrets) -> Sender:
        """The channel called ``channel`` with these keys."""
        module = self.load()
        settings = read_settings(module.Settings, values, key_of(channel))
        sender: Sender = module.connect(channel, settings, secrets)
        return sender


_TYPES = Family(
    kind=ChannelType,
    folder=__name__,
    group="storewarden.notify",
    parts=("Settings", "connect"),
    one="type of channel",
    many="types of channels",
    unknown="no type of channel has that name",
    guide="docs/developers/add-a-notification-channel.md",
)


def connect_sender(
    channel: str, type_: str, values: Mapping[str, object], secrets: Secrets
) -> Sender:
    """The channel called ``channel``, of type ``type_``; nothing is sent yet.

    Raises ConfigInvalid for an unknown type and for every key that is unknown, missing or
    mistyped, ContentMissing when the type needs a package that is not installed.
    """
    found = _TYPES.named(type_, f"{key_of(channel)}.type")
    return found.connect(channel, values, secrets)
