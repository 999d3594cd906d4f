# SPDX-License-Identifier: GPL-3.0-or-later
"""How much one request may bring: counted as it arrives, whatever its headers claim."""

from __future__ import annotations

import json

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from storewarden.flows.change_desk import LARGEST_DOCUMENT

BODY = 1 << 20  # bytes of a JSON body: a change over 3,000 hosts is about 100 KB


class _TooLarge(Exception):
    """The body has outgrown its limit."""


class BodyLimit:
    """ASGI middleware that answers 413 instead of reading on."""

    def __init__(self, app: ASGIApp, *, documents: str) -> None:
        """``documents`` is how the paths end that take whole documents."""
        self._app = app
        self._documents = documents

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = LARGEST_DOCUMENT if scope["path"].endswith(self._documents) else BODY
        counter = _Counter(limit, receive, send)
        if _claimed(scope) > limit:
            await _refuse(send, limit)
            return
        try:
            await self._app(scope, counter.receive, counter.send)
        except _TooLarge:
            if not counter.answered:
                await _refuse(send, limit)


class _Counter:
    """The two channels of one request, watched."""

    def __init__(self, limit: int, receive: Receive, send: Send) -> None:
        self._left = limit
        self._receive = receive
        self._send = send
        self.answered = False
        self._over = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self._over = True
            raise _TooLarge
        return message

    async def send(self, message: Message) -> None:
        # The framework turns whatever its body reader raises into a 400 of its own.
        if self._over and not self.answered:
            raise _TooLarge
        self.answered = True
        await self._send(message)


def _claimed(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and len(value) < 20:
            return int(value)
    return 0


async def _refuse(send: Send, limit: int) -> None:
    told = {
        "error": f"the body is larger than {limit} bytes",
        "where": "body",
        "hint": "",
        "kind": "invalid",
    }
    body = json.dumps(told).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
