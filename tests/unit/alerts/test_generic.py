# SPDX-License-Identifier: GPL-3.0-or-later
"""Senders that the site describes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.healing.alert import Delivery, Signal
from storewarden.ports.alerts import AlertsMalformed
from tests.unit.alerts.payloads import read

STATUS = {"word": "state", "firing": ["DOWN", "crit"], "resolved": ["up"], "noted": ["ack"]}
MAPPING: dict[str, Any] = {
    "alerts": "events[]",
    "name": "check",
    "fingerprint": "id",
    "starts_at": "since",
    "ends_at": "until",
    "status": STATUS,
    "labels": {"host": "device.name", "severity": "level", "site": "device.site"},
    "annotations": {"summary": "text"},
    "expression": "query",
    "url": "link",
}
EVENT = {
    "id": 4711, "check": "pos-agent", "state": "Down", "since": "2026-11-21 20:00:00",
    "until": None, "device": {"name": "pos01.000101"}, "level": 3, "text": "不应答",
    "query": "up == 0", "link": "https://m.example/4711",
}  # fmt: skip


def told(*events: object, mapping: dict[str, Any] | None = None) -> Delivery:
    body = json.dumps({"events": list(events)}).encode()
    return read("generic", body, mapping=mapping or MAPPING, timezone="Asia/Shanghai")


def refusal(**changes: object) -> str:
    with pytest.raises(ConfigInvalid) as refused:
        read("generic", b"{}", mapping={**MAPPING, **changes})
    return str(refused.value)


def test_every_part_of_an_alert_is_where_the_mapping_says() -> None:
    (alert,) = told(EVENT).alerts
    assert (alert.fingerprint, alert.name, alert.signal) == ("4711", "pos-agent", Signal.FIRING)
    assert alert.starts_at == datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    assert dict(alert.labels) == {
        "alertname": "pos-agent", "host": "pos01.000101", "severity": "3",
    }  # fmt: skip
    assert (alert.annotations["summary"], alert.expression) == ("不应答", "up == 0")
    assert alert.url == "https://m.example/4711"


def test_words_decide_and_a_word_that_nobody_listed_decides_nothing() -> None:
    delivery = told(
        *({**EVENT, "id": n, "state": word, "until": 1795291805}
          for n, word in enumerate(["CRIT", "UP", "ack", "flapping", None, 7]))
    )  # fmt: skip
    signals = [alert.signal for alert in delivery.alerts]
    assert signals == [Signal.FIRING, Signal.RESOLVED, Signal.NOTED]
    assert len(delivery.ignored) == 3
    ends = [alert.ends_at for alert in delivery.alerts]
    assert ends == [None, datetime.fromtimestamp(1795291805, UTC), None]


def test_truth_values_and_numbers_are_words_too() -> None:
    status = {"word": "firing", "firing": ["true", "1"], "resolved": ["false", "0"]}
    mapping = {**MAPPING, "status": status}
    delivery = told(*({**EVENT, "firing": each} for each in (True, 1, False, 0)), mapping=mapping)
    assert [alert.signal for alert in delivery.alerts] == [Signal.FIRING] * 2 + [
        Signal.RESOLVED
    ] * 2


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        (1795291200, 1795291200), (1795291200.25, 1795291200.25), (1795291200250, 1795291200.25),
        ("1795291200", 1795291200), ("2026-11-21T20:00:00Z", 1795291200),
        ("2026-11-22T04:00:00", 1795291200), ("2026-11-21T21:00:00+01:00", 1795291200),
    ],
)  # fmt: skip
def test_moments_in_many_spellings(since: object, expected: float) -> None:
    (alert,) = told({**EVENT, "since": since}).alerts
    assert alert.starts_at == datetime.fromtimestamp(expected, UTC)


@pytest.mark.parametrize("since", [None, "", "yesterday", True, {}, [], 10**40, -(10**40), 1e308])
def test_without_a_beginning_there_is_no_alert(since: object) -> None:
    """It would be another one with every repetition."""
    assert told({**EVENT, "since": since}).ignored == ("alert 0: mapping.starts_at finds no time",)


def test_one_object_alone_is_one_alert() -> None:
    mapping = {**MAPPING, "alerts": "@"}
    body = json.dumps(EVENT).encode()
    assert len(read("generic", body, mapping=mapping).alerts) == 1
    plain = {name: value for name, value in MAPPING.items() if name != "alerts"}
    assert len(read("generic", body, mapping=plain).alerts) == 1


def test_labels_by_one_expression() -> None:
    mapping = {**MAPPING, "labels": "device", "annotations": "", "fingerprint": ""}
    first, same, other = told(
        EVENT, EVENT, {**EVENT, "device": {"name": "pos02"}}, mapping=mapping
    ).alerts
    assert dict(first.labels) == {"name": "pos01.000101", "alertname": "pos-agent"}
    assert first.key == same.key != other.key


def test_an_expression_that_does_not_fit_one_alert_leaves_the_others() -> None:
    mapping = {**MAPPING, "labels": {"host": "to_string(abs(level))"}}
    delivery = told({**EVENT, "level": "x"}, EVENT, "text", mapping=mapping)
    assert len(delivery.alerts) == 1
    assert len(delivery.ignored) == 2
    assert "mapping.labels.host does not fit" in delivery.ignored[0]


@pytest.mark.parametrize("body", [b"", b"7", b"null", b'{"events": 3}', b'{"other": []}', b"[]x"])
def test_a_body_in_which_nothing_is_found_is_refused(body: bytes) -> None:
    mapping = {**MAPPING, "alerts": "events"}
    with pytest.raises(AlertsMalformed):
        read("generic", body, mapping=mapping)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "a["}, r"healing.sources.shop.mapping.name: is no JMESPath expression"),
        ({"starts_at": ""}, "mapping.starts_at: must be a JMESPath expression"),
        ({"labels": {"host": "a b"}}, "mapping.labels.host: is no JMESPath expression"),
        ({"labels": {"host": 3}}, "mapping.labels.host: must be a JMESPath expression"),
        ({"labels": 3}, "mapping.labels: must be a JMESPath expression, or keys"),
        ({"colour": "a"}, "mapping.colour: unknown key"),
        ({"status": {**STATUS, "firing": []}}, "mapping.status.firing: must name at least one"),
        ({"status": {**STATUS, "resolved": ["Down"]}}, "mapping.status: has one word in two lists"),
        ({"status": "state"}, "mapping.status: must be keys with values"),
    ],
)  # fmt: skip
def test_a_mapping_that_is_wrong_is_refused_at_the_start(
    changes: dict[str, object], says: str
) -> None:
    line = refusal(**changes)
    assert says in line
    assert "\n" not in line


def test_a_mapping_belongs_to_generic_and_to_nobody_else() -> None:
    with pytest.raises(ConfigInvalid, match=r"healing\.sources\.shop\.mapping: is missing"):
        read("generic", b"{}")
    with pytest.raises(ConfigInvalid, match=r"healing\.sources\.shop\.mapping: unknown key"):
        read("alertmanager", b"{}", mapping=MAPPING)
    with pytest.raises(ConfigInvalid, match="known: alertmanager, generic, grafana, zabbix"):
        read("nagios", b"{}")
