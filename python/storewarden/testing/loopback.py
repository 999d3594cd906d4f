# SPDX-License-Identifier: GPL-3.0-or-later
"""A web service on 127.0.0.1 that keeps its contract, and breaks it when told to.

Real services answer success and change nothing, do the work and lose the
answer, or send a page where data was asked for. A fake that is only ever honest
proves nothing about a client; so every mishap can be ordered here, for the next
fitting requests, and what arrived is kept for the test to look at.
"""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit


class Mishap(Enum):
    """What can go wrong with one request."""

    BUSY = "busy"  # 429 with Retry-After; nothing was done
    BROKEN = "broken"  # 503; nothing was done
    UNCHANGED = "unchanged"  # the answer of success; nothing was done
    LOST = "lost"  # done, and the line is cut before the answer
    TWICE = "twice"  # done twice, as by a second writer at the same moment
    SLOW = "slow"  # done, the answer comes after `delay` seconds
    PAGE = "page"  # 200 with an HTML page instead of data; nothing was done
    EXPIRED = "expired"  # the credentials end with this request: 401 from now on


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it arrived; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def data(self) -> dict[str, object]:
        """The body as a JSON object; empty when it is none."""
        try:
            read = json.loads(self.body or b"{}")
        except ValueError:
            return {}
        return read if isinstance(read, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back: JSON data (None: no body), or bytes as they are."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class _Order:
    kind: Mishap
    method: str
    path: str
    skip: int
    times: int

    def fits(self, request: Request) -> bool:
        return self.method in ("", request.method) and self.path in request.path


class LoopbackService[State]:
    """A server in threads; use it as a context manager. ``handle`` is the contract.

    ``state`` is everything it knows; a request that must change nothing works on a copy.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.requests: list[Request] = []
        self.delay = 30.0
        self.expired = False
        self._orders: list[_Order] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def suffer(
        self, kind: Mishap, *, method: str = "", path: str = "", skip: int = 0, times: int = 1
    ) -> None:
        """The next ``times`` requests of that method, with that text in their path, go wrong so,
        after ``skip`` good ones."""
        with self._lock:
            self._orders.append(_Order(kind=kind, method=method, path=path, skip=skip, times=times))

    def renew(self) -> None:
        """Credentials hold again."""
        self.expired = False

    def sent(self, method: str, path: str = "") -> list[Request]:
        """The requests so far of that method, with that text in their path."""
        return [r for r in self.requests if r.method == method and path in r.path]

    def handle(self, request: Request) -> Answer:
        """The service's honest answer; called under the lock."""
        raise NotImplementedError

    def unauthorised(self) -> Answer:
        """What it says to credentials that do not hold."""
        return Answer(status=401, body={"error": "unauthorised"})

    def serve(self, request: Request) -> Answer | None:
        """The answer with its mishap, if one is due; None: the line is cut."""
        with self._lock:
            self.requests.append(request)
            mishap = self._due(request)
            if mishap is Mishap.EXPIRED:
                self.expired = True
            answer = _REFUSALS[mishap] if mishap in _REFUSALS else self._act(request, mishap)
        if mishap is Mishap.SLOW:
            self._stopping.wait(self.delay)
        return None if mishap is Mishap.LOST else answer

    def _act(self, request: Request, mishap: Mishap | None) -> Answer:
        if self.expired:
            return self.unauthorised()
        before = copy.deepcopy(self.state) if mishap is Mishap.UNCHANGED else None
        if mishap is Mishap.TWICE:
            self.handle(request)  # the other writer was first
        answer = self.handle(request)
        if before is not None:
            self.state = before
        return answer

    def _due(self, request: Request) -> Mishap | None:
        for order in self._orders:
            if not order.fits(request):
                continue
            if order.skip:
                order.skip -= 1
                continue
            order.times -= 1
            if order.times <= 0:
                self._orders.remove(order)
            return order.kind
        return None


_REFUSALS = {
    Mishap.BUSY: Answer(status=429, body={"error": "too many"}, headers={"Retry-After": "7"}),
    Mishap.BROKEN: Answer(status=503, body={"error": "down"}),
    Mishap.PAGE: Answer(
        body=b"<html><title>Sign in</title></html>", headers={"Content-Type": "text/html"}
    ),
}


def _handler_for(service: LoopbackService[Any]) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(_Handler):
        pass

    Handler.service = service
    return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or every answer in two packets waits 40 ms
    service: LoopbackService[Any]

    def _answer(self) -> None:
        answer = self.service.serve(self._read())
        if answer is None:
            self.close_connection = True
            return
        body, kind = _encoded(answer.body)
        self.send_response(answer.status)
        for name, value in {"Content-Type": kind, **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

    def _read(self) -> Request:
        parts = urlsplit(self.path)
        return Request(
            method=self.command,
            path=unquote(parts.path),
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
        )

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""


def _encoded(body: object) -> tuple[bytes, str]:
    if isinstance(body, bytes):
        return body, "application/octet-stream"
    if body is None:
        return b"", "application/json"
    return json.dumps(body, ensure_ascii=False).encode(), "application/json;charset=UTF-8"
