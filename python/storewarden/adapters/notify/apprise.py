# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything else that Apprise can speak to, as an optional extra.

Apprise answers yes or no and nothing more, so a no is tried again. DingTalk, WeCom and Feishu
are refused here: Apprise 2.2.0 reports success for messages they did not take.
"""

from __future__ import annotations

import importlib
import logging
from typing import Annotated, Any

from pydantic import AfterValidator

from storewarden.adapters.notify.settings import ChannelSettings, key_of
from storewarden.adapters.settings import ListOf, SecretRef, wrong
from storewarden.domain.errors import AdapterError, ConfigInvalid, ContentMissing
from storewarden.ports.notifications import Message
from storewarden.ports.secrets import Secrets

_OURS = {
    "dingtalk": "dingtalk",
    "wecombot": "wecom",
    "feishu": "feishu",
    "lark": "feishu",
}


def _some(values: tuple[SecretRef, ...]) -> tuple[SecretRef, ...]:
    if not values:
        raise wrong("must name at least one reference")
    return values


class Settings(ChannelSettings):
    """``urls`` are references to Apprise urls, like ``tgram://token/chat``."""

    urls: Annotated[ListOf[SecretRef], AfterValidator(_some)]


class Apprise:
    """One group of Apprise services."""

    def __init__(self, name: str, settings: Settings, secrets: Secrets) -> None:
        """Raises ContentMissing without the package."""
        self.name = name
        self._settings = settings
        self._secrets = secrets
        self._apprise = _package()

    def send(self, message: Message) -> str:
        """To every service; AdapterError when one of them did not take it."""
        group = self._apprise.Apprise()
        for reference in self._settings.urls:
            self._add(group, reference)
        kind = self._apprise.NotifyType
        taken = group.notify(
            title=message.title,
            body=message.text,
            notify_type=kind.FAILURE if message.urgent else kind.INFO,
            body_format=self._apprise.NotifyFormat.TEXT,
        )
        if not taken:
            raise AdapterError(
                "at least one of its services did not take the message",
                where=self.name,
                hint="Apprise does not say why; try the same url with its own command",
                retryable=True,
            )
        return ""  # Apprise keeps the words of the other side to itself

    def shut(self) -> None:
        """Nothing is held between two messages."""

    def _add(self, group: Any, reference: str) -> None:
        url = self._secrets.read(reference).reveal().strip()
        own = _OURS.get(url.partition("://")[0].lower())
        where = f"{key_of(self.name)}.urls"
        if own:
            raise ConfigInvalid(
                f"{reference} is better served by 'type: {own}'",
                where=where,
                hint="Apprise reports success for messages that this service refused",
            )
        if not group.add(url):
            raise ConfigInvalid(f"the secret behind {reference} is no Apprise url", where=where)


def _package() -> Any:
    try:
        package = importlib.import_module("apprise")
    except ImportError:
        raise ContentMissing(
            "Apprise is not installed",
            where="notifications: type apprise",
            hint="pip install 'storewarden[apprise]'",
        ) from None
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it logs urls, if shortened ones
    return package


def connect(name: str, settings: Settings, secrets: Secrets) -> Apprise:
    """The channel ``name``."""
    return Apprise(name, settings, secrets)
