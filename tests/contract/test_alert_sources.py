# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking Alertmanager, Grafana and Zabbix what fires: one key with what they send, a whole answer
or none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from storewarden.adapters.alert_sources import connect_source
from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.domain.healing.alert import Signal
from storewarden.ports.alerts import AlertSource
from storewarden.testing.conformance_alerts import NOW
from storewarden.testing.loopback import Answer, LoopbackService, Mishap, Request
from storewarden.testing.secrets import MemorySecrets
from tests.unit.alerts import payloads
from tests.unit.alerts.payloads import data, payload, read

TOKEN = "read-only-token-0123456789"
SECRETS = MemorySecrets({"env:TOKEN": TOKEN})


class Alertmanager(LoopbackService[list[dict[str, Any]]]):
    """Its API with alerts that a test writes."""

    def handle(self, request: Request) -> Answer:
        if request.headers.get("authorization") not in (None, f"Bearer {TOKEN}"):
            return self.unauthorised()
        return Answer(body=self.state)


class Zabbix(LoopbackService[dict[str, Any]]):
    """``version``, ``problem.get`` and ``trigger.get``; keeps to how its version takes tokens."""

    def handle(self, request: Request) -> Answer:
        asked = request.data
        method = asked["method"]
        if method == "apiinfo.version":
            if "authorization" in request.headers or "auth" in asked:
                return self._refusal("Not allowed to be used with authorization.")
            return Answer(body={"jsonrpc": "2.0", "result": self.state["version"], "id": 1})
        major, minor = (int(part) for part in self.state["version"].split(".")[:2])
        in_header = request.headers.get("authorization") == f"Bearer {TOKEN}"
        in_body = asked.get("auth") == TOKEN
        wanted = in_header if (major, minor) >= (6, 4) else in_body
        if not wanted or (in_body and (major, minor) >= (7, 2)):
            return self._refusal(f"Not authorised: {asked.get('auth')}.")
        result = [row for row in self.state[str(method)] if self._asked_for(row, asked)]
        return Answer(body={"jsonrpc": "2.0", "result": result, "id": asked["id"]})

    def _asked_for(self, row: dict[str, Any], asked: dict[str, Any]) -> bool:
        wanted = asked["params"].get("triggerids")
        return wanted is None or row["triggerid"] in wanted

    def _refusal(self, words: str) -> Answer:
        error = {"code": -32602, "message": "Invalid params.", "data": words}
        return Answer(body={"jsonrpc": "2.0", "error": error, "id": 1})


def problem(event: str, trigger: str, **more: object) -> dict[str, Any]:
    return {
        "eventid": event, "objectid": trigger, "clock": "1795288742", "severity": "4",
        "name": "POS agent down on s0001-srv", "suppressed": "0", "opdata": "flag=0",
        "tags": json.loads(data(payloads.PROBLEM)["event_tags"]), **more,
    }  # fmt: skip


def source(kind: str, url: str, **more: object) -> AlertSource:
    return connect_source("shop", kind, {"url": url, **more}, SECRETS)


@pytest.fixture
def alertmanager() -> Iterator[Alertmanager]:
    alerts = data(payloads.API)
    with Alertmanager(alerts) as running:
        yield running


@pytest.fixture
def zabbix() -> Iterator[Zabbix]:
    state = {
        "version": "6.0.14",
        "problem.get": [problem("24", "23133")],
        "trigger.get": [{"triggerid": "23133", "hosts": [{"hostid": "1", "host": "s0001-srv"}]}],
    }
    with Zabbix(state) as running:
        yield running


def test_the_api_and_the_webhook_speak_of_one_occurrence(alertmanager: Alertmanager) -> None:
    """19:27:38.05Z and 19:27:38.050Z."""
    alertmanager.state[0]["status"] = {"state": "active", "silencedBy": [], "inhibitedBy": []}
    (asked,) = source("alertmanager", alertmanager.url).firing(NOW).alerts
    (sent,) = read("alertmanager", payload(payloads.SINGLE)).alerts
    assert asked.key == sent.key
    assert asked.signal is Signal.FIRING
    assert (asked.ends_at, asked.expression, asked.labels) == (None, sent.expression, sent.labels)


def test_silenced_inhibited_and_not_yet_routed_alerts_are_there_but_do_not_fire(
    alertmanager: Alertmanager,
) -> None:
    (one,) = alertmanager.state
    quiet = {"state": "suppressed", "silencedBy": [], "inhibitedBy": ["x"]}
    early = {"state": "unprocessed", "silencedBy": [], "inhibitedBy": []}
    alertmanager.state += [
        {**one, "fingerprint": "b", "status": quiet},
        {**one, "fingerprint": "c", "status": early},
        {**one, "fingerprint": "d", "status": "strange"},
    ]
    told = source("alertmanager", alertmanager.url).firing(NOW)
    assert {alert.signal for alert in told.alerts} == {Signal.NOTED}
    words = [line.rpartition(": ")[2] for line in told.ignored]
    assert words == ["silenced", "inhibited", "not routed yet", "not routed yet"]


def test_what_is_asked_of_an_alertmanager(alertmanager: Alertmanager) -> None:
    source("alertmanager", alertmanager.url, receiver="store.warden", token="env:TOKEN").firing(NOW)
    (request,) = alertmanager.sent("GET")
    assert request.path == "/api/v2/alerts"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.query == {
        "active": "true", "silenced": "true", "inhibited": "true", "unprocessed": "true",
        "receiver": r"^store\.warden$",
    }  # fmt: skip


def test_grafana_has_the_same_below_another_path(alertmanager: Alertmanager) -> None:
    assert len(source("grafana", alertmanager.url, token="env:TOKEN").firing(NOW).alerts) == 1
    (request,) = alertmanager.sent("GET")
    assert request.path == "/api/alertmanager/grafana/api/v2/alerts"


@pytest.mark.parametrize("version", ["5.4.12", "6.0.14", "6.4.0", "7.0.3", "7.2.1"])
def test_zabbix_of_every_version_gets_its_token_where_it_wants_it(
    zabbix: Zabbix, version: str
) -> None:
    zabbix.state["version"] = version
    told = source("zabbix", zabbix.url, token="env:TOKEN").firing(NOW)
    assert len(told.alerts) == 1


def test_a_problem_that_was_asked_for_is_the_one_that_was_sent(zabbix: Zabbix) -> None:
    (asked,) = source("zabbix", zabbix.url, token="env:TOKEN").firing(NOW).alerts
    (sent,) = read("zabbix", payload(payloads.PROBLEM), timezone="Europe/Berlin").alerts
    assert (asked.key, asked.starts_at, asked.name) == (sent.key, sent.starts_at, sent.name)
    assert asked.signal is Signal.FIRING
    assert {**asked.labels, "host_ip": "127.0.0.1"} == dict(sent.labels)


def test_problems_nobody_is_called_for(zabbix: Zabbix) -> None:
    zabbix.state["problem.get"] += [
        problem("25", "23133", suppressed="1"), problem("26", "99"), problem("", "23133"),
        problem("27", "23133", tags="none"),
    ]  # fmt: skip
    told = source("zabbix", zabbix.url, token="env:TOKEN").firing(NOW)
    signals = {alert.fingerprint: alert.signal for alert in told.alerts}
    assert signals == {"24": Signal.FIRING, "25": Signal.NOTED, "26": Signal.NOTED}
    assert len(told.ignored) == 4


def test_of_several_hosts_none_is_guessed(zabbix: Zabbix) -> None:
    zabbix.state["trigger.get"][0]["hosts"].append({"host": "other"})
    (alert,) = source("zabbix", zabbix.url, token="env:TOKEN").firing(NOW).alerts
    assert "host" not in alert.labels


def test_thousands_of_triggers_are_asked_for_in_portions(zabbix: Zabbix) -> None:
    numbers = [str(number) for number in range(2500)]
    zabbix.state["problem.get"] = [problem(each, each) for each in numbers]
    zabbix.state["trigger.get"] = [
        {"triggerid": each, "hosts": [{"host": f"h{each}"}]} for each in numbers
    ]
    told = source("zabbix", zabbix.url, token="env:TOKEN").firing(NOW)
    assert {alert.labels["host"] for alert in told.alerts} == {f"h{each}" for each in numbers}
    assert len(zabbix.requests) == 5


@pytest.mark.parametrize("kind", ["alertmanager", "zabbix"])
@pytest.mark.parametrize("mishap", [Mishap.BUSY, Mishap.BROKEN, Mishap.LOST, Mishap.PAGE])
def test_half_an_answer_is_none(
    alertmanager: Alertmanager, zabbix: Zabbix, kind: str, mishap: Mishap
) -> None:
    """Nothing may be taken for over because a gateway stood in between."""
    server = {"alertmanager": alertmanager, "zabbix": zabbix}[kind]
    server.suffer(mishap)
    asked = source(kind, server.url, token="env:TOKEN")
    with pytest.raises(AdapterError) as failed:
        asked.firing(NOW)
    assert failed.value.retryable
    assert TOKEN not in str(failed.value)
    assert "\n" not in str(failed.value)
    asked.firing(NOW)


@pytest.mark.parametrize("answer", [{}, None, 7, "text", {"data": []}])
def test_an_answer_of_another_shape_is_none(alertmanager: Alertmanager, answer: Any) -> None:
    alertmanager.state = answer
    with pytest.raises(AdapterError):
        source("alertmanager", alertmanager.url).firing(NOW)


def test_a_wrong_token_is_said_and_not_shown(alertmanager: Alertmanager, zabbix: Zabbix) -> None:
    wrong = MemorySecrets({"env:TOKEN": "wrong-token-0123456789"})
    values = {"url": alertmanager.url, "token": "env:TOKEN"}
    with pytest.raises(AdapterError, match=r"answered 401.*is the token still good"):
        connect_source("shop", "alertmanager", values, wrong).firing(NOW)
    with pytest.raises(AdapterError, match=r"problem\.get was refused") as refused:
        connect_source("shop", "zabbix", {**values, "url": zabbix.url}, wrong).firing(NOW)
    assert "wrong-token" not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "values", "says"),
    [
        ("alertmanager", {}, r"healing\.sources\.shop\.poll\.url: is missing"),
        ("alertmanager", {"url": "am:9093"}, r"poll\.url: must begin with https://"),
        ("alertmanager", {"url": "http://u:p@am"}, r"poll\.url: must hold neither user"),
        ("alertmanager", {"url": "http://am", "token": "env:TOKEN"}, "must begin with https://"),
        ("alertmanager", {"url": "http://am", "colour": 1}, r"poll\.colour: unknown key"),
        ("zabbix", {"url": "https://z"}, r"poll\.token: is missing"),
        ("zabbix", {"url": "https://z", "token": "hunter2"}, r"poll\.token: must be a reference"),
        ("generic", {"url": "https://g"}, "this kind of sender cannot be asked"),
    ],
)  # fmt: skip
def test_settings_that_are_wrong_are_refused(
    kind: str, values: dict[str, object], says: str
) -> None:
    with pytest.raises(ConfigInvalid, match=says) as refused:
        connect_source("shop", kind, values, SECRETS)
    assert "hunter2" not in str(refused.value)
