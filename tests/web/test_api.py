# SPDX-License-Identifier: GPL-3.0-or-later
"""The API over HTTP: a real server, a real ledger, people with tokens in files."""

from __future__ import annotations

import json
import logging
import socket
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from storewarden.flows.person_tokens import withdraw_tokens
from storewarden.wiring.people import token_parts
from tests.e2e.change_service import PEOPLE, Service, lay_out, serving, standard, token_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for the tests that do not break it."""
    with serving(lay_out(tmp_path_factory.mktemp("site"))) as service:
        yield service


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Service]:
    """A service of one's own, with an empty ledger."""
    with serving(lay_out(tmp_path)) as service:
        yield service


def opened(service: Service, **more: object) -> str:
    answer = service.post("op.one", "/changes", standard(**more))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["change"]["number"])


def told(answer: httpx.Response) -> dict[str, str]:
    """The error of an answer, which has the one shape."""
    body = answer.json()
    assert set(body) == {"error", "where", "hint", "kind"}
    assert all("\n" not in text for text in body.values())
    return dict(body)


def test_a_change_from_request_to_close(shared: Service) -> None:
    number = opened(shared, steps=[{"name": "backup", "two_person": True}])
    assert shared.post("head", f"/changes/{number}/approve", {"comment": "好"}).status_code == 200
    assert shared.post("op.one", f"/changes/{number}/start", {}).status_code == 200
    shared.post("op.one", f"/changes/{number}/step-done", {"step": "backup"})
    assert shared.post("lead", f"/changes/{number}/step-check", {"step": "backup"}).is_success
    answer = shared.post("op.one", f"/changes/{number}/close", {"outcome": "successful"})
    change = answer.json()["change"]
    assert (change["state"], change["outcome"]) == ("closed", "successful")
    with shared.client("sec") as http:
        entries = http.get(f"/api/v1/changes/{number}/history").json()["entries"]
    assert [(e["kind"], e["body"]["by"]) for e in entries] == [
        ("change opened", "op.one"),
        ("change approved", "head"),
        ("change approvals complete", "head"),
        ("change started", "op.one"),
        ("change step done", "op.one"),
        ("change step checked", "lead"),
        ("change finished", "op.one"),
        ("change closed", "op.one"),
    ]
    assert shared.site.verify_ledger().problems == ()


def test_a_start_is_judged_by_windows_and_the_refusal_says_why(tmp_path: Path) -> None:
    """Restarting network devices is forbidden at certain hours; here at all of them."""
    with serving(lay_out(tmp_path, 'windows: {forbidden_hours: "00:00-24:00"}\n')) as service:
        number = opened(service, operation="network-restart")
        service.post("head", f"/changes/{number}/approve", {})
        busy = service.post("op.one", f"/changes/{number}/start", {})
        assert (busy.status_code, told(busy)["kind"]) == (403, "refused")
        assert "12.1.2" in told(busy)["error"]
        emergency = opened(service, operation="network-restart", kind="emergency")
        assert service.post("op.one", f"/changes/{emergency}/start", {}).status_code == 200


def test_ones_own_approval_is_403_with_the_reason_and_recorded(shared: Service) -> None:
    number = opened(shared)
    answer = shared.post("op.one", f"/changes/{number}/approve", {})
    assert answer.status_code == 403
    assert told(answer) == {
        "error": "nobody approves their own change: op.one requested it",
        "where": number,
        "hint": "waits for approval by: department head",
        "kind": "refused",
    }
    with shared.client("head") as http:
        last = http.get(f"/api/v1/changes/{number}/history").json()["entries"][-1]
    assert (last["kind"], last["body"]["by"]) == ("change refused", "op.one")


def test_the_wrong_role_is_403(shared: Service) -> None:
    number = opened(shared)
    answer = shared.post("sec", f"/changes/{number}/approve", {})
    assert (answer.status_code, told(answer)["kind"]) == (403, "refused")
    assert "none of the roles" in told(answer)["error"]


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer x y", "Bearer x", "Basic b3A6b3A=", "Bearer sw_op.one_" + "0" * 64],
)
def test_without_a_good_token_everything_is_401_and_nothing_is_said(
    shared: Service, header: str
) -> None:
    answers = set()
    with shared.client() as http:
        for method, path in (
            ("GET", "/changes"), ("POST", "/changes"), ("GET", "/changes/GMBG-20260101-001"),
            ("GET", "/me"), ("GET", "/nothing-here"), ("POST", "/changes/x/approve"),
        ):  # fmt: skip
            answer = http.request(
                method, f"/api/v1{path}", headers={"Authorization": header} if header else {},
                content=b"not json" if method == "POST" else None,
            )  # fmt: skip
            assert answer.headers["www-authenticate"] == "Bearer"
            answers.add((answer.status_code, answer.text))
    assert len(answers) == 1
    assert answers.pop()[0] == 401


def test_two_tokens_in_one_request_are_none(shared: Service) -> None:
    good = f"Bearer {shared.token('op.one')}"
    with httpx.Client(base_url=shared.url, trust_env=False) as http:
        headers = [("Authorization", good), ("Authorization", "Bearer x")]
        assert http.get("/api/v1/me", headers=headers).status_code == 401
        assert http.get("/api/v1/me", headers=headers[:1]).json()["id"] == "op.one"


def test_expired_withdrawn_and_left_people_are_out_at_once(fresh: Service) -> None:
    def status(token: str) -> int:
        with fresh.client() as http:
            headers = {"Authorization": f"Bearer {token}"}
            return http.get("/api/v1/me", headers=headers).status_code

    brief = token_for(fresh.site, "head", timedelta(microseconds=1))
    sec, biz = fresh.token("sec"), fresh.token("biz")
    assert (status(brief), status(sec), status(biz)) == (401, 200, 200)
    withdraw_tokens(token_parts(fresh.site, "test"), "sec")
    assert status(sec) == 401
    gone = PEOPLE.replace("name: Business,", "name: Business, left: 2020-01-01,")
    (fresh.folder / "people.yml").write_text(gone)
    assert status(biz) == 401
    kinds = [entry.kind for entry in fresh.site.ledger.journal()]
    assert kinds.count("token issued") == 3
    assert kinds.count("token withdrawn") == 1


def test_fifty_at_once_get_fifty_numbers_in_a_row(shared: Service) -> None:
    day, _, before = opened(shared).rpartition("-")
    with ThreadPoolExecutor(50) as pool:
        numbers = list(pool.map(lambda _n: opened(shared), range(50)))
    assert sorted(numbers) == [f"{day}-{int(before) + n:03d}" for n in range(1, 51)]


def test_the_same_request_from_many_places_opens_one_change(shared: Service) -> None:
    shared.token("op.one")

    def ask(_n: int) -> tuple[int, str]:
        answer = shared.post("op.one", "/changes", standard(), key="import-1")
        return answer.status_code, answer.json()["change"]["number"]

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(ask, range(16)))) == 1
    other = shared.post("op.one", "/changes", standard(summary="Other"), key="import-1")
    assert (other.status_code, told(other)["kind"]) == (409, "conflict")


def test_approvals_at_once_count_each_person_once(shared: Service) -> None:
    number = opened(shared, risk="high")
    for person in ("lead", "sec"):
        shared.token(person)

    def approve(n: int) -> int:
        return shared.post(("lead", "sec")[n % 2], f"/changes/{number}/approve", {}).status_code

    with ThreadPoolExecutor(12) as pool:
        statuses = sorted(pool.map(approve, range(12)))
    assert statuses == [200] * 2 + [403] * 10
    with shared.client("op.one") as http:
        change = http.get(f"/api/v1/changes/{number}").json()["change"]
    assert change["state"] == "approved"
    assert sorted(each["person"] for each in change["approvals"]) == ["lead", "sec"]


def test_evidence_goes_in_and_comes_out_as_it_was(shared: Service) -> None:
    number = opened(shared)
    report = "<script>alert(1)</script>审计".encode()
    with shared.client("op.one") as http:
        answer = http.post(
            f"/api/v1/changes/{number}/evidence",
            params={"name": "报告 1.html", "kind": "test", "note": "in the lab"},
            content=report,
            headers={"Content-Type": "text/html; charset=utf-8", "Idempotency-Key": "e1"},
        )
        (evidence,) = answer.json()["change"]["evidence"]
        assert (evidence["name"], evidence["media_type"], evidence["size"]) == (
            "报告 1.html", "text/html", len(report),
        )  # fmt: skip
        path = f"/api/v1/changes/{number}/evidence/"
        got = http.get(path + evidence["digest"])
        assert got.content == report
        assert got.headers["content-disposition"].startswith("attachment")
        assert got.headers["x-content-type-options"] == "nosniff"
        assert http.get(path + "0" * 64).status_code == 404
        assert http.get(path + "..%2f..%2fpeople.yml").status_code in (404, 422)


def test_a_body_without_end_is_refused(shared: Service) -> None:
    with shared.client("op.one") as http:
        large = http.post(
            "/api/v1/changes", content=b"x" * (2 << 20), headers={"Idempotency-Key": "a"}
        )
        assert (large.status_code, told(large)["where"]) == (413, "body")

        def pieces() -> Iterator[bytes]:
            for _ in range(64):
                yield b" " * 65536

        endless = http.post("/api/v1/changes", content=pieces(), headers={"Idempotency-Key": "a"})
        assert endless.status_code == 413
        evidence = http.post(
            f"/api/v1/changes/{opened(shared)}/evidence",
            params={"name": "big"}, content=b"x" * (2 << 20), headers={"Idempotency-Key": "a"},
        )  # fmt: skip
        assert evidence.status_code == 200


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (standard(kind="huge"), "body.kind"),
        (standard(nonsense=1), "body.nonsense"),
        (
            standard(window={"starts": "2026-06-01T10:00", "ends": "2026-06-01T11:00"}),
            "body.window",
        ),
        (standard(summary="a\x1b[2Jb"), "body.summary"),
        (standard(summary="a\nb"), "body.summary"),
        (standard(summary="paid \u202e001"), "body.summary"),
        (standard(plan="\x00"), "body.plan"),
        (standard(summary="x" * 301), "body.summary"),
        ([], "body"),
    ],
)
def test_what_is_wrong_with_a_body_is_named_and_not_repeated(
    shared: Service, body: object, where: str
) -> None:
    answer = shared.post("op.one", "/changes", body)
    assert answer.status_code == 422
    assert told(answer)["where"].startswith(where)
    assert "huge" not in answer.text


def test_hosts_longer_than_a_command_line_are_an_error_of_their_own(shared: Service) -> None:
    for word in ("x" * 300, "x" * 299 + "*"):
        answer = shared.post("op.one", "/changes", standard(hosts=[word] * 3000))
        assert (answer.status_code, told(answer)["where"]) == (400, "hosts")
        assert len(answer.text) < 400


def test_a_write_without_a_key_is_refused(shared: Service) -> None:
    with shared.client("op.one") as http:
        answer = http.post("/api/v1/changes", json=standard())
    assert (answer.status_code, told(answer)["where"]) == (422, "header.Idempotency-Key")


def test_paths_that_are_none_and_methods_that_are_none(shared: Service) -> None:
    with shared.client("op.one") as http:
        assert told(http.get("/api/v1/nothing"))["error"] == "not found"
        assert http.delete("/api/v1/changes").status_code == 405
        assert told(http.get("/api/v1/changes/GMBG-20200101-001"))["kind"] == "not_found"
        for page in ("/docs", "/redoc", "/", "//api/v1/me", "/api/v1/me/"):
            assert http.get(page).status_code == 404
    with shared.client() as nobody:
        for page in ("/docs", "/", "//api/v1/me", "/API/v1/me", "/%61pi/v1/me", "/healthz/../api"):
            assert nobody.get(page).status_code == 401, page


def test_the_openapi_document_names_every_route_and_the_token(shared: Service) -> None:
    with shared.client() as http:
        document = http.get("/api/v1/openapi.json").json()
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], path
            guarded = path.startswith("/api/")
            assert bool(operation.get("security")) is guarded, (method, path)
            if method == "post" and guarded:  # webhooks are sent by programs that know no keys
                names = {each["name"] for each in operation["parameters"]}
                assert "Idempotency-Key" in names, path
    assert "Change" in document["components"]["schemas"]


def test_lists_and_debts(fresh: Service) -> None:
    first = opened(fresh, summary="一号变更")
    second = opened(fresh, hosts=["pos01.000102"], kind="emergency", reason="")
    fresh.post("op.one", f"/changes/{second}/start", {})

    with fresh.client("head") as http:

        def numbers(**wanted: object) -> list[str]:
            answer = http.get("/api/v1/changes", params=wanted)
            return [row["number"] for row in answer.json()["changes"]]

        assert numbers() == [second, first]
        assert numbers(state="requested") == [first]
        assert numbers(host="pos01.000102") == [second]
        assert numbers(limit=1) == [second]
        assert numbers(since=(datetime.now(UTC) + timedelta(days=1)).isoformat()) == []
        debts = http.get("/api/v1/debts").json()["debts"]
        assert {debt["kind"] for debt in debts} == {"approval", "paperwork", "test evidence"}
        assert http.get("/api/v1/debts", params={"overdue": "true"}).json()["debts"] == []
        rows = http.get("/api/v1/changes", params={"mine": "true"}).json()["changes"]
        assert [row["summary"] for row in rows] == ["New price service", "一号变更"]


def test_how_a_month_turned_out(fresh: Service) -> None:
    """Figures for whoever has a token; the document says what is in them."""
    number = opened(fresh)
    fresh.post("head", f"/changes/{number}/approve", {})
    fresh.post("op.one", f"/changes/{number}/start", {})
    fresh.post("op.one", f"/changes/{number}/close", {"outcome": "successful"})
    with fresh.client("sec") as http:
        found = http.get("/api/v1/reports/changes").json()
        shape = http.get("/api/v1/openapi.json").json()["components"]["schemas"]
        wrong = http.get("/api/v1/reports/changes", params={"month": "2026-6"})
    assert [(each["number"], each["class"]) for each in found["changes"]] == [
        (number, "service-recovery")
    ]
    assert (found["every"]["rate"], found["core"]["rate"], found["over"]) == (1.0, None, False)
    assert set(shape["MonthAnswer"]["properties"]) == set(found)
    assert set(shape["ClosedAnswer"]["properties"]) == set(found["changes"][0])
    assert (wrong.status_code, told(wrong)["where"]) == (400, "month")


def test_health_tells_failing_from_degraded(fresh: Service) -> None:
    def health() -> tuple[int, str, list[str]]:
        with fresh.client() as http:
            answer = http.get("/healthz")
            body = answer.json()
            return answer.status_code, body["status"], body["problems"]

    assert health() == (200, "fine", [])
    (fresh.folder / "people.yml").write_text("people: [")
    status, word, (problem,) = health()
    assert (status, word) == (200, "degraded")
    assert problem.startswith("people: ")
    assert "people.yml" not in problem  # anybody may ask; the command says which line
    lay_out(fresh.folder)
    now = datetime.now(UTC)
    fresh.duties.told = {"mirror": {"failures": 1, "last_tick": now, "next_tick": now}}
    assert health()[:2] == (200, "degraded")
    fresh.duties.told = {"mirror": {"failures": 3, "last_tick": now, "next_tick": now}}
    assert health()[:2] == (503, "failing")
    old = now - timedelta(hours=1)
    fresh.duties.told = {"remind": {"failures": 0, "last_tick": old, "next_tick": old}}
    assert health()[:2] == (503, "failing")
    fresh.duties.told["remind"] = {**fresh.duties.told["remind"], "running": True}
    assert health() == (200, "fine", [])


def test_a_ledger_that_does_not_answer_is_503_for_everything_that_needs_it(fresh: Service) -> None:
    number = opened(fresh)
    fresh.token("head")
    ledger = fresh.site.config.ledger
    content = ledger.read_bytes()
    fresh.site.ledger.close()
    for beside in ledger.parent.glob(f"{ledger.name}*"):
        if beside.is_file():
            beside.write_bytes(b"\x00" * 4096)
    with fresh.client("head") as http:
        health = http.get("/healthz")
        assert (health.status_code, health.json()["status"]) == (503, "failing")
        answer = http.get(f"/api/v1/changes/{number}")
        assert answer.status_code in (409, 502, 503)
        told(answer)
        text = http.get("/metrics").text
    assert "storewarden_ledger_readable 0.0" in text
    assert len(content) > 0


def test_metrics_count_changes_debts_requests_and_duties(fresh: Service) -> None:
    opened(fresh)
    emergency = opened(fresh, kind="emergency")
    fresh.post("op.one", f"/changes/{emergency}/start", {})
    with fresh.client() as http:
        http.get("/api/v1/changes")  # 401
        tick = datetime.now(UTC) - timedelta(seconds=90)
        fresh.duties.told = {"mirror": {"failures": 2, "last_tick": tick, "next_tick": tick}}
        text = http.get("/metrics").text
    lines = text.splitlines()
    assert 'storewarden_changes{state="requested"} 1.0' in lines
    assert 'storewarden_changes{state="in progress"} 1.0' in lines
    assert 'storewarden_debts_open{kind="approval"} 1.0' in lines
    assert 'storewarden_debts_overdue{kind="approval"} 0.0' in lines
    assert 'storewarden_duty_failures{duty="mirror"} 2.0' in lines
    age = next(line for line in lines if line.startswith("storewarden_duty_last_tick_age"))
    assert float(age.split()[-1]) >= 90
    assert any('status="401"' in line for line in lines)
    assert "pos01" not in text
    assert "op.one" not in text


def test_no_token_is_anywhere_but_in_its_owners_hands(
    fresh: Service, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        number = opened(fresh)
        fresh.post("head", f"/changes/{number}/approve", {})
        fresh.post("op.one", f"/changes/{number}/approve", {})
        with fresh.client() as http:
            http.get("/api/v1/me", headers={"Authorization": f"Bearer x{fresh.token('head')}"})
    secrets = [token.rsplit("_", 1)[1] for token in fresh.tokens.values()]
    assert len(secrets) == 2
    places = [path for path in fresh.folder.rglob("*") if path.is_file()]
    assert fresh.site.config.ledger in places
    for path in places:
        content = path.read_bytes()
        assert not any(secret.encode() in content for secret in secrets), path
    assert "GMBG" in caplog.text or "/changes" in caplog.text  # the logs were really captured
    assert not any(secret in caplog.text for secret in secrets)
    journal = json.dumps([dict(entry.body) for entry in fresh.site.ledger.journal()], default=str)
    assert not any(secret in journal for secret in secrets)
    tokens = fresh.site.config.state_dir / "tokens.json"
    assert stat.S_IMODE(tokens.stat().st_mode) == 0o600


def test_rubbish_on_the_socket_does_not_end_the_service(shared: Service) -> None:
    host, port = shared.url.removeprefix("http://").split(":")
    for rubbish in (b"\x16\x03\x01\x00", b"GET / HTTP/9\r\n\r\n", b"A" * 70_000):
        # It may close the line before all of it is sent.
        with socket.create_connection((host, int(port)), 60) as line, suppress(ConnectionError):
            line.sendall(rubbish)
    with shared.client("op.one") as http:
        assert http.get("/api/v1/me").status_code == 200
