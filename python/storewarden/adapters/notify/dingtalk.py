# SPDX-License-Identifier: GPL-3.0-or-later
"""DingTalk (钉钉) custom robot of a group.

The signature is HMAC-SHA256 over "timestamp\\nsecret", base64, percent-encoded exactly once:
doubly encoded it is "sign not match" (wowiwj/ding-notice #11). Whether the message was taken
stands in ``errcode`` of the body; the HTTP status is 200 in any case. Limits: 20 messages a
minute (errcode 130101), 20,000 bytes of body (460101), a clock that is right to an hour.
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
from storewarden.adapters.notify.wording import fitted, headline, inert, sendable
from storewarden.adapters.settings import SecretRef
from storewarden.ports.notifications import Message
from storewarden.ports.secrets import Secret, Secrets

_LIMIT = 20_000
_ROBOT = Robot(
    code="errcode",
    words="errmsg",
    later=frozenset({-1, 130101, 410100}),
    hints={
        310000: "the robot's security setting: signature secret, keyword, or allowed addresses; "
        "for 'timestamp' this machine's clock is wrong",
        300001: "the access token in the url is not (or no longer) a robot's",
        300005: "the access token in the url is not (or no longer) a robot's",
        400013: "the group was dissolved",
        400101: "the access token in the url is not (or no longer) a robot's",
        400102: "the robot was switched off",
    },
)


class Settings(WebSettings):
    """``secret`` is the robot's signature secret; ``at_mobiles`` are called for urgent news."""

    secret: SecretRef | None = None
    at_mobiles: Words = ()
    at_all_when_urgent: bool = False


class DingTalk:
    """One robot."""

    def __init__(self, name: str, settings: Settings, secrets: Secrets) -> None:
        """Nothing is asked of the robot yet."""
        self.name = name
        self._settings = settings
        self._secrets = secrets
        self._wire = Wire(name, settings, secrets)

    def send(self, message: Message) -> str:
        """One markdown message; AdapterError when the robot did not take it."""
        params, hidden = self._signature()
        answer = self._wire.post(self._payload(message), params=params, hidden=hidden)
        return judge(answer, _ROBOT)

    def shut(self) -> None:
        """Let go of connections."""
        self._wire.close()

    def _signature(self) -> tuple[dict[str, str], tuple[Secret, ...]]:
        if self._settings.secret is None:
            return {}, ()
        secret = self._secrets.read(self._settings.secret)
        timestamp = str(round(time.time() * 1000))
        sign = signature(timestamp, secret.reveal().strip())
        return {"timestamp": timestamp, "sign": sign}, (secret,)

    def _payload(self, message: Message) -> bytes:
        text = fitted(message.text, _LIMIT, lambda cut: len(self._encoded(message, cut)))
        return self._encoded(message, text)

    def _encoded(self, message: Message, text: str) -> bytes:
        called = self._settings.at_mobiles if message.urgent else ()
        title = headline(message.title)
        lines = [f"### {inert(title)}", *inert(sendable(text)).splitlines()]
        if called:  # a number that is not in the text is not called
            lines.append(" ".join(f"@{mobile}" for mobile in called))
        body = {
            "msgtype": "markdown",
            "markdown": {"title": title, "text": "\n\n".join(line for line in lines if line)},
            "at": {
                "atMobiles": list(called),
                "isAtAll": message.urgent and self._settings.at_all_when_urgent,
            },
        }
        return json.dumps(body, ensure_ascii=False).encode()


def signature(timestamp: str, secret: str) -> str:
    """The value of ``sign`` for ``timestamp`` (milliseconds), not yet percent-encoded."""
    code = hmac.new(secret.encode(), f"{timestamp}\n{secret}".encode(), hashlib.sha256)
    return base64.b64encode(code.digest()).decode()


def connect(name: str, settings: Settings, secrets: Secrets) -> DingTalk:
    """The channel ``name``."""
    return DingTalk(name, settings, secrets)
