# SPDX-License-Identifier: GPL-3.0-or-later
"""Webhooks over HTTP: who may send, what is answered, and that nothing is lost or said."""

from __future__ import annotations

import json
import logging
import socket
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from storewarden.domain.errors import AdapterError, LedgerConflict
from storewarden.testing.alerts import MemoryInbox
from storewarden.testing.conformance_alerts import alert
from storewarden.web import create_app
from tests.e2e.change_service import Duties, site_in
from tests.unit.alerts import payloads
from tests.unit.alerts.payloads import changed, data, payload
from tests.web.hook_place import (
    GRAFANAS,
    GRAFANAS_TIME,
    OLD_TOKEN,
    OWN,
    OWN_KEY,
    OWN_TIME,
    PASSWORD,
    SECRETS,
    Hooked,
    bearer,
    hooked,
    lay_out_hooks,
    signed,
)

pytestmark = pytest.mark.slow

BASIC = {"Authorization": f"Basic {b64encode(f'zabbix:{PASSWORD}'.encode()).decode()}"}
EVENTS = {"events": [{"check": "c", "since": 1795291200, "state": "DOWN", "host": "pos01"}]}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooked]:
    with hooked(lay_out_hooks(tmp_path_factory.mktemp("site"))) as service:
        yield service


@pytest.fixture
def service(running: Hooked) -> Hooked:
    """The same service with nothing in its inbox."""
    running.inbox.kept.clear()
    running.inbox.deliveries.clear()
    running.inbox.trouble, running.inbox.extra = None, 0
    running.woken.clear()
    return running


@contextmanager
def line_to(service: Hooked) -> Iterator[socket.socket]:
    port = int(service.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=300) as line:
        yield line


def head_of(token: dict[str, str], length: int | None) -> bytes:
    """A request's head; without a length the body comes in chunks."""
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = [
        "POST /hooks/alertmanager HTTP/1.1", "Host: here", "Connection: close",
        f"Authorization: {token['Authorization']}", size, "", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


def all_of(line: socket.socket) -> bytes:
    found = b""
    with suppress(ConnectionResetError):
        while part := line.recv(65536):
            found += part
    return found


def test_what_is_answered_lies_in_the_inbox(service: Hooked) -> None:
    answer = service.post("alertmanager", payload(payloads.GROUP), bearer())
    told = {"new": 2, "repeated": 0, "resolved": 0, "ignored": 0, "missing": 0}
    assert (answer.status_code, answer.json()) == (200, told)
    assert len(service.inbox.firing("alertmanager")) == 2
    again = service.post("alertmanager", payload(payloads.GROUP), bearer())
    assert again.json() == {**told, "new": 0, "repeated": 2}
    over = service.post("alertmanager", payload(payloads.PARTIAL), bearer())
    assert over.json() == {**told, "new": 0, "repeated": 2, "resolved": 1}


def test_each_sender_in_its_own_way(service: Hooked) -> None:
    graf, own = payload(payloads.GRAFANA), json.dumps(EVENTS).encode()
    answers = [
        service.post("alertmanager", payload(payloads.SINGLE), bearer(OLD_TOKEN)),
        service.post("zabbix", payload(payloads.PROBLEM), BASIC),
        service.post("grafana", graf, signed(graf)),
        service.post("own", own, signed(own, OWN_KEY, names=(OWN, OWN_TIME))),
    ]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert {each.alert.source for each in service.inbox.kept.values()} == {
        "alertmanager", "zabbix", "grafana", "own",
    }  # fmt: skip
    (problem,) = service.inbox.firing("zabbix")
    assert problem.starts_at.hour == 19  # 20:19 of the site's zone


def test_a_stranger_learns_nothing_at_all(service: Hooked) -> None:
    """Not whether there is such a source, not what was wrong, not even by another header."""
    body = payload(payloads.SINGLE)
    wrong = "0" * 64
    now = str(int(time.time()))
    tries: list[tuple[str, dict[str, str]]] = [
        ("alertmanager", {}),
        ("alertmanager", bearer("x")),
        ("alertmanager", {"Authorization": "Bearer"}),
        ("alertmanager", BASIC),
        ("alertmanager", {"Authorization": OLD_TOKEN}),
        ("alertmanager", bearer(PASSWORD)),
        ("alertmanager", {GRAFANAS: wrong, GRAFANAS_TIME: now}),
        ("nobody", bearer()),
        ("nobody", {}),
        ("nobody", {GRAFANAS: wrong, GRAFANAS_TIME: now}),
        ("Alertmanager", bearer()),
        ("zabbix", {"Authorization": "Basic emFiYml4Ong="}),
        ("zabbix", {"Authorization": "Basic ====="}),
        ("zabbix", bearer(PASSWORD)),
        ("grafana", bearer()),
        ("grafana", {}),
    ]
    answers = [service.post(source, body, headers) for source, headers in tries]
    told = {
        (answer.status_code, answer.text, answer.headers["www-authenticate"]) for answer in answers
    }
    assert len(told) == 1
    assert told.pop()[0] == 401
    assert service.inbox.deliveries == []


def test_two_secrets_in_one_request_are_none(service: Hooked) -> None:
    body = payload(payloads.SINGLE)
    with line_to(service) as line:
        good = f"Authorization: Bearer {bearer()['Authorization'].split()[1]}\r\n"
        head = f"POST /hooks/alertmanager HTTP/1.1\r\nHost: here\r\n{good}{good}"
        line.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert line.recv(100).startswith(b"HTTP/1.1 401 ")


def test_signatures(service: Hooked) -> None:
    body = payload(payloads.GRAFANA)
    good, now = signed(body), time.time()
    refused = [
        service.post("grafana", body + b" ", good),
        service.post("grafana", body, {**good, GRAFANAS_TIME: str(int(now) - 7)}),
        service.post("grafana", body, signed(body, at=now - 330)),
        service.post("grafana", body, signed(body, at=now + 330)),
        service.post("grafana", body, {GRAFANAS: good[GRAFANAS]}),
        service.post("grafana", body, {**good, GRAFANAS: "sha1=" + good[GRAFANAS]}),
        service.post("grafana", body, {**good, GRAFANAS_TIME: "-1"}),
        service.post("grafana", body, {**good, GRAFANAS_TIME: "9" * 400}),
        service.post("grafana", body, signed(body, OWN_KEY)),
        service.post("own", body, good),
    ]
    assert {answer.status_code for answer in refused} == {401}
    assert len({answer.text for answer in refused}) == 1
    taken = [
        service.post("grafana", body, good),
        service.post("grafana", body, signed(body, at=now - 200)),
        service.post("grafana", body, signed(body, at=now + 200)),
        service.post("grafana", body, {**good, GRAFANAS: f"sha256={good[GRAFANAS].upper()}"}),
    ]
    assert [answer.status_code for answer in taken] == [200] * 4
    assert [answer.json()["new"] for answer in taken] == [2, 0, 0, 0]  # replayed: nothing new


def test_a_personal_token_opens_no_hook_and_a_hooks_token_nothing_else(service: Hooked) -> None:
    with_token = bearer()
    with httpx.Client(base_url=service.url, trust_env=False, timeout=300) as http:
        assert http.get("/api/v1/me", headers=with_token).status_code == 401
        assert http.get("/hooks", headers=with_token).status_code == 401
        assert http.post("/hooks/alertmanager/x", headers=with_token).status_code == 401
        assert http.post("/hooks/", headers=with_token).status_code == 401
        assert http.get("/hooks/alertmanager", headers=with_token).status_code == 405


def test_a_body_that_is_none_is_400_and_kept_from_nobody_else(service: Hooked) -> None:
    for body in (b"", b"not json", b"{}", b"\x1f\x8b", b"[" * 100_000):
        answer = service.post("alertmanager", body, bearer())
        assert answer.status_code == 400
        assert answer.json()["kind"] == "invalid"
        assert "\n" not in answer.json()["error"]
    assert service.inbox.deliveries == []


def test_more_than_a_mebibyte_is_413_after_the_secret(service: Hooked) -> None:
    """No body is read for a stranger, and no large one for anybody."""
    for token, status in ((bearer(), b"413"), (bearer("x"), b"401")):
        with line_to(service) as line:
            line.sendall(head_of(token, 1 << 21))
            assert all_of(line).startswith(b"HTTP/1.1 " + status)
    with line_to(service) as line:
        chunks = head_of(bearer(), None) + b"100001\r\n" + b" " * 0x100001 + b"\r\n0\r\n\r\n"
        line.sendall(chunks)
        assert all_of(line).startswith(b"HTTP/1.1 413 ")


def test_very_many_alerts_are_all_kept_and_what_the_sender_cut_is_asked_for(
    service: Hooked,
) -> None:
    (one,) = data(payloads.SINGLE)["alerts"]
    many = [{**one, "fingerprint": f"f{number}"} for number in range(620)]
    answer = service.post("alertmanager", changed(payloads.SINGLE, alerts=many), bearer())
    assert answer.json() == {"new": 620, "repeated": 0, "resolved": 0, "ignored": 0, "missing": 0}
    assert service.woken.count("alerts:alertmanager") == 0
    cut = service.post("alertmanager", payload(payloads.TRUNCATED), bearer())
    assert cut.json()["missing"] == 1
    assert service.woken.count("alerts:alertmanager") == 1


@pytest.mark.parametrize(
    "trouble",
    [
        AdapterError("the disk is full", where="/var/lib/ledger.sqlite", retryable=True),
        AdapterError("refused", where="db.example"),
        LedgerConflict("is locked", where="/var/lib/ledger.sqlite"),
        RuntimeError("a fault with an alert's text in it"),
    ],
)
def test_what_cannot_be_kept_has_to_come_again(service: Hooked, trouble: Exception) -> None:
    """503 whatever it is; then it is kept as if nothing had been."""
    service.inbox.trouble = trouble
    answer = service.post("alertmanager", payload(payloads.SINGLE), bearer())
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "ledger.sqlite" not in answer.text
    assert "alert's text" not in answer.text
    service.inbox.trouble = None
    assert service.post("alertmanager", payload(payloads.SINGLE), bearer()).json()["new"] == 1


def test_too_many_that_wait_are_503_in_one_line(service: Hooked) -> None:
    service.inbox.extra = 10_001
    answer = service.post("alertmanager", payload(payloads.SINGLE), bearer())
    assert answer.status_code == 503
    assert answer.json()["error"] == "10001 alerts wait for a decision"
    over = service.post("alertmanager", payload(payloads.RESOLVED), bearer())
    assert over.status_code == 200
    service.inbox.kept.clear()
    service.inbox.extra = 10_000
    assert service.post("alertmanager", payload(payloads.SINGLE), bearer()).status_code == 200


def test_many_at_once_are_each_kept_once(service: Hooked) -> None:
    (one,) = data(payloads.SINGLE)["alerts"]
    bodies = [
        changed(payloads.SINGLE, alerts=[{**one, "fingerprint": f"f{number % 40}"}])
        for number in range(200)
    ]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda b: service.post("alertmanager", b, bearer()), bodies))
    assert {answer.status_code for answer in answers} == {200}
    assert sum(answer.json()["new"] for answer in answers) == 40
    assert len(service.inbox.kept) == 40


def test_a_body_may_come_slowly_and_a_sender_may_go_away(service: Hooked) -> None:
    body = payload(payloads.SINGLE)
    head = head_of(bearer(), len(body))
    with line_to(service) as gone:
        gone.sendall(head + body[:100])
    with line_to(service) as line:
        line.sendall(head)
        for start in range(0, len(body), 100):
            line.sendall(body[start : start + 100])
            time.sleep(0.01)
        assert all_of(line).startswith(b"HTTP/1.1 200 ")
    assert len(service.inbox.deliveries) == 1


def test_nothing_of_a_body_or_secret_stands_in_the_log(
    service: Hooked, caplog: pytest.LogCaptureFixture
) -> None:
    evil = "\nFATAL forged line \x1b[31m"
    (one,) = data(payloads.SINGLE)["alerts"]
    broken = {**one, "startsAt": evil, "labels": {evil: evil}}
    body = changed(payloads.SINGLE, alerts=[{**one, "annotations": {"summary": evil}}, broken])
    with caplog.at_level(logging.DEBUG):
        assert service.post("alertmanager", body, bearer()).json()["ignored"] == 1
        service.post("alertmanager", evil.encode(), bearer())
        service.post("alertmanager%0AFATAL", body, bearer())
        service.inbox.trouble = RuntimeError(evil)
        service.post("alertmanager", body, bearer())
    lines = [record.getMessage() for record in caplog.records]
    assert any(line.startswith("alerts from alertmanager: 1 not taken") for line in lines)
    assert not any("forged" in line or "\n" in line or "\x1b" in line for line in lines)
    assert not any(secret in line for secret in SECRETS for line in lines)


def test_what_came_is_counted(service: Hooked) -> None:
    total = "storewarden_alert_deliveries_total"
    names = {
        "taken": f'{total}{{result="taken",source="alertmanager"}}',
        "malformed": f'{total}{{result="malformed",source="alertmanager"}}',
        "stranger": f'{total}{{result="unauthorised",source="-"}}',
        "firing": 'storewarden_alerts_total{signal="firing",source="alertmanager"}',
        "resolved": 'storewarden_alerts_total{signal="resolved",source="alertmanager"}',
        "missing": 'storewarden_alerts_total{signal="missing",source="alertmanager"}',
        "seconds": 'storewarden_alert_delivery_seconds_count{source="alertmanager"}',
    }
    before = {word: service.metric(line) for word, line in names.items()}
    service.post("alertmanager", payload(payloads.PARTIAL), bearer())
    service.post("alertmanager", payload(payloads.TRUNCATED), bearer())
    service.post("alertmanager", b"{", bearer())
    service.post("alertmanager", b"{", bearer("x"))
    service.post("nobody-at-all", b"{", bearer())
    more = {word: service.metric(line) - before[word] for word, line in names.items()}
    assert more == {
        "taken": 2, "malformed": 1, "stranger": 2, "firing": 3, "resolved": 1, "missing": 1,
        "seconds": 3,
    }  # fmt: skip
    assert service.metric(f'{total}{{result="taken",source="nobody-at-all"}}') == 0


def test_a_secret_that_cannot_be_read_refuses_nobody(tmp_path: Path) -> None:
    """4xx would make senders drop what they have."""
    folder = lay_out_hooks(tmp_path)
    (folder / "password").unlink()
    with hooked(folder) as service:
        body = payload(payloads.PROBLEM)
        assert service.post("zabbix", body, BASIC).status_code == 503
        assert service.post("nobody", body, BASIC).status_code == 503
        ours = service.post("alertmanager", payload(payloads.SINGLE), bearer())
        assert ours.status_code == 200
        assert service.post("alertmanager", body, bearer("x")).status_code == 401


def test_the_ledgers_own_inbox_is_the_usual_one(tmp_path: Path) -> None:
    """Without an inbox of its own the service keeps alerts in the site's ledger."""
    with site_in(lay_out_hooks(tmp_path)) as site:
        app = create_app(site, Duties())
        intake = app.state.hooks.intake
        taken = intake.take("alertmanager", payload(payloads.GROUP))
        assert len(taken.received.new) == 2
        assert len(site.ledger.alerts.firing("alertmanager")) == 2
        assert site.verify_ledger().problems == ()


def test_the_fake_inbox_is_full_when_it_is_told_so() -> None:
    inbox = MemoryInbox()
    assert inbox.backlog() == 0
    inbox.receive(payloads.read("alertmanager", payload(payloads.GROUP)), alert().starts_at)
    inbox.decide([next(iter(inbox.kept))])
    assert inbox.backlog() == 1
