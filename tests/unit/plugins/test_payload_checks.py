# SPDX-License-Identifier: GPL-3.0-or-later
"""Does it work? The four kinds of checks against real answers, and words that cannot be meant."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.payload.checks import (
    BadCheck,
    checked,
    probes,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host


class _Page(http.server.BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        ready = self.path != "/late" or type(self).asked > 2
        status = {"/moved": 302, "/broken": 500}.get(self.path, 200 if ready else 503)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/fine")
        self.end_headers()
        self.wfile.write(b"status: ok\nsecret-of-the-page\n")

    def log_message(self, *_words: Any) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A folder with a systemctl of its own."""
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\ncase "$3" in good.service) echo active;; *) echo failed;; esac\n'
    )
    program.chmod(0o755)
    return Host(str(tmp_path), f"{program.parent}:/usr/bin:/bin")


def ask(host: Host, within: float = 0.0, **check: Any) -> tuple[bool, str]:
    (probe,) = probes(host, [check], within)
    assert probe["detail"]["zh"]
    return probe["ok"], probe["detail"]["en"]


@pytest.mark.parametrize(
    ("path", "more", "ok", "said"),
    [
        ("/fine", {}, True, "status 200"),
        ("/fine", {"match": "^status: ok$"}, True, "status 200"),
        ("/fine", {"match": "status: down"}, False, "the text that is looked for is not in it"),
        ("/broken", {}, False, "status 500"),
        ("/broken", {"status": 500}, True, "status 500"),
        ("/moved", {}, False, "status 302"),
        ("/moved", {"status": [200, 302]}, True, "status 302"),
    ],
)
def test_http(  # noqa: PLR0917 - a table's columns
    host: Host, port: int, path: str, more: dict[str, Any], ok: bool, said: str
) -> None:
    found = ask(host, kind="http", url=f"http://127.0.0.1:{port}{path}", **more)
    assert found[0] is ok
    assert said in found[1]
    assert "secret-of-the-page" not in found[1]


def test_nobody_answers(host: Host) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    assert ask(host, kind="tcp", port=number) == (False, "no connection: Connection refused")
    url = f"http://127.0.0.1:{number}/"
    assert ask(host, kind="http", url=url) == (False, "no answer: Connection refused")


def test_tcp_and_unit(host: Host, port: int) -> None:
    assert ask(host, kind="tcp", port=port) == (True, "takes connections")
    assert ask(host, kind="unit", unit="good.service") == (True, "is active")
    assert ask(host, kind="unit", unit="bad.service") == (False, "is failed")
    assert ask(host, kind="unit", unit="bad.service", state="failed")[0]


@pytest.mark.parametrize(
    ("check", "ok", "said"),
    [
        ({"argv": ["true"]}, True, "exit status 0"),
        ({"argv": ["false"]}, False, "exit status 1"),
        ({"argv": ["false"], "accept": [0, 1]}, True, "exit status 1"),
        ({"argv": ["no-such-program"]}, False, "exit status 127: no-such-program is not installed"),
        ({"argv": ["sleep", "9"], "seconds": 0.1}, False, "did not end within 0.1 s"),
        ({"argv": ["echo", "good"], "match": "^good$"}, True, "exit status 0"),
        ({"argv": ["echo", "secret"], "match": "^good$"}, False, "not in what it printed"),
    ],
)
def test_command(host: Host, check: dict[str, Any], ok: bool, said: str) -> None:
    found = ask(host, kind="command", **check)
    assert found[0] is ok
    assert said in found[1]
    assert "secret" not in found[1]


@pytest.mark.slow
def test_what_becomes_good_in_time_is_good(host: Host, port: int) -> None:
    _Page.asked = 0
    late = {"kind": "http", "url": f"http://127.0.0.1:{port}/late"}
    assert ask(host, **late) == (False, "status 503")
    assert ask(host, within=30, **late) == (True, "status 200")


def test_names(host: Host) -> None:
    given = [
        {"kind": "unit", "unit": "good.service"},
        {"kind": "command", "argv": ["true"], "name": "mine"},
        {"kind": "command", "argv": ["true"]},
    ]
    assert [one["name"] for one in probes(host, given)] == [
        "unit good.service",
        "mine",
        "command true",
    ]
    assert probes(host, []) == []


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("http", "check 1: a mapping is meant"),
        ({"kind": "ping"}, "check 1: kind 'ping' is none of"),
        ({"kind": "tcp"}, "check 1: port is missing"),
        ({"kind": "tcp", "port": "http"}, "check 1 (tcp http): "),
        ({"kind": "unit", "unit": "x", "port": 1}, "port is no field of a check of kind unit"),
        ({"kind": "http", "url": "file:///etc/passwd"}, "url: http or https is meant"),
        ({"kind": "http", "url": "http://x", "match": "("}, "check 1 (http http://x): "),
        ({"kind": "http", "url": "http://x", "headers": []}, "headers: a mapping is meant"),
        ({"kind": "command", "argv": "true"}, "argv: a list of words is meant"),
        ({"kind": "tcp", "port": 1, "seconds": 0}, "seconds: above 0"),
    ],
)
def test_what_cannot_be_meant(check: Any, said: str) -> None:
    with pytest.raises(BadCheck) as problem:
        checked([check])
    assert said in str(problem.value)
