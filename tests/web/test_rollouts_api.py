# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts over HTTP: a real server, a real ledger, people with tokens in files."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from storewarden.domain.rollout import events as e
from storewarden.domain.rollout.record import HostState, Phase, RolloutState, WaveState
from storewarden.ports.rollouts import Worker
from storewarden.testing.rollout_scenes import begin, dispatch, ended, happening, open_rollout
from tests.e2e.change_service import HOSTS, Service, lay_out, serving, standard

pytestmark = pytest.mark.slow

FILE = "payload: baseline\nwaves: [1 store, rest]\nsoak: 30m\n"


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


def running(service: Service) -> str:
    """A rollout whose first wave is under way."""
    count = len(service.site.ledger.rollouts.lines())
    number = open_rollout(service.site.ledger, key=f"k{count}")
    begin(service.site.ledger, number)
    return number


def got(service: Service, path: str, **wanted: str | int) -> httpx.Response:
    with service.client("head") as http:
        return http.get(f"/api/v1{path}", params=wanted)


def order(
    service: Service, number: str, word: str, who: str = "op.one", key: str = "", **more: str
) -> httpx.Response:
    body = {"order": word, "reason": "tills are slow", **more}
    return service.post(who, f"/rollouts/{number}/orders", body, key)


def told(answer: httpx.Response) -> dict[str, str]:
    """The error of an answer, which has the one shape, one line each."""
    body = answer.json()
    assert set(body) == {"error", "where", "hint", "kind"}
    assert all("\n" not in text for text in body.values())
    return dict(body)


# --- reading ----------------------------------------------------------------------------------


def test_a_list_has_the_newest_first_and_can_be_narrowed(fresh: Service) -> None:
    first, second = running(fresh), running(fresh)
    order(fresh, first, "pause")
    whole = got(fresh, "/rollouts").json()
    assert [row["rollout"] for row in whole["rollouts"]] == [second, first]
    assert (whole["stopped"], whole["more"]) == ("", False)
    row = whole["rollouts"][0]
    assert (row["state"], row["wave"], row["waves"]) == ("running", 1, 2)
    assert row["hosts"] == {"planned": 3}
    narrow = got(fresh, "/rollouts", state="paused").json()
    assert [row["rollout"] for row in narrow["rollouts"]] == [first]
    assert narrow["rollouts"][0]["held"] == "tills are slow"
    of_change = got(fresh, "/rollouts", change=second[:-3]).json()["rollouts"]
    assert [row["rollout"] for row in of_change] == [second]
    assert got(fresh, "/rollouts", limit=1).json()["more"] is True
    assert got(fresh, "/rollouts", state="asleep").status_code == 422


def test_one_rollout_and_its_journal(shared: Service) -> None:
    number = running(shared)
    found = got(shared, f"/rollouts/{number}").json()
    assert (found["rollout"], found["state"], found["version"]) == (number, "running", 1)
    assert [wave["state"] for wave in found["waves"]] == ["running", "pending"]
    assert {host["host"] for host in found["hosts"]} == {"pos1", "pos2", "srv1"}
    whole = got(shared, f"/rollouts/{number}/history").json()
    assert [each["kind"] for each in whole["entries"]] == [
        "rollout opened", "rollout approved", "rollout started", "rollout wave began",
    ]  # fmt: skip
    assert whole["more"] is False
    page = got(shared, f"/rollouts/{number}/history", limit=3).json()
    assert (len(page["entries"]), page["more"]) == (3, True)
    rest = got(shared, f"/rollouts/{number}/history", after=page["entries"][-1]["sequence"]).json()
    assert [*page["entries"], *rest["entries"]] == whole["entries"]


@pytest.mark.parametrize(
    "number", ["GMBG-20260601-001-R9", "GMBG-20260601-001", "x", "..%2f..%2fetc", "%00", "R1"]
)
def test_what_is_no_rollout_is_404_everywhere(shared: Service, number: str) -> None:
    answers = [
        got(shared, f"/rollouts/{number}"),
        got(shared, f"/rollouts/{number}/history"),
        order(shared, number, "pause"),
    ]
    for answer in answers:
        assert answer.status_code == 404
        assert told(answer)["kind"] in ("not_found", "invalid")  # "invalid": no such path at all


# --- orders -----------------------------------------------------------------------------------


def test_an_order_is_taken_and_journaled_with_who_and_why(shared: Service) -> None:
    number = running(shared)
    answer = order(shared, number, "pause", "lead")
    assert (answer.status_code, answer.json()) == (200, {"rollout": number, "state": "paused"})
    assert order(shared, number, "resume", "head").json()["state"] == "running"
    entries = got(shared, f"/rollouts/{number}/history").json()["entries"]
    given = [each["body"] for each in entries if each["kind"] == "rollout ordered"]
    assert [(each["by"], each["order"], each["reason"]) for each in given] == [
        ("lead", "pause", "tills are slow"),
        ("head", "resume", "tills are slow"),
    ]


def test_a_refused_order_is_403_says_why_and_is_journaled_with_who_tried(shared: Service) -> None:
    number = running(shared)
    answer = order(shared, number, "promote", "biz")
    assert (answer.status_code, told(answer)["kind"]) == (403, "refused")
    assert "wave 1 is running: only a held wave is promoted" in told(answer)["error"]
    assert told(answer)["where"] == number
    last = got(shared, f"/rollouts/{number}/history").json()["entries"][-1]
    assert (last["kind"], last["body"]["by"]) == ("rollout ordered", "biz")
    assert last["body"]["accepted"] is False
    assert shared.site.ledger.rollouts.rollout(number).state is RolloutState.RUNNING  # type: ignore[union-attr]


def test_the_same_key_again_is_the_same_order_and_a_refusal_stays_one(shared: Service) -> None:
    number = running(shared)
    for _ in range(2):
        assert order(shared, number, "pause", key="p1").status_code == 200
        assert order(shared, number, "promote", key="p1").status_code == 403
    entries = got(shared, f"/rollouts/{number}/history").json()["entries"]
    assert sum(each["kind"] == "rollout ordered" for each in entries) == 2
    other = order(shared, number, "pause", key="p1", reason="something else")
    assert (other.status_code, told(other)["kind"]) == (409, "conflict")
    assert order(shared, number, "resume", key="p#2").status_code == 400
    assert order(shared, number, "resume", who="head", key="p1").json()["state"] == "running"


def test_a_host_is_set_aside_by_name(shared: Service) -> None:
    number, book = running(shared), shared.site.ledger.rollouts
    book.amend(number, "d1", dispatch("d1", Phase.PREFLIGHT, "pos1"))
    book.amend(number, "e1", ended("d1", Phase.PREFLIGHT, e.Report.REFUSED, "pos1"))
    assert book.rollout(number).hosts["pos1"].state is HostState.ATTENTION  # type: ignore[union-attr]
    nobody = order(shared, number, "release", host="pos9")
    assert "it has no host 'pos9'" in told(nobody)["error"]
    assert order(shared, number, "release", "head", host="pos1").status_code == 200
    hosts = got(shared, f"/rollouts/{number}").json()["hosts"]
    found = next(host for host in hosts if host["host"] == "pos1")
    assert found["state"] == "skipped"
    assert found["reason"] == "released by head: tills are slow"
    assert found["debt"]


def test_a_held_wave_is_promoted_by_a_person(shared: Service) -> None:
    number, book = running(shared), shared.site.ledger.rollouts
    book.amend(number, "h1", happening(e.WaveMoved(wave=1, to=WaveState.HELD, reason="no trade")))
    stranger = order(shared, number, "promote", "biz")
    assert (stranger.status_code, told(stranger)["kind"]) == (403, "refused")
    assert "biz may not promote it" in told(stranger)["error"]
    assert order(shared, number, "promote", "head").status_code == 200
    waves = got(shared, f"/rollouts/{number}").json()["waves"]
    assert [(wave["state"], wave["excused"]) for wave in waves] == [
        ("promoted", True), ("pending", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"order": "stop", "reason": "x"}, "body.order"),
        ({"order": "pause"}, "body.reason"),
        ({"order": "pause", "reason": "a\nb"}, "body.reason"),
        ({"order": "pause", "reason": "x", "host": "a\x1b[2J"}, "body.host"),
        ({"order": "pause", "reason": "x", "force": True}, "body.force"),
        ([], "body"),
    ],
)
def test_what_is_wrong_with_an_order_is_named(shared: Service, body: object, where: str) -> None:
    answer = shared.post("op.one", f"/rollouts/{running(shared)}/orders", body)
    assert answer.status_code == 422
    assert told(answer)["where"] == where


def test_an_order_without_a_reason_is_not_taken(shared: Service) -> None:
    assert order(shared, running(shared), "pause", reason="  ").status_code == 400


# --- the kill switch --------------------------------------------------------------------------


def test_the_kill_switch_stops_everything_until_somebody_lets_it_go_on(fresh: Service) -> None:
    number = running(fresh)
    for _ in range(2):
        answer = fresh.post("lead", "/rollouts/stop", {"reason": "tills are dark"})
        assert answer.json() == {"stopped": "stopped by lead: tills are dark"}
    assert got(fresh, f"/rollouts/{number}").json()["stopped"] == "stopped by lead: tills are dark"
    assert got(fresh, "/rollouts").json()["stopped"] == "stopped by lead: tills are dark"
    with fresh.client() as http:
        assert "storewarden_rollouts_stopped 1.0" in http.get("/metrics").text
    assert fresh.post("op.one", "/rollouts/go-on", {"reason": "lamp"}).json() == {"stopped": ""}
    journal = [entry for entry in fresh.site.ledger.journal() if entry.run == "kill switch"]
    assert [(each.kind, each.body["by"]) for each in journal] == [
        ("rollouts stopped", "lead"),
        ("rollouts go on", "op.one"),
    ]
    assert fresh.post("lead", "/rollouts/stop", {}).status_code == 422
    assert fresh.post("lead", "/rollouts/stop", {"reason": ""}).status_code == 400


def test_a_stop_file_is_taken_away_by_hand_alone(fresh: Service) -> None:
    (fresh.site.config.state_dir / "STOP").write_text("fire\n")
    answer = fresh.post("lead", "/rollouts/go-on", {"reason": "it is out"})
    assert (answer.status_code, told(answer)["error"]) == (403, "a STOP file lies there")
    assert "fire" in got(fresh, "/rollouts").json()["stopped"]


# --- starting ---------------------------------------------------------------------------------


def opened(service: Service) -> str:
    """A change of three tills in two stores, of which all is known that a rollout needs."""
    more = 'sw_failure_groups: [], sw_hours: "10:00-22:00", sw_region'
    (service.folder / "hosts.yml").write_text(HOSTS.replace("sw_region", more))
    body = standard(hosts=["store_000101", "store_000102"], operation="patch")
    return str(service.post("op.one", "/changes", body).json()["change"]["number"])


def test_a_rollout_is_opened_on_a_change_once(fresh: Service) -> None:
    change = opened(fresh)
    first = fresh.post("op.one", f"/changes/{change}/rollouts", {"file": FILE})
    assert first.status_code == 201, first.text
    begun = first.json()
    assert (begun["rollout"], begun["state"], begun["new"]) == (f"{change}-R1", "draft", True)
    assert "requested" in begun["waits"]
    again = fresh.post("op.one", f"/changes/{change}/rollouts", {"file": FILE})
    assert (again.status_code, again.json()["new"]) == (200, False)
    assert again.json()["rollout"] == begun["rollout"]
    shown = got(fresh, f"/rollouts/{begun['rollout']}").json()
    assert sorted(len(wave["stores"]) for wave in shown["waves"]) == [1, 1]
    assert shown["by"] == "op.one"
    taken = fresh.post("op.one", f"/changes/{change}/rollouts", {"file": FILE, "soak_minutes": 5})
    assert taken.status_code == 403  # its hosts are in the first one
    assert fresh.site.verify_ledger().problems == ()


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"file": "payload: baseline\nwave: [1 store]\nsoak: 1x\n"}, 400, "wave: unknown key"),
        ({"file": "payload: nothing\n"}, 400, "payload"),
        ({"file": "{{{"}, 400, "rollout file"),
        ({"file": ""}, 400, ""),
        ({"file": "payload: \x00"}, 422, "printable"),
        ({"file": FILE, "soak_minutes": 0}, 422, ""),
        ({}, 422, "required"),
    ],
)
def test_mistakes_of_a_file_are_one_clear_line(
    shared: Service, body: object, status: int, says: str
) -> None:
    answer = shared.post("op.one", "/changes/GMBG-20260601-001/rollouts", body)
    assert answer.status_code == status
    text = told(answer)
    assert says in f"{text['where']}: {text['error']}"
    assert "/tmp" not in answer.text


def test_a_change_that_is_not_there_has_no_rollouts(shared: Service) -> None:
    for change in ("GMBG-20200101-001", "x"):
        answer = shared.post("op.one", f"/changes/{change}/rollouts", {"file": FILE})
        assert (answer.status_code, told(answer)["kind"]) == (404, "not_found")


# --- who asks ---------------------------------------------------------------------------------


def test_nothing_of_it_is_reached_without_a_token_or_without_a_key(shared: Service) -> None:
    number = running(shared)
    reads = ("/rollouts", f"/rollouts/{number}", f"/rollouts/{number}/history")
    writes = ("/rollouts/stop", "/rollouts/go-on", f"/rollouts/{number}/orders",
              f"/changes/{number[:-3]}/rollouts")  # fmt: skip
    with shared.client() as http:
        answers = [http.get(f"/api/v1{path}") for path in reads]
        answers += [http.post(f"/api/v1{path}", json={"reason": "x"}) for path in writes]
        assert {answer.status_code for answer in answers} == {401}
    with shared.client("op.one") as http:
        for path in writes:
            answer = http.post(f"/api/v1{path}", json={"reason": "x"})
            assert (answer.status_code, told(answer)["where"]) == (422, "header.Idempotency-Key")
    found = shared.site.ledger.rollouts.rollout(number)
    assert found is not None
    assert found.state is RolloutState.RUNNING


def test_no_token_is_in_the_logs_the_journal_or_an_answer(
    fresh: Service, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        number = running(fresh)
        answers = [order(fresh, number, "pause"), order(fresh, number, "promote", "lead")]
        answers.append(fresh.post("lead", "/rollouts/stop", {"reason": "x"}))
        answers.append(fresh.post("op.one", f"/changes/{number[:-3]}/rollouts", {"file": "{"}))
    secrets = [token.rsplit("_", 1)[1] for token in fresh.tokens.values()]
    assert len(secrets) == 2
    journal = json.dumps([dict(each.body) for each in fresh.site.ledger.journal()], default=str)
    said = [caplog.text, journal, *(answer.text for answer in answers)]
    assert "/rollouts/" in caplog.text
    assert not any(secret in text for secret in secrets for text in said)


# --- what monitoring sees ---------------------------------------------------------------------


def test_metrics_count_rollouts_their_hosts_and_workers_and_name_none(fresh: Service) -> None:
    number, book = running(fresh), fresh.site.ledger.rollouts
    order(fresh, running(fresh), "pause")
    book.amend(number, "d1", dispatch("d1", Phase.PREFLIGHT, "pos1"))
    book.amend(number, "e1", ended("d1", Phase.PREFLIGHT, e.Report.REFUSED, "pos1"))
    book.beat("worker-1", datetime.now(UTC))
    with fresh.client() as http:
        text = http.get("/metrics").text
    lines = text.splitlines()
    assert 'storewarden_rollouts{state="running"} 1.0' in lines
    assert 'storewarden_rollouts{state="paused"} 1.0' in lines
    assert 'storewarden_rollout_hosts{state="attention"} 1.0' in lines
    assert 'storewarden_rollout_hosts{state="planned"} 5.0' in lines
    assert 'storewarden_workers{state="heard"} 1.0' in lines
    assert 'storewarden_workers{state="silent"} 0.0' in lines
    assert "storewarden_rollouts_stopped 0.0" in lines
    assert not re.search(r"pos1|worker-1|GMBG", text)
    assert isinstance(book.workers()[0], Worker)
