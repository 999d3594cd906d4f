# SPDX-License-Identifier: GPL-3.0-or-later
"""Feishu (飞书, Lark) custom bot of a group.

Its signature is unlike the others': "timestamp\\nsecret" is the *key* of HMAC-SHA256 and the
message is empty; the timestamp is in seconds and may be an hour old. Sent as rich text
("post"), whose text parts are not read as markup. Whether the message was taken stands in
``code`` of the body (``StatusCode`` in an older form). Limits: 100 messages a minute and 5 a
second (11232), about 20 KB of body.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

from storewarden.adapters.notify.settings import WebSettings, Words
from storewarden.adapters.notify.transport import Wire
from storewarden.adapters.notify.verdict import Robot, judge
from storewarden.adapters.notify.wording import fitted, headline, sendable
from storewarden.adapters.settings import SecretRef
from storewarden.ports.notifications import Message
from storewarden.ports.secrets import Secret, Secrets

_LIMIT = 20_000
_ROBOT = Robot(
    code="code",
    words="msg",
    old_code="StatusCode",
    later=frozenset({9499, 11232, 11233, 99991400}),
    hints={
        19001: "the token in the url is not (or no longer) a bot's",
        19021: "the signature secret is another one, or this machine's clock is wrong",
        19022: "this machine's address is not on the bot's list",
        19024: "none of the bot's keywords is in the message",
        19036: "the message is too large",
    },
)


class Settings(WebSettings):
    """``secret`` signs; ``at_users`` are open ids (or "all") that are called for urgent news."""

    secret: SecretRef | None = None
    at_users: Words = ()


class Feishu:
    """One bot."""

    def __init__(self, name: str, settings: Settings, secrets: Secrets) -> None:
        """Nothing is asked of the bot yet."""
        self.name = name
        self._settings = settings
        self._secrets = secrets
        self._wire = Wire(name, settings, secrets)

    def send(self, message: Message) -> str:
        """One rich text; AdapterError when the bot did not take it."""
        signed, hidden = self._signature()
        text = fitted(message.text, _LIMIT, lambda cut: len(self._encoded(message, cut, signed)))
        answer = self._wire.post(self._encoded(message, text, signed), hidden=hidden)
        return judge(answer, _ROBOT)

    def shut(self) -> None:
        """Let go of connections."""
        self._wire.close()

    def _signature(self) -> tuple[dict[str, str], tuple[Secret, ...]]:
        if self._settings.secret is None:
            return {}, ()
        secret = self._secrets.read(self._settings.secret)
        timestamp = str(int(time.time()))
        sign = signature(timestamp, secret.reveal().strip())
        return {"timestamp": timestamp, "sign": sign}, (secret,)

    def _encoded(self, message: Message, text: str, signed: dict[str, str]) -> bytes:
        lines = [[{"tag": "text", "text": line or " "}] for line in sendable(text).splitlines()]
        called = self._settings.at_users if message.urgent else ()
        if called:
            lines.append([{"tag": "at", "user_id": user} for user in called])
        post = {"zh_cn": {"title": headline(message.title), "content": lines}}
        body = {**signed, "msg_type": "post", "content": {"post": post}}
        return json.dumps(body, ensure_ascii=False).encode()


def signature(timestamp: str, secret: str) -> str:
    """The value of ``sign`` for ``timestamp`` (seconds)."""
    code = hmac.new(f"{timestamp}\n{secret}".encode(), b"", hashlib.sha256)
    return base64.b64encode(code.digest()).decode()


def connect(name: str, settings: Settings, secrets: Secrets) -> Feishu:
    """The channel ``name``."""
    return Feishu(name, settings, secrets)
