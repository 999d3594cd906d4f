# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of the service against addresses, texts and answers that are none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from storewarden.adapters.service import ServiceClient
from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.ports.secrets import Secret

TOKEN = Secret("sw_head_" + "0" * 64)


@pytest.mark.parametrize(
    "url",
    [
        "", "127.0.0.1:1", "ftp://127.0.0.1", "https://", "http://[::1", "http://127.0.0.1:x",
        "http://127.0.0.1:99999", "http://127.0.0.1:1/\n", "http://10.0.0.1", "http://127.1:1",
        "http://localhost@evil.example", "http://127.0.0.1.evil.example",
    ],
)  # fmt: skip
def test_a_token_goes_to_no_address_that_is_none(url: str) -> None:
    with pytest.raises(ConfigInvalid, match="no address for a token"):
        ServiceClient(url, TOKEN)


def test_a_password_in_the_address_is_not_repeated() -> None:
    with pytest.raises(ConfigInvalid) as refused:
        ServiceClient("http://me:secret@127.0.0.1:1", TOKEN)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("path", "key"),
    [("/changes/\x1b[31m", "k"), ("/changes/\udcff", "k"), ("/changes/x", "é"), ("/x", "a\nb")],
)
def test_what_cannot_be_sent_is_one_line_about_the_caller(path: str, key: str) -> None:
    with (
        answering(200, b"{}") as url,
        ServiceClient(url, TOKEN) as client,
        pytest.raises(ConfigInvalid, match="cannot be sent"),
    ):
        client.write(path, {}, key)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_error_in_other_words_is_a_service_that_broke_off(status: int) -> None:
    """Of a service that is just stopping, or of the proxy in front of it."""
    with (
        answering(status, b"<html>Bad gateway</html>") as url,
        ServiceClient(url, TOKEN) as client,
        pytest.raises(AdapterError, match=f"broke off: HTTP {status}") as broke,
    ):
        client.write("/changes", {}, "k")
    assert broke.value.retryable
    assert "same --key" in broke.value.hint


def test_somebody_else_at_the_address_is_said_so() -> None:
    with (
        answering(404, b"nginx") as url,
        ServiceClient(url, TOKEN) as client,
        pytest.raises(AdapterError, match="is not storewarden"),
    ):
        client.read("/me")


def test_no_request_goes_down_a_line_on_which_the_service_may_just_hang_up() -> None:
    lines: list[object] = []
    with answering(200, b"{}", lines=lines) as url, ServiceClient(url, TOKEN) as client:
        for _ in range(3):
            client.read("/me")
    assert len(set(lines)) == len(lines) == 3


@contextmanager
def answering(status: int, body: bytes, *, lines: list[object] | None = None) -> Iterator[str]:
    """A server that always says the same, and keeps lines open; ``lines`` gets that of each
    request."""

    class Always(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if lines is not None:
                lines.append(self.client_address)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name is the library's

        def log_message(self, *_words: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Always) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(10)
