# SPDX-License-Identifier: GPL-3.0-or-later
"""A webhook: JSON to any address, for systems that have a channel of their own.

The body is ``{"version": 1, "title", "text", "urgent", "to", "attachments"}``; of attachments
name, media type and size. ``X-Storewarden-Delivery`` is the digest of the message, the same
when it is sent again, so that a receiver can drop what it has. With ``secret`` the request is
signed: ``X-Storewarden-Signature: t=<seconds>,v1=<hex>``, where v1 is HMAC-SHA256 with the
secret over ``<seconds>.<body>``. With ``token`` it carries ``Authorization: Bearer``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time

from storewarden.adapters.notify.settings import WebSettings
from storewarden.adapters.notify.transport import Wire
from storewarden.adapters.notify.wording import sendable
from storewarden.adapters.settings import SecretRef
from storewarden.ports.notifications import Message
from storewarden.ports.secrets import Secret, Secrets


class Settings(WebSettings):
    """``secret`` signs the body, ``token`` is sent in the Authorization header."""

    secret: SecretRef | None = None
    token: SecretRef | None = None


class Webhook:
    """One address."""

    def __init__(self, name: str, settings: Settings, secrets: Secrets) -> None:
        """Nothing is asked of the other side yet."""
        self.name = name
        self._settings = settings
        self._secrets = secrets
        self._wire = Wire(name, settings, secrets)

    def send(self, message: Message) -> str:
        """One request; AdapterError unless the answer is 2xx."""
        body = _body(message)
        headers = {"X-Storewarden-Delivery": hashlib.sha256(body).hexdigest()}
        hidden: list[Secret] = []
        if self._settings.secret is not None:
            secret = self._secrets.read(self._settings.secret)
            now = str(int(time.time()))
            headers["X-Storewarden-Signature"] = f"t={now},v1={signature(now, body, secret)}"
            hidden.append(secret)
        if self._settings.token is not None:
            token = self._secrets.read(self._settings.token)
            headers["Authorization"] = f"Bearer {token.reveal().strip()}"
            hidden.append(token)
        answer = self._wire.post(body, headers=headers, hidden=tuple(hidden))
        words = answer.said(answer.body.decode("utf-8", "replace"))
        return f"{answer.status} {words}".rstrip()

    def shut(self) -> None:
        """Let go of connections."""
        self._wire.close()


def signature(now: str, body: bytes, secret: Secret) -> str:
    """The hex of ``v1`` for a body that is sent at ``now`` (seconds)."""
    signed = f"{now}.".encode() + body
    return hmac.new(secret.reveal().strip().encode(), signed, hashlib.sha256).hexdigest()


def _body(message: Message) -> bytes:
    attached = [
        {"name": each.name, "media_type": each.media_type, "size": len(each.content)}
        for each in message.attachments
    ]
    body = {
        "version": 1,
        "title": sendable(" ".join(message.title.split())),
        "text": sendable(message.text),
        "urgent": message.urgent,
        "to": list(message.to),
        "attachments": attached,
    }
    return json.dumps(body, ensure_ascii=False, sort_keys=True).encode()


def connect(name: str, settings: Settings, secrets: Secrets) -> Webhook:
    """The channel ``name``."""
    return Webhook(name, settings, secrets)
