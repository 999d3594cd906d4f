# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing but the paths in ``OPEN`` is reached without a personal token, not even the
reading of a body. Senders of alerts (/hooks/<source>) have a gate of their own behind this one.

So the gate stands in front of the framework instead of in every route: a route that
forgets to ask cannot exist. Which token was wrong in what way is never said. A body may be
sent for as long as its limits allow, so whoever sends one is asked for again at its end:
a token that was withdrawn meanwhile does nothing any more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from storewarden.domain.change.people import Person
from storewarden.domain.errors import Refused
from storewarden.ports.people import People

OPEN = frozenset({"/healthz", "/metrics", "/api/v1/openapi.json"})
"""What anybody may ask for: numbers, whether all is well, and how to ask for the rest."""

_HOOK = re.compile(r"/hooks/([^/]+)")
_SCHEME = "bearer "


class AccessGate:
    """ASGI middleware: 401, or the request goes on with ``state.person``."""

    def __init__(self, app: ASGIApp, *, people: People) -> None:
        self._app = app
        self._people = people

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask for the token of a guarded path."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http" or scope["path"] in OPEN or hook_of(scope) is not None:
            await self._app(scope, receive, send)
            return
        if not await self._known(scope):
            await _refuse(send)
            return
        watched = _Watched(self._known, scope, receive, send)
        try:
            await self._app(scope, watched.receive, watched.send)
        except _Gone:
            await _refuse(send)

    async def _known(self, scope: Scope) -> bool:
        """Whether the token is somebody's now; who, stands in the scope."""
        person = await run_in_threadpool(self._person, _token(scope))
        scope.setdefault("state", {})["person"] = person
        return person is not None

    def _person(self, token: str) -> Person | None:
        try:
            return self._people.authenticate(token) if token else None
        except Refused:
            return None


def hook_of(scope: Scope) -> str | None:
    """The source in the path of a webhook; None for every other request."""
    found = _HOOK.fullmatch(scope["path"]) if scope["type"] == "http" else None
    return found.group(1) if found else None


class _Gone(Exception):
    """The token has ended before the body did."""


class _Watched:
    """The two channels of one request, whose sender may be nobody any more when it is whole."""

    def __init__(
        self, known: Callable[[Scope], Awaitable[bool]], scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._known = known
        self._scope = scope
        self._receive = receive
        self._send = send
        self._gone = False

    async def receive(self) -> Message:
        message = await self._receive()
        whole = message["type"] == "http.request" and not message.get("more_body", False)
        if whole and not await self._known(self._scope):
            self._gone = True
            raise _Gone
        return message

    async def send(self, message: Message) -> None:
        # The framework turns whatever its body reader raises into a 400 of its own.
        if self._gone:
            raise _Gone
        await self._send(message)


def person_of(request: Request) -> Person:
    """Who asks; the gate has put it there."""
    person = request.state.person
    assert isinstance(person, Person)  # noqa: S101 - for the type checker
    return person


def _token(scope: Scope) -> str:
    """The one bearer token of the request; "" when there is none, or more than one."""
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(given) != 1:
        return ""
    text = given[0].decode("latin-1")
    return text[len(_SCHEME) :].strip() if text.lower().startswith(_SCHEME) else ""


async def _refuse(send: Send) -> None:
    told = {"error": "a valid personal token is needed", "where": "", "hint": "", "kind": "token"}
    body = json.dumps(told).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"www-authenticate", b"Bearer"),
        (b"connection", b"close"),  # a body may still be on its way
    ]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": body})
