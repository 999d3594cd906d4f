# SPDX-License-Identifier: GPL-3.0-or-later
"""A line to a real server that can be cut, slowed and falsified.

Real servers are honest and healthy when a test runs; the failures that matter happen
between them and us. A ``Gateway`` listens on 127.0.0.1, passes requests on to one
upstream url, and does on demand what ``conformance_tickets.Faults`` describes.
"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_PER_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "server", "date"}
)
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds: close with a reset


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """One request on its way; ``path`` with its query."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def writes(self) -> bool:
        """Whether it is meant to change something."""
        return self.method not in _READING


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What goes back."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


type Fault = Callable[[Passed, int], Answered | None]
"""What happens to a request; the number counts writes since the fault began, from 1.
None cuts the line. The honest answer is ``Gateway.forward``."""


class Gateway:
    """Use as a context manager; ``url`` is what the adapter gets instead of ``upstream``.

    ``lie`` makes the answer of a write that was swallowed; by default it is what a GET of
    the same path answers: the unchanged record, with 200.
    """

    def __init__(self, upstream: str, lie: Callable[[Passed], Answered] | None = None) -> None:
        self.upstream = upstream.rstrip("/")
        self.writes = 0
        self._lie = lie or self._unchanged
        self._fault: Fault | None = None
        self._since = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """Where it listens; the upstream's path is kept."""
        port = self._server.server_address[1]
        return f"http://127.0.0.1:{port}{urlsplit(self.upstream).path}"

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @contextmanager
    def suffering(self, fault: Fault) -> Iterator[None]:
        """Everything goes through ``fault``."""
        with self._lock:
            self._fault, self._since = fault, 0
        try:
            yield
        finally:
            with self._lock:
                self._fault = None

    def down(self) -> AbstractContextManager[None]:
        """Connections are reset at once."""
        return self.suffering(lambda _passed, _n: None)

    def answering(
        self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> AbstractContextManager[None]:
        """The same answer to everything."""
        answer = Answered(status=status, body=body, headers=headers or {})
        return self.suffering(lambda _passed, _n: answer)

    def losing_answers(self, nth: int = 0) -> AbstractContextManager[None]:
        """Writes are passed on and the line is cut: all of them, or only the ``nth``."""

        def fault(passed: Passed, n: int) -> Answered | None:
            answer = self.forward(passed)
            return None if passed.writes and nth in (0, n) else answer

        return self.suffering(fault)

    def failing(self, nth: int) -> AbstractContextManager[None]:
        """The ``nth`` write gets a 503 and is not passed on."""
        broken = Answered(status=503, body=b"try later")
        return self.suffering(
            lambda passed, n: broken if passed.writes and n == nth else self.forward(passed)
        )

    def lying(self) -> AbstractContextManager[None]:
        """Writes are answered with success and not passed on."""
        return self.suffering(
            lambda passed, _n: self._lie(passed) if passed.writes else self.forward(passed)
        )

    def forward(self, passed: Passed) -> Answered:
        """The upstream's answer."""
        parts = urlsplit(self.upstream)
        assert parts.hostname  # noqa: S101 - given by the test that made this gateway
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=120)
        try:
            connection.request(
                passed.method, passed.path, body=passed.body or None, headers=self._there(passed)
            )
            response = connection.getresponse()
            return Answered(
                status=response.status, headers=dict(response.getheaders()), body=response.read()
            )
        finally:
            connection.close()

    def serve(self, passed: Passed) -> Answered | None:
        """The answer to one request, through the fault if there is one."""
        with self._lock:
            if passed.writes:
                self.writes += 1
                self._since += 1
            fault, n = self._fault, self._since
        return fault(passed, n) if fault else self.forward(passed)

    def _unchanged(self, passed: Passed) -> Answered:
        seen = self.forward(
            Passed(
                method="GET",
                path=passed.path,
                headers={
                    name: value
                    for name, value in passed.headers.items()
                    if not name.lower().startswith("content-")
                },
            )
        )
        body = seen.body if seen.status == 200 else b"{}"
        return Answered(status=200, body=body, headers={"Content-Type": "application/json"})

    def _there(self, passed: Passed) -> dict[str, str]:
        """The headers with our address replaced by the upstream's: it checks them."""
        ours, there = (urlsplit(url) for url in (self.url, self.upstream))
        return {
            name: value.replace(ours.netloc, there.netloc)
            for name, value in passed.headers.items()
            if name.lower() not in _PER_HOP
        }


def _handler_for(gateway: Gateway) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        pass

    Handler.gateway = gateway
    return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else head and body in two packets cost 40 ms each time
    gateway: Gateway

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        passed = Passed(
            method=self.command,
            path=self.path,
            headers=dict(self.headers.items()),
            body=self.rfile.read(length) if length else self._chunks(),
        )
        answer = self.gateway.serve(passed)
        if answer is None:
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in _PER_HOP:
                self.send_header(name, value)
        if answer.status != http.client.NO_CONTENT:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _answer  # noqa: N815

    def _chunks(self) -> bytes:
        """The body of a request without a length: uploads come in chunks."""
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return b""
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""
