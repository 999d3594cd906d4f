# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels to people, found by their names.

A type of channel is one module of this folder with a class ``Settings`` (its keys) and a
function ``connect(name, settings, secrets)``; the module's name is what stands under ``type``.
Other distributions add types by entry points of the group ``storewarden.notify`` that name
such a module. Two of one name are an error.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from storewarden.adapters.notify.settings import key_of, read_settings
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.notifications import Sender
from storewarden.ports.secrets import Secrets

GROUP = "storewarden.notify"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelType:
    """One type of channel; ``origin`` says who brought it. Loaded when it is used."""

    name: str
    origin: str
    load: Callable[[], Any] = field(repr=False)

    def connect(self, channel: str, values: Mapping[str, object], secrets: Secrets) -> Sender:
        """The channel called ``channel`` with these keys."""
        module = self.load()
        settings = read_settings(module.Settings, values, channel)
        sender: Sender = module.connect(channel, settings, secrets)
        return sender


def channel_types(others: Iterable[EntryPoint] | None = None) -> Mapping[str, ChannelType]:
    """Every known type by name. ``others``: entry points; by default the installed ones.

    Raises ConfigInvalid for two types of one name.
    """
    found = {kind.name: kind for kind in _own()}
    for point in entry_points(group=GROUP) if others is None else others:
        kind = _foreign(point)
        if kind.name in found:
            raise ConfigInvalid(
                f"two types of channels are called {kind.name}",
                where=f"{found[kind.name].origin} and {kind.origin}",
                hint="uninstall one of them",
            )
        found[kind.name] = kind
    return dict(sorted(found.items()))


def connect_sender(
    channel: str, type_: str, values: Mapping[str, object], secrets: Secrets
) -> Sender:
    """The channel called ``channel``, of type ``type_``; nothing is sent yet.

    Raises ConfigInvalid for an unknown type and for every key that is unknown, missing or
    mistyped, ContentMissing when the type needs a package that is not installed.
    """
    known = channel_types()
    if type_ not in known:
        raise ConfigInvalid(
            "no type of channel has that name",
            where=f"{key_of(channel)}.type",
            hint=f"known: {', '.join(known)}",
        )
    return known[type_].connect(channel, values, secrets)


def _own() -> Iterable[ChannelType]:
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        if hasattr(module, "Settings") and hasattr(module, "connect"):
            yield ChannelType(name=info.name, origin="storewarden", load=partial(_itself, module))


def _itself(module: ModuleType) -> ModuleType:
    return module


def _foreign(point: EntryPoint) -> ChannelType:
    origin = point.dist.name if point.dist else point.value

    def load() -> Any:
        module = point.load()
        if not (hasattr(module, "Settings") and hasattr(module, "connect")):
            raise ConfigInvalid(
                "is no type of channel: it lacks Settings or connect",
                where=f"entry point {GROUP}:{point.name} of {origin}",
                hint="see docs/developers/add-a-notification-channel.md",
            )
        return module

    return ChannelType(name=point.name, origin=origin, load=load)
