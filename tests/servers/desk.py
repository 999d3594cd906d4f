# SPDX-License-Identifier: GPL-3.0-or-later
"""A small ticket desk over HTTP that may be killed: what it acknowledged is in its file.

``python -m tests.servers.desk FILE PORT`` serves on 127.0.0.1 and prints the port when it
listens (0: any). Started again over the same file it remembers. ``section`` are the settings
that connect to it; ``Desk`` starts and kills it from a test.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

_ROOT = Path(__file__).resolve().parents[2]


def section(port: int) -> dict[str, Any]:
    """The ``tickets`` section."""
    return {
        "system": "http",
        "url": f"http://127.0.0.1:{port}",
        "timeout_seconds": 10,
        "find": {"path": "/tickets?run_id={{ run_id }}", "list": "tickets"},
        "read": {"path": "/tickets/{{ id }}"},
        "ticket": {"id": "id", "run_id": "run_id", "title": "title", "open": "open"},
        "create": {
            "path": "/tickets",
            "body": {"run_id": "{{ run_id }}", "title": "{{ title }}", "body": "{{ body }}"},
            "id": "id",
        },
        "note": {"path": "/tickets/{{ id }}/notes", "body": {"text": "{{ text }}"}},
        "notes": {"path": "/tickets/{{ id }}/notes", "list": "notes", "text": "text"},
        "close": {"path": "/tickets/{{ id }}/close", "body": {"why": "{{ resolution }}"}},
    }


@dataclass(slots=True)
class Desk:
    """The desk over ``file``; ``port`` is known after the first start and then stays."""

    file: Path
    port: int = 0
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Serve; returns when it listens."""
        program = [sys.executable, "-m", "tests.servers.desk", str(self.file), str(self.port)]
        self._process = subprocess.Popen(program, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        """At once, in the middle of whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def notes(self) -> dict[str, list[str]]:
        """All texts by the ticket's run id, in the order in which they were acknowledged."""
        book = _Book(self.file)
        return {str(one["run_id"]): list(one["notes"]) for one in book.tickets.values()}


class _Book:
    """Tickets in memory and every write in a file."""

    def __init__(self, file: Path) -> None:
        self.tickets: dict[str, dict[str, Any]] = {}
        self._file = file
        self._lock = threading.Lock()
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        for line in lines:
            self._apply(json.loads(line))

    def write(self, done: Mapping[str, Any]) -> dict[str, Any]:
        """Keep it, then tell."""
        with self._lock:
            told = self._apply(done)
            with self._file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(done) + "\n")
            return told

    def _apply(self, done: Mapping[str, Any]) -> dict[str, Any]:
        match done["what"]:
            case "create":
                identity = str(len(self.tickets) + 1)
                self.tickets[identity] = {
                    "id": identity,
                    "run_id": done["run_id"],
                    "title": done["title"],
                    "open": True,
                    "notes": [],
                }
                return {"id": identity}
            case "note":
                self.tickets[done["id"]]["notes"].append(done["text"])
            case "close":
                self.tickets[done["id"]]["open"] = False
        return {}


def _handler(book: _Book) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer is one packet; else each waits 40 ms for an acknowledgement
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            place = urlsplit(self.path)
            parts = place.path.strip("/").split("/")
            if len(parts) == 1:
                wanted = parse_qs(place.query)["run_id"][0]
                found = [one for one in book.tickets.values() if one["run_id"] == wanted]
                self._answer({"tickets": found})
            elif len(parts) == 2:
                self._answer(book.tickets[parts[1]])
            else:
                self._answer({"notes": [{"text": t} for t in book.tickets[parts[1]]["notes"]]})

        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["content-length"])))
            parts = urlsplit(self.path).path.strip("/").split("/")
            what = {1: "create"}.get(len(parts)) or parts[2].rstrip("s")
            identity = {"id": parts[1]} if len(parts) > 1 else {}
            self._answer(book.write({"what": what, **sent, **identity}))

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

        def _answer(self, told: Mapping[str, Any]) -> None:
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def main() -> None:
    """Serve until killed."""
    file, port = Path(sys.argv[1]), int(sys.argv[2])
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(_Book(file)))
    print(server.server_address[1], flush=True)  # noqa: T201 - what the test waits for
    server.serve_forever()


if __name__ == "__main__":
    main()
