# SPDX-License-Identifier: GPL-3.0-or-later
"""The API against people who mean harm, or are slow: raw sockets at a real server."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI, Request

from storewarden.flows.person_tokens import withdraw_tokens
from storewarden.web.connections import Connection
from storewarden.web.limits import BodyLimit
from storewarden.web.server import Server, called_here
from storewarden.wiring.people import token_parts
from tests.e2e.change_service import Service, lay_out, serving, standard
from tests.e2e.serve_site import until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for the tests that do not break it."""
    with serving(lay_out(tmp_path_factory.mktemp("site"))) as running:
        yield running


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Service]:
    """A service of one's own."""
    with serving(lay_out(tmp_path)) as running:
        yield running


def opened(service: Service, **more: object) -> str:
    answer = service.post("op.one", "/changes", standard(**more))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["change"]["number"])


def state_of(service: Service, number: str) -> str:
    with service.client("lead") as http:
        return str(http.get(f"/api/v1/changes/{number}").json()["change"]["state"])


@contextmanager
def line_to(url: str) -> Iterator[socket.socket]:
    port = int(url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=120) as line:
        yield line


def head_of(path: str, token: str, *more: str) -> bytes:
    lines = [
        f"POST /api/v1{path} HTTP/1.1", "Host: here", f"Authorization: Bearer {token}",
        "Idempotency-Key: slow", "Content-Type: application/json", *more, "", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


WAITS = "Expect: 100-continue"
"""With this in a head the service says when it begins to read the body."""


def let_in(line: socket.socket) -> None:
    """Its head was good; the service waits for the body."""
    found = b""
    while not found.endswith(b"\r\n\r\n"):
        part = line.recv(1024)
        assert part, found
        found += part
    assert found.startswith(b"HTTP/1.1 100 "), found


def all_of(line: socket.socket) -> bytes:
    found = b""
    while part := line.recv(65536):
        found += part
    return found


@pytest.mark.parametrize("gone", ["withdrawn", "left"])
def test_who_is_gone_before_the_body_is_whole_does_nothing(fresh: Service, gone: str) -> None:
    number, body = opened(fresh), b'{"comment": "too late"}'
    head = head_of(
        f"/changes/{number}/approve", fresh.token("head"),
        f"Content-Length: {len(body)}", "Connection: close", WAITS,
    )  # fmt: skip
    with line_to(fresh.url) as line:
        line.sendall(head)
        let_in(line)  # the token is good
        line.sendall(body[:5])
        if gone == "withdrawn":
            withdraw_tokens(token_parts(fresh.site, "test"), "head")
        else:
            people = fresh.folder / "people.yml"
            people.write_text(people.read_text().replace("  head: {", "  other: {"))
        line.sendall(body[5:])
        answer = all_of(line)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert state_of(fresh, number) == "requested"


def test_evidence_of_somebody_who_is_gone_is_not_attached(fresh: Service) -> None:
    number = opened(fresh)
    path = f"/changes/{number}/evidence?name=late.txt"
    with line_to(fresh.url) as line:
        head = head_of(path, fresh.token("head"), "Content-Length: 8", "Connection: close", WAITS)
        line.sendall(head)
        let_in(line)
        line.sendall(b"1234")
        withdraw_tokens(token_parts(fresh.site, "test"), "head")
        line.sendall(b"5678")
        assert all_of(line).startswith(b"HTTP/1.1 401 ")
    with fresh.client("lead") as http:
        assert http.get(f"/api/v1/changes/{number}").json()["change"]["evidence"] == []


def test_a_body_with_two_lengths_is_refused_and_the_line_closed(shared: Service) -> None:
    number = opened(shared)
    head = head_of(
        f"/changes/{number}/approve", shared.token("head"),
        "Content-Length: 2", "Transfer-Encoding: chunked",
    )  # fmt: skip
    with line_to(shared.url) as line:
        line.sendall(head + b"2\r\n{}\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
        answer = all_of(line)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert state_of(shared, number) == "requested"


def test_a_body_that_never_ends_is_cut_off_in_time() -> None:
    app = FastAPI()
    app.add_middleware(
        BodyLimit, documents="/slow", quick=timedelta(seconds=0.3), patient=timedelta(minutes=5)
    )

    @app.post("/{name}")
    async def take(name: str, request: Request) -> int:
        return len(await request.body())

    server = Server("127.0.0.1", 0)
    server.start(app)
    try:
        with line_to(server.url) as line:
            line.sendall(b"POST /quick HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\n123")
            assert all_of(line).startswith(b"HTTP/1.1 408 ")
        with line_to(server.url) as line:  # a document may take its time
            head = b"POST /slow HTTP/1.1\r\nHost: here\r\nConnection: close\r\n"
            line.sendall(head + b"Content-Length: 6\r\n\r\n123")
            time.sleep(0.6)
            line.sendall(b"456")
            assert all_of(line).endswith(b"6")
    finally:
        server.stop(timedelta(seconds=5))


class Hasty(Connection):
    """Waits a moment, takes two."""

    head_seconds = 0.3
    most = 2


@contextmanager
def hasty() -> Iterator[str]:
    app = FastAPI()

    @app.get("/here")
    def here() -> str:
        time.sleep(0.6)  # longer than a head may take: work is not a connection that asks nothing
        return "yes"

    server = Server("127.0.0.1", 0, Hasty)
    server.start(app)
    try:
        yield server.url
    finally:
        server.stop(timedelta(seconds=5))


ASKED = b"GET /here HTTP/1.1\r\nHost: here\r\n"


def closed(line: socket.socket) -> bool:
    try:
        return line.recv(1) == b""
    except ConnectionError:
        return True


def answered(line: socket.socket) -> bool:
    """Whether a whole head was answered. A busy machine may have been too slow to send it."""
    found = b""
    with suppress(ConnectionError):
        line.sendall(ASKED + b"\r\n")
        while b'"yes"' not in found and (part := line.recv(65536)):
            found += part
    return b'"yes"' in found


@pytest.mark.parametrize("said", [b"", ASKED])
def test_connections_that_ask_nothing_are_closed(said: bytes) -> None:
    with hasty() as url, line_to(url) as line:
        line.sendall(said)
        assert closed(line)


def test_the_second_head_on_a_line_has_no_more_time_than_the_first() -> None:
    def closed_at_the_second() -> bool:
        with line_to(url) as line:
            if not answered(line):
                return False
            with suppress(ConnectionError):
                line.sendall(ASKED)
            assert closed(line)
        return True

    with hasty() as url:
        assert until(closed_at_the_second)


def test_there_are_never_too_many_connections_and_the_others_are_served() -> None:
    def served() -> bool:
        with line_to(url) as line:
            return answered(line)

    with hasty() as url:
        with line_to(url), line_to(url), line_to(url) as third:
            assert closed(third)
        assert until(served)


def test_the_service_itself_uses_such_connections() -> None:
    server = Server("127.0.0.1", 0)
    server.start(FastAPI())
    try:
        assert server.connection is Connection
    finally:
        server.stop(timedelta(seconds=5))


@pytest.mark.parametrize(
    ("host", "called"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("::", "[::1]"),
        ("::1", "[::1]"),
        ("10.0.0.5", "10.0.0.5"),
    ],
)
def test_a_service_on_every_address_is_called_by_one(host: str, called: str) -> None:
    """The command line sends its token to no "0.0.0.0"."""
    assert called_here(host) == called


NONSENSE = (
    "people: [",
    "people:\n  head: {name: H, left: 2026-02-30}\n",
    "[" * 5000,
    'people: {head: {name: H, roles: !!int "abc"}}',
    "people: !!bool x",
    "people: !!timestamp x",
    "people: " + "9" * 5000,
)


def test_nonsense_in_the_people_file_stops_nobody(fresh: Service) -> None:
    """And tells nobody where files lie."""
    people = fresh.folder / "people.yml"
    good, headers = people.read_text(), {"Authorization": f"Bearer {fresh.token('head')}"}
    with fresh.client() as http:
        for text in NONSENSE:
            people.write_text(good)
            assert http.get("/healthz").json()["status"] == "fine", text
            people.write_text(text)
            assert http.get("/api/v1/me", headers=headers).json()["id"] == "head", text
            told = http.get("/healthz")
            assert told.json()["status"] == "degraded", text
            assert "people" in told.text
            assert str(fresh.folder) not in told.text


def test_a_ledger_that_was_removed_acknowledges_nothing(fresh: Service) -> None:
    number = opened(fresh)
    ledger = fresh.site.config.ledger
    aside = fresh.folder / "aside"
    Path(ledger).rename(aside)
    answer = fresh.post("op.one", f"/changes/{number}/note", {"text": "lost"})
    assert answer.status_code == 409
    with fresh.client() as http:
        assert http.get("/healthz").status_code == 503
    aside.rename(ledger)
    assert fresh.post("op.one", f"/changes/{number}/note", {"text": "kept"}).is_success


def test_an_owner_is_somebody(shared: Service) -> None:
    """A misspelt owner is not the owner, and the real one would approve their own change."""
    for owner in ("hed", "Head", "storewarden", "hеad"):  # the last one with a Cyrillic letter
        answer = shared.post("op.one", "/changes", standard(owner=owner))
        assert (answer.status_code, answer.json()["where"]) == (400, "owner")
    number = opened(shared, owner="head")
    assert shared.post("head", f"/changes/{number}/approve", {}).status_code == 403


def test_a_key_that_asks_for_something_else_is_a_conflict(shared: Service) -> None:
    for verb, field in (("note", "text"), ("plan", "plan"), ("approve", "comment")):
        number, person = opened(shared), "head" if verb == "approve" else "op.one"
        answers = [
            shared.post(person, f"/changes/{number}/{verb}", {field: text}, key="same")
            for text in ("one", "one", "two", "one")
        ]
        assert [answer.status_code for answer in answers] == [200, 200, 409, 200], verb


def test_a_document_is_named_without_a_folder(shared: Service) -> None:
    number = opened(shared)
    with shared.client("op.one") as http:
        for name in ("../../etc/passwd", "a/b", "a\\b", "..", " "):
            answer = http.post(
                f"/api/v1/changes/{number}/evidence", params={"name": name}, content=b"x",
                headers={"Idempotency-Key": "e"},
            )  # fmt: skip
            assert answer.status_code == 422, name


class _Lines(logging.Handler):
    """What a logger says, wherever else its records go."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def web_log() -> Iterator[list[str]]:
    logger, handler = logging.getLogger("storewarden.web"), _Lines()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler.lines
    logger.setLevel(before)
    logger.removeHandler(handler)


def test_a_token_in_the_address_is_not_logged(shared: Service, web_log: list[str]) -> None:
    token = shared.token("op.one")
    with shared.client() as http:
        assert http.get(f"/api/v1/{token}", params={"token": token}).status_code == 401
    # The line is written after the answer has gone out.
    assert until(lambda: bool(web_log))
    assert not any(token[20:60] in line for line in web_log)


def test_a_run_is_recorded_within_its_standing_change_alone(shared: Service) -> None:
    number = opened(shared, standing={"action": "heal", "until": _in(days=1)})

    def run(**more: object) -> int:
        body = {"run": "r", "hosts": ["pos01.000101"], "began": _in(), "succeeded": True} | more
        return shared.post("op.one", f"/changes/{number}/runs", body).status_code

    assert run() == 403  # nobody has approved it
    before = _in()
    assert shared.post("head", f"/changes/{number}/approve", {}).is_success
    assert run(began=before) == 403
    assert run() == 200
    assert run(hosts=["pos01.000102"]) == 403
    assert run(hosts=["pos01.000101", "pos01.000102"]) == 403
    assert run(hosts=[]) == 403
    assert run(began=_in(hours=1)) == 403
    assert run(began=_in(days=2)) == 403
    with shared.client("lead") as http:
        change = http.get(f"/api/v1/changes/{number}").json()["change"]
    assert change["standing"]["runs"] == 1


def _in(**span: float) -> str:
    return (datetime.now(UTC) + timedelta(**span)).isoformat()


def test_openapi_and_errors_are_json_for_every_refusal(shared: Service) -> None:
    with shared.client("op.one") as http:
        for method, path in (("GET", "/changes/x"), ("POST", "/changes"), ("PUT", "/me")):
            assert json.loads(http.request(method, f"/api/v1{path}").text)["kind"]
