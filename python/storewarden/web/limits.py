# SPDX-License-Identifier: GPL-3.0-or-later
"""How much one request may bring and how long it may take: counted as it arrives, whatever
its headers claim."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from storewarden.flows.change_desk import LARGEST_DOCUMENT

BODY = 1 << 20  # bytes of a JSON body: a change over 3,000 hosts is about 100 KB
QUICK = timedelta(seconds=30)
"""How long a JSON body may be on its way."""
PATIENT = timedelta(minutes=10)
"""How long a document may be: 32 MiB take that long at half a megabit per second."""


class _Cut(Exception):
    """The body is not read on; the answer is ``status`` with ``said``."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status
        self.said = said


class BodyLimit:
    """ASGI middleware that answers 413 or 408 instead of reading on."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        documents: str,
        quick: timedelta = QUICK,
        patient: timedelta = PATIENT,
    ) -> None:
        """``documents`` is how the paths end that take whole documents."""
        self._app = app
        self._documents = documents
        self._quick = quick
        self._patient = patient

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        whole = scope["path"].endswith(self._documents)
        limit, patience = (LARGEST_DOCUMENT, self._patient) if whole else (BODY, self._quick)
        counter = _Counter(limit, patience, receive, send)
        try:
            _require_one_length(scope)
            if _claimed(scope) > limit:
                raise _too_large(limit)
            await self._app(scope, counter.receive, counter.send)
        except _Cut as cut:
            if not counter.answered:
                await _refuse(send, cut)


class _Counter:
    """The two channels of one request, watched."""

    def __init__(self, limit: int, patience: timedelta, receive: Receive, send: Send) -> None:
        self._limit = self._left = limit
        self._end = asyncio.get_running_loop().time() + patience.total_seconds()
        self._receive = receive
        self._send = send
        self.answered = False
        self._whole = False
        self._cut: _Cut | None = None

    async def receive(self) -> Message:
        if self._whole:  # what is waited for now is the end of the connection
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._end):
                message = await self._receive()
        except TimeoutError:
            self._cut = _Cut(408, "the body did not arrive in time")
            raise self._cut from None
        self._whole = not message.get("more_body", False)
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self._cut = _too_large(self._limit)
            raise self._cut
        return message

    async def send(self, message: Message) -> None:
        # The framework turns whatever its body reader raises into a 400 of its own.
        if self._cut is not None and not self.answered:
            raise self._cut
        self.answered = True
        await self._send(message)


def _require_one_length(scope: Scope) -> None:
    """A length and chunks at once: two programs on the way may take it for two requests."""
    names = {name for name, _value in scope["headers"]}
    if {b"content-length", b"transfer-encoding"} <= names:
        raise _Cut(400, "the body has two lengths")


def _claimed(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and len(value) < 20:
            return int(value)
    return 0


def _too_large(limit: int) -> _Cut:
    return _Cut(413, f"the body is larger than {limit} bytes")


async def _refuse(send: Send, cut: _Cut) -> None:
    told = {"error": cut.said, "where": "body", "hint": "", "kind": "invalid"}
    body = json.dumps(told).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": cut.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
