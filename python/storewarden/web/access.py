# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing but the paths in ``OPEN`` is reached without a personal token, not even the
reading of a body.

So the gate stands in front of the framework instead of in every route: a route that
forgets to ask cannot exist. Which token was wrong in what way is never said.
"""

from __future__ import annotations

import json

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from storewarden.domain.change.people import Person
from storewarden.domain.errors import Refused
from storewarden.ports.people import People

OPEN = frozenset({"/healthz", "/metrics", "/api/v1/openapi.json"})
"""What anybody may ask for: numbers, whether all is well, and how to ask for the rest."""

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
        if scope["type"] == "http" and scope["path"] not in OPEN:
            person = await run_in_threadpool(self._person, _token(scope))
            if person is None:
                await _refuse(send)
                return
            scope.setdefault("state", {})["person"] = person
        await self._app(scope, receive, send)

    def _person(self, token: str) -> Person | None:
        try:
            return self._people.authenticate(token) if token else None
        except Refused:
            return None


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
