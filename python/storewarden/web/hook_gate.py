# SPDX-License-Identifier: GPL-3.0-or-later
"""In front of /hooks/<source>: senders of alerts have secrets of their own, not personal tokens.

Like the gate for people it stands before the framework: no route can forget it, and no body is
read for a stranger. A signature can only be compared with the whole body, so there the route ends
what begins here (``Admission.confirms``).
"""

from __future__ import annotations

import json
from typing import Protocol

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from storewarden.web.access import hook_of
from storewarden.web.hook_keys import Admission, Entry, Headers

RETRY_SECONDS = "30"
_STRANGER = "this is not a known source with its secret"
_LATER = "the secrets of alert sources cannot be read now"


class Keys(Protocol):
    """Who may send (``HookKeys``)."""

    def admit(self, source: str, headers: Headers) -> Admission:
        """What the headers prove."""
        ...


class Refusals(Protocol):
    """Counts what came to nothing (``HookMeter``)."""

    def refused(self, result: str) -> None:
        """``result`` is a word of the metrics."""
        ...


class HookGate:
    """ASGI middleware: 401 or 503, or the request goes on with ``state.admission``."""

    def __init__(self, app: ASGIApp, *, keys: Keys, meter: Refusals) -> None:
        self._app = app
        self._keys = keys
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge the headers of a hook's request; everything else passes."""
        name = hook_of(scope)
        if name is None:
            await self._app(scope, receive, send)
            return
        admission = await run_in_threadpool(self._keys.admit, name, scope["headers"])
        if admission.entry is Entry.UNKNOWN:
            self._meter.refused("unjudged")
            await _answer(send, 503, _LATER)
            return
        if admission.entry is Entry.CLOSED:
            self._meter.refused("unauthorised")
            await _answer(send, 401, _STRANGER)
            return
        scope.setdefault("state", {})["admission"] = admission
        await self._app(scope, receive, send)


def stranger() -> dict[str, str]:
    """What a sender reads whose signature is not that of its body: as every stranger."""
    return _told(_STRANGER, "token")


def _told(error: str, kind: str) -> dict[str, str]:
    return {"error": error, "where": "", "hint": "", "kind": kind}


async def _answer(send: Send, status: int, error: str) -> None:
    told = _told(error, "token" if status == 401 else "adapter")
    body = json.dumps(told, separators=(",", ":")).encode()  # byte for byte as the route's own
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),  # a body may still be on its way
    ]
    more = (b"www-authenticate", b"Bearer") if status == 401 else (
        b"retry-after", RETRY_SECONDS.encode(),
    )  # fmt: skip
    await send({"type": "http.response.start", "status": status, "headers": [*headers, more]})
    await send({"type": "http.response.body", "body": body})
