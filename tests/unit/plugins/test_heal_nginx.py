# SPDX-License-Identifier: GPL-3.0-or-later
"""The action nginx: servers of a dump, lines of the site's files, and who answers."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal.upstream_servers import (
    MARK,
    answers,
    lines_in,
    place_of,
    put_back,
    servers_in,
    taken_out,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

PATIENCE = 60.0
DUMP = """# configuration file /etc/nginx/nginx.conf:
http { upstream shop { include /etc/nginx/shop.conf; keepalive 4; }
  server { listen 80; server_name shop; location / { proxy_pass http://shop; } } }
stream { upstream printer { server 10.0.0.9:9100 backup; } }
# configuration file /etc/nginx/shop.conf:
server 10.0.0.7:8080 weight=2; # the old one
server unix:/run/pos.sock down;
"""
FILE = """# servers of the shop
server 10.0.0.7:8080 weight=2; # the old one
\tserver  10.0.0.8:8080;
server 10.0.0.77:8080 down;
#server 10.0.0.7:8080;
"""


def test_servers_of_all_upstreams_and_no_virtual_servers() -> None:
    found = [(one["upstream"], one["address"], one["down"]) for one in servers_in(DUMP)]
    assert found == [
        ("shop", "10.0.0.7:8080", False),
        ("shop", "unix:/run/pos.sock", True),
        ("printer", "10.0.0.9:9100", False),
    ]
    assert servers_in(DUMP)[2]["backup"]


@pytest.mark.parametrize("address", ["10.0.0.7:8080", "10.0.0.8:8080"])
def test_what_is_taken_out_is_put_back_sign_by_sign(address: str) -> None:
    out = taken_out(FILE, address)
    changed = [
        new for old, new in zip(FILE.split("\n"), out.split("\n"), strict=True) if old != new
    ]
    assert len(changed) == 1
    assert " down;" in changed[0]
    assert changed[0].endswith(MARK)
    assert lines_in(out)[address] == "out"
    assert put_back(out, address) == FILE
    assert taken_out(out, address) == out


def test_what_people_took_out_is_theirs() -> None:
    assert lines_in(FILE) == {
        "10.0.0.7:8080": "in", "10.0.0.8:8080": "in", "10.0.0.77:8080": "down",
    }  # fmt: skip
    assert put_back(FILE, "10.0.0.77:8080") == FILE
    assert taken_out(FILE, "10.0.0.77:8080") == FILE
    assert taken_out(FILE, "10.0.0.9:8080") == FILE


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("10.0.0.7:8080", ("10.0.0.7", 8080)),
        ("10.0.0.7", ("10.0.0.7", 80)),
        ("[2001:db8::1]:81", ("2001:db8::1", 81)),
        ("pos.example.com", ("pos.example.com", 80)),
    ],
)
def test_where_a_server_is(address: str, place: tuple[str, int]) -> None:
    assert place_of(address) == place


class _Shop(http.server.BaseHTTPRequestHandler):
    """/health is well, /broken is not, and everything else is unknown."""

    def do_GET(self) -> None:
        self.send_response({"/health": 200, "/broken": 503}.get(self.path, 404))
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Nothing on the test's output."""


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Shop) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "well"), [("", True), ("/health", True), ("/unknown", True), ("/broken", False)]
)
def test_an_answer_below_500_is_one(shop: str, path: str, well: bool) -> None:
    assert answers(Host(), shop, path, PATIENCE, 2) is well


def test_nobody_answers(tmp_path: Path, shop: str) -> None:
    assert not answers(Host(str(tmp_path)), "unix:/run/gone.sock", "", PATIENCE)
    assert not answers(Host(), "no-such-name.invalid:80", "", PATIENCE)
