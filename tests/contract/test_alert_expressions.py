# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking a Prometheus whether an alert's own expression still holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from storewarden.adapters.alert_sources.expressions import ExpressionCheck, connect_expressions
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.healing.alert import Alert
from storewarden.testing.conformance_alerts import NOW, alert
from storewarden.testing.ledger import ManualClock
from storewarden.testing.loopback import Answer, LoopbackService, Mishap, Request
from storewarden.testing.secrets import MemorySecrets

TOKEN = "read-only-token-0123456789"
SECRETS = MemorySecrets({"env:TOKEN": TOKEN})
QUERY = "pos_up == 0"
TILL = {"alertname": "PosDown", "host": "pos-1", "store": "000101", "severity": "critical"}
PASSED = {"error": "timeout", "errorType": "timeout", "status": "error"}


class Prometheus(LoopbackService[dict[str, Any]]):
    """Its API; ``state`` is the answer."""

    def handle(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return self.unauthorised()
        return Answer(body=self.state)


def vector(*metrics: dict[str, str], **more: object) -> dict[str, Any]:
    """An answer with these series."""
    found = [{"metric": each, "value": [0, "0"]} for each in metrics]
    data = {"resultType": "vector", "result": found}
    return {"status": "success", "data": data, **more}


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    with Prometheus(vector()) as service:
        yield service


def check(service: Prometheus, **more: object) -> ExpressionCheck:
    values = {"url": service.url, "token": "env:TOKEN", **more}
    return connect_expressions("shop", values, SECRETS, Path(), ManualClock(NOW))


def till(**labels: str) -> Alert:
    return replace(alert(), labels={**TILL, **labels}, expression=QUERY)


def holds(service: Prometheus, told: Alert | None = None) -> bool | None:
    return check(service).holds(told or till(), ("pos-1",))["pos-1"]


@pytest.mark.parametrize(
    ("answer", "fires"),
    [
        (vector(), False),
        (vector({"__name__": "pos_up", "host": "pos-1", "store": "000101"}), True),
        (vector({"__name__": "pos_up", "host": "pos-2", "store": "000101"}), False),
        (vector({"host": "pos-2"}, {"host": "pos-1", "instance": "192.0.2.1:9100"}), True),
        (vector({}), True),  # an aggregate over everything
    ],
)
def test_its_own_series_are_those_that_contradict_no_label(
    prometheus: Prometheus, answer: dict[str, Any], fires: bool
) -> None:
    prometheus.state = answer
    assert holds(prometheus) is fires


@pytest.mark.parametrize(
    "answer",
    [
        PASSED,
        vector(warnings=["partial response"]),
        {"status": "success", "data": {"resultType": "matrix", "result": []}},
        {"status": "success"},
        [],
    ],
)
def test_who_gives_no_whole_answer_says_nothing(prometheus: Prometheus, answer: Any) -> None:
    prometheus.state = answer
    assert holds(prometheus) is None


def test_who_does_not_answer_says_nothing(prometheus: Prometheus) -> None:
    prometheus.suffer(next(iter(Mishap)))
    assert holds(prometheus) is None


def test_an_alert_without_an_expression_cannot_be_asked_about(prometheus: Prometheus) -> None:
    assert holds(prometheus, replace(till(), expression="")) is None
    noted = replace(till(), expression="", annotations={"expression": QUERY})
    assert holds(prometheus, noted) is False


def test_the_query_goes_out_as_it_stands(prometheus: Prometheus) -> None:
    holds(prometheus, replace(till(), expression='up{job="a&b"} == 0'))
    (request,) = prometheus.requests
    assert request.query == {"query": 'up{job="a&b"} == 0', "time": f"{NOW.timestamp():.3f}"}


def test_what_it_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match=r"healing\.sources\.shop\.prometheus"):
        connect_expressions("shop", {"url": "ftp://x"}, SECRETS, Path(), ManualClock(NOW))
