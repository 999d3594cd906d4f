# SPDX-License-Identifier: GPL-3.0-or-later
"""Incidents, pauses and answers about alerts over HTTP: a real server, a real ledger, people with
tokens in files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from storewarden.domain.healing.record import End, Stage
from tests.e2e.change_service import Service, lay_out, serving
from tests.web.incident_scenes import asked, incident, repaired, verified

pytestmark = pytest.mark.slow

MINUTE = timedelta(minutes=1)
SITE = """\
site: {timezone: Asia/Shanghai}
healing:
  sources: {shop: {kind: alertmanager, auth: {type: bearer, secrets: [file:hook]}}}
  rules: rules.yml
"""
RULES = """\
rules:
  - {name: till service down, match: ['alertname="PosDown"'], action: service,
     target: {name: "{host}"}, options: {unit: pos.service}}
  - {name: service, match: ['alertname="Down"'], action: service,
     target: {name: "{host}"}, options: {unit: pos.service}}
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests; each has an incident of its own."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "rules.yml").write_text(RULES)
    (folder / "hook").touch(mode=0o600)
    (folder / "hook").write_text("a-sender-of-alerts\n")
    with serving(lay_out(folder, SITE)) as service:
        yield service


def got(service: Service, path: str, **wanted: str | int) -> httpx.Response:
    with service.client("biz") as http:
        return http.get(f"/api/v1{path}", params=wanted)


def said(service: Service, person: str, number: str, verb: str, **body: str) -> httpx.Response:
    return service.post(person, f"/incidents/{number}/{verb}", body)


def refused(answer: httpx.Response, status: int = 403) -> str:
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert set(told) == {"error", "where", "hint", "kind"}
    return str(told["error"])


def now() -> datetime:
    return datetime.now(UTC)


# --- the life of one --------------------------------------------------------------------------


def test_an_incident_from_its_first_look_to_the_word_of_the_business(shared: Service) -> None:
    number = incident(shared.site.ledger, now() - 5 * MINUTE)
    whole = got(shared, f"/incidents/{number}").json()
    assert (whole["state"], whole["priority"], whole["needs"]) == ("open", "high", "person")
    assert [each["state"] for each in whole["clocks"]] == ["running", "running"]
    assert (whole["items"], whole["dependents"]) == (["POS-0101-01"], ["SHOP-0101"])

    taken = said(shared, "op.one", number, "take").json()
    assert (taken["state"], taken["holder"], taken["answered_by"]) == (
        "answered",
        "op.one",
        "op.one",
    )
    assert [each["state"] for each in taken["clocks"]] == ["kept", "running"]
    said(shared, "op.one", number, "note", text="the disk of the till is full")
    solved = said(shared, "op.one", number, "solve", how="freed the disk").json()
    assert (solved["state"], solved["verified"]) == ("solved", False)
    assert solved["closes_at"]

    broken = said(shared, "biz", number, "dispute", why="till 1 still does not sell").json()
    assert (broken["state"], broken["disputes"], broken["holder"]) == ("answered", 1, "op.one")
    said(shared, "op.one", number, "solve", how="restarted it, too")
    fine = said(shared, "biz", number, "confirm").json()
    assert (fine["state"], fine["confirmed_by"]) == ("solved", "biz")  # not verified: 2 h remain
    told = [(each["by"], each["en"]) for each in fine["timeline"]]
    assert told[1:] == [
        ("op.one", "taken up"),
        ("op.one", "the disk of the till is full"),
        ("op.one", "solved: freed the disk"),
        ("biz", "not solved: till 1 still does not sell"),
        ("op.one", "solved: restarted it, too"),
        ("biz", "confirmed by the business"),
    ]
    assert shared.site.verify_ledger().problems == ()


def test_what_is_verified_closes_with_the_word_of_the_business(shared: Service) -> None:
    number = incident(shared.site.ledger, now() - 5 * MINUTE)
    verified(shared.site.ledger, number, now())
    closed = said(shared, "biz", number, "confirm").json()
    assert (closed["state"], closed["timeline"][-1]["en"]) == ("closed", "closed")
    assert refused(said(shared, "op.one", number, "take")) == "it is closed"
    assert refused(said(shared, "biz", number, "dispute", why="no")) == "it is closed"
    later = said(shared, "op.one", number, "note", text="the disk was replaced").json()
    assert later["timeline"][-1]["en"] == "the disk was replaced"
    assert number not in {each["number"] for each in got(shared, "/incidents").json()["incidents"]}
    every = got(shared, "/incidents", all="true").json()["incidents"]
    assert number in {each["number"] for each in every}


def test_who_says_solved_does_not_confirm_it_nor_does_who_has_no_such_role(
    shared: Service,
) -> None:
    number = incident(shared.site.ledger, now())
    assert "nobody has said" in refused(said(shared, "biz", number, "confirm"))
    said(shared, "head", number, "solve", how="restarted it")
    assert "somebody else confirms" in refused(said(shared, "head", number, "confirm"))
    answer = said(shared, "op.one", number, "confirm")
    assert "none of the roles" in refused(answer)
    assert "business" in answer.json()["hint"]
    assert "head said that it is solved" in refused(said(shared, "op.one", number, "take"))


def test_the_same_word_of_the_same_person_again_is_no_second_event(shared: Service) -> None:
    number = incident(shared.site.ledger, now())
    for verb, person, body in (
        ("take", "op.one", {}),
        ("note", "op.one", {"text": "on my way"}),
        ("solve", "op.one", {"how": "restarted it"}),
        ("dispute", "biz", {"why": "it is not"}),
        ("solve", "op.one", {"how": "restarted it again"}),
        ("confirm", "biz", {}),
    ):
        first = said(shared, person, number, verb, **body)
        again = said(shared, person, number, verb, **body)
        assert (first.status_code, again.status_code) == (200, 200), again.text
        assert again.json()["timeline"] == first.json()["timeline"]
    other = said(shared, "lead", number, "note", text="on my way").json()
    assert other["timeline"][-1]["by"] == "lead"


def test_a_colleague_takes_over_and_the_first_answer_stands(shared: Service) -> None:
    number = incident(shared.site.ledger, now())
    first = said(shared, "op.one", number, "take").json()
    second = said(shared, "head", number, "take").json()
    assert (second["holder"], second["answered_by"]) == ("head", "op.one")
    assert second["clocks"][0] == first["clocks"][0]


# --- lists ------------------------------------------------------------------------------------


def test_what_runs_out_next_comes_first_and_breaches_are_counted(tmp_path: Path) -> None:
    with serving(lay_out(tmp_path)) as service:
        ledger = service.site.ledger
        calm = incident(ledger, now() - MINUTE, name="rule:b@x")
        late = incident(ledger, now() - 60 * MINUTE, name="rule:a@x")
        told = got(service, "/incidents").json()
        assert [each["number"] for each in told["incidents"]] == [late, calm]
        assert told["incidents"][0]["clocks"][0]["state"] == "breached"
        assert got(service, "/incidents", limit=1).json()["more"] is True
        repaired(ledger, "pos01.000101", now() - 9 * MINUTE, (End.REPAIRED, Stage.HEALED))
        with service.client() as http:
            page = http.get("/metrics").text
        for line in (
            'storewarden_incidents_open{priority="high",state="open"} 2.0',
            'storewarden_incident_clocks{clock="answer",state="breached"} 1.0',
            'storewarden_incident_clocks{clock="solve",state="running"} 2.0',
            'storewarden_alerts{stage="healed"} 1.0',
            'storewarden_repairs_day{end="repaired"} 1.0',
            "storewarden_heal_pauses 0.0",
        ):
            assert line in page, line


def test_an_incident_shows_its_alerts_and_repairs(shared: Service) -> None:
    ledger, began = shared.site.ledger, now() - 9 * MINUTE
    (key,) = repaired(ledger, "pos01.000101", began, (End.REPAIRED, Stage.HEALED))
    number = incident(ledger, began, occurrences=(key,))
    whole = got(shared, f"/incidents/{number}").json()
    assert [(each["key"], each["stage"]) for each in whole["alerts"]] == [(key, "healed")]
    assert [each["ends"][0]["end"] for each in whole["repairs"]] == ["repaired"]


@pytest.mark.parametrize("number", ["INC-20260601-083000", "x", "%00", "..%2f.."])
def test_what_is_no_incident_is_404_everywhere(shared: Service, number: str) -> None:
    assert got(shared, f"/incidents/{number}").status_code == 404
    assert said(shared, "op.one", number, "take").status_code == 404


@pytest.mark.parametrize(
    ("verb", "body", "status"),
    [
        ("note", {}, 422),
        ("note", {"text": "a\nb"}, 422),
        ("note", {"text": "   "}, 400),
        ("solve", {"how": ""}, 400),
        ("take", {"host": "x"}, 422),
        ("dispute", {"why": "\u202e"}, 422),
    ],
)
def test_what_is_wrong_with_a_body_is_one_line(
    shared: Service, verb: str, body: dict[str, str], status: int
) -> None:
    number = incident(shared.site.ledger, now())
    before = got(shared, f"/incidents/{number}").json()["timeline"]
    assert said(shared, "op.one", number, verb, **body).status_code == status
    assert got(shared, f"/incidents/{number}").json()["timeline"] == before


def test_nothing_of_it_is_reached_without_a_token_or_without_a_key(shared: Service) -> None:
    number = incident(shared.site.ledger, now())
    with shared.client() as http:
        assert http.get("/api/v1/incidents").status_code == 401
        assert http.get("/api/v1/pauses").status_code == 401
        assert http.delete("/api/v1/pauses/rule:x?reason=x").status_code == 401
    with shared.client("op.one") as http:
        take = http.post(f"/api/v1/incidents/{number}/take", json={})
        assert (take.status_code, take.json()["where"]) == (422, "header.Idempotency-Key")
    bad = shared.post("op.one", f"/incidents/{number}/take", {}, key="a key")
    assert bad.status_code == 400
    assert got(shared, f"/incidents/{number}").json()["state"] == "open"


# --- pauses -----------------------------------------------------------------------------------


def resumed(service: Service, what: str, reason: str = "looked") -> httpx.Response:
    with service.client("lead") as http:
        headers = {"Idempotency-Key": "resume"}
        return http.delete(f"/api/v1/pauses/{what}", params={"reason": reason}, headers=headers)


def test_a_pause_holds_until_somebody_resumes_it(shared: Service) -> None:
    wish = {"what": "till service down", "reason": "new till software tonight"}
    for _ in range(2):
        set_ = shared.post("op.one", "/pauses", wish)
        assert set_.status_code == 200, set_.text
        assert set_.json()["what"] == "rule:till service down"
    assert [each["by"] for each in got(shared, "/pauses").json()["pauses"]] == ["op.one"]
    history = [each for each in shared.site.ledger.journal() if "pause" in each.kind]
    assert len(history) == 1
    assert resumed(shared, "rule:till service down").json() == {
        "what": "rule:till service down", "was": True, "over": False,
    }  # fmt: skip
    assert resumed(shared, "till service down").json()["was"] is False
    assert got(shared, "/pauses").json() == {"pauses": []}
    assert shared.site.verify_ledger().problems == ()


def test_a_pause_does_not_end_in_the_past(shared: Service) -> None:
    past = {"what": "source:shop", "reason": "x", "until": (now() - MINUTE).isoformat()}
    assert "past" in refused(shared.post("op.one", "/pauses", past), 400)


@pytest.mark.parametrize(
    ("what", "says", "hint"),
    [
        ("till servic down", "is no rule, action or source", "rule:till service down"),
        ("rule:till", "is no rule, action or source", "storewarden heal rules"),
        ("action:servise", "is no rule, action or source", "action:service"),
        ("service", "is the name of several", "rule:service or action:service"),
        ("", "is no rule, action or source", ""),
    ],
)
def test_a_name_that_nobody_knows_is_refused_with_the_nearest(
    shared: Service, what: str, says: str, hint: str
) -> None:
    answer = shared.post("op.one", "/pauses", {"what": what, "reason": "x"})
    assert says in refused(answer, 400)
    assert hint in answer.json()["hint"]


def test_a_pause_needs_a_reason(shared: Service) -> None:
    answer = shared.post("op.one", "/pauses", {"what": "source:shop", "reason": " "})
    assert refused(answer, 400) == "say why"
    assert resumed(shared, "source:shop", " ").status_code == 400


# --- answers about alerts ---------------------------------------------------------------------


def test_a_yes_wakes_the_decision_and_may_be_said_twice(shared: Service) -> None:
    key = asked(shared.site.ledger, "pos01.000101", now())
    shared.duties.woken.clear()
    for _ in range(2):
        answer = shared.post("head", f"/alerts/{key[:12]}/approve", {})
        assert (answer.status_code, answer.json()["granted"]) == (200, "head"), answer.text
    assert "healing" in shared.duties.woken
    entries = [each.kind for each in shared.site.ledger.alerts.history(key)]
    assert entries.count("alert granted") == 1


def test_a_no_may_be_said_twice_by_the_same_person_only(shared: Service) -> None:
    key = asked(shared.site.ledger, "pos02.000101", now())
    for _ in range(2):
        answer = shared.post("op.one", f"/alerts/{key}/deny", {"reason": "I am on site"})
        assert (answer.status_code, answer.json()["stage"]) == (200, "escalated")
    assert "nothing is to be decided" in refused(shared.post("head", f"/alerts/{key}/deny", {}))
    assert "nobody is asked" in refused(shared.post("head", f"/alerts/{key}/approve", {}))


def test_too_little_of_a_key_is_not_enough_for_an_answer(shared: Service) -> None:
    key = asked(shared.site.ledger, "pos01.000102", now())
    for verb in ("approve", "deny"):
        answer = shared.post("head", f"/alerts/{key[:7]}/{verb}", {})
        assert "at least 8 letters" in refused(answer, 400)
    assert got(shared, f"/alerts/{key[:8]}").json()["stage"] == "asking"
