# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is sent to a webhook, by a source or a stranger: no fault, and nothing half kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.alerts import payloads
from tests.unit.alerts.payloads import data
from tests.unit.alerts.test_reader_fuzz import ANY, KINDS, TEXT, sent
from tests.web.hook_place import (
    GRAFANAS,
    GRAFANAS_TIME,
    OWN,
    OWN_KEY,
    OWN_TIME,
    Hooked,
    bearer,
    hooked,
    lay_out_hooks,
    signed,
)

pytestmark = pytest.mark.slow

FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
HEADERS = ("Authorization", GRAFANAS, GRAFANAS_TIME, OWN, OWN_TIME, "Content-Type")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooked]:
    with hooked(lay_out_hooks(tmp_path_factory.mktemp("site"))) as running:
        yield running


@pytest.fixture(scope="module")
def http(service: Hooked) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, trust_env=False, timeout=300) as client:
        yield client


def answered(answer: httpx.Response) -> None:
    assert answer.status_code in (200, 400), answer.text
    keys = {"error", "where", "hint", "kind"}
    if answer.status_code == 200:
        keys = {"new", "repeated", "resolved", "ignored", "missing"}
    assert set(answer.json()) == keys


@FUZZ
@given(body=st.binary(max_size=200))
def test_any_bytes(http: httpx.Client, body: bytes) -> None:
    answered(http.post("/hooks/alertmanager", content=body, headers=bearer()))
    answered(http.post("/hooks/grafana", content=body, headers=signed(body)))


@FUZZ
@given(value=ANY)
def test_any_json_that_the_site_has_described(http: httpx.Client, value: object) -> None:
    body = sent({"events": [{"check": value, "since": 1795291200, "state": "DOWN", "host": value}]})
    headers = signed(body, OWN_KEY, names=(OWN, OWN_TIME))
    answered(http.post("/hooks/own", content=body, headers=headers))


@FUZZ
@given(name=st.sampled_from(sorted(data(payloads.PARTIAL)["alerts"][0])), value=ANY)
def test_a_group_with_one_odd_alert_keeps_the_other(
    service: Hooked, http: httpx.Client, name: str, value: object
) -> None:
    group = json.loads(json.dumps(KINDS["alertmanager"][0]))
    group["alerts"][0][name] = value
    service.inbox.kept.clear()
    answer = http.post("/hooks/alertmanager", content=sent(group), headers=bearer())
    answered(answer)
    if answer.status_code == 200:
        assert answer.json()["new"] + answer.json()["ignored"] == 2
        assert answer.json()["new"] >= 1


@FUZZ
@given(
    source=TEXT | st.sampled_from(["alertmanager", "grafana", "own", "zabbix"]),
    header=st.sampled_from(HEADERS),
    value=st.binary(max_size=100).map(lambda v: bytes(b for b in v if b > 32 and b != 127)),
)
def test_strangers_are_strangers_whatever_they_say(
    http: httpx.Client, source: str, header: str, value: bytes
) -> None:
    path = quote(source.encode("utf-8", "replace"), safe="") or "x"
    answer = http.post(f"/hooks/{path}", content=b"{}", headers={header.encode(): b"x" + value})
    assert answer.status_code in (400, 401, 404), answer.text
