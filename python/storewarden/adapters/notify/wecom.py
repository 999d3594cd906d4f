# SPDX-License-Identifier: GPL-3.0-or-later
"""WeCom (企业微信) robot of a group.

Whether the message was taken stands in ``errcode`` of the body. Limits: 20 messages a
minute (45009), 4,096 bytes of markdown (40058); a Chinese character is three bytes, so the
text is cut by bytes.
"""

from __future__ import annotations

import json

from storewarden.adapters.notify.settings import WebSettings, Words
from storewarden.adapters.notify.transport import Wire
from storewarden.adapters.notify.verdict import Robot, judge
from storewarden.adapters.notify.wording import fitted, headline, inert, sendable, utf8
from storewarden.ports.notifications import Message
from storewarden.ports.secrets import Secrets

_LIMIT = 4096
_ROBOT = Robot(
    code="errcode",
    words="errmsg",
    later=frozenset({-1, 45009, 45033}),
    hints={
        93000: "the key in the url is not (or no longer) a robot's",
        40058: "the message is not as WeCom wants it",
        60020: "this machine's address is not allowed by the company's settings",
    },
)


class Settings(WebSettings):
    """``at_users`` are user ids that are called for urgent news."""

    at_users: Words = ()


class WeCom:
    """One robot."""

    def __init__(self, name: str, settings: Settings, secrets: Secrets) -> None:
        """Nothing is asked of the robot yet."""
        self.name = name
        self._settings = settings
        self._wire = Wire(name, settings, secrets)

    def send(self, message: Message) -> str:
        """One markdown message; AdapterError when the robot did not take it."""
        body = {"msgtype": "markdown", "markdown": {"content": self._content(message)}}
        return judge(self._wire.post(json.dumps(body, ensure_ascii=False).encode()), _ROBOT)

    def shut(self) -> None:
        """Let go of connections."""
        self._wire.close()

    def _content(self, message: Message) -> str:
        head = f"**{inert(headline(message.title))}**\n"
        called = self._settings.at_users if message.urgent else ()
        tail = "\n" + "".join(f"<@{user}>" for user in called) if called else ""
        room = _LIMIT - utf8(head) - utf8(tail)
        return head + fitted(inert(sendable(message.text)), room, utf8) + tail


def connect(name: str, settings: Settings, secrets: Secrets) -> WeCom:
    """The channel ``name``."""
    return WeCom(name, settings, secrets)
