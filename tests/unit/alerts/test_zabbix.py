# SPDX-License-Identifier: GPL-3.0-or-later
"""Zabbix, with the payloads that were captured."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.healing.alert import Signal
from storewarden.ports.alerts import AlertsMalformed
from storewarden.testing.alerts import MemoryInbox
from storewarden.testing.conformance_alerts import NOW
from tests.unit.alerts.payloads import ACKNOWLEDGED, PROBLEM, RECOVERY, changed, payload, read


def test_a_problem() -> None:
    (alert,) = read("zabbix", payload(PROBLEM), timezone="Europe/Berlin").alerts
    assert (alert.fingerprint, alert.signal) == ("24", Signal.FIRING)
    assert alert.name == "POS agent down on s0001-srv"
    assert dict(alert.labels) == {
        "action": "restart_service", "service": "pos-agent", "store_id": "S0001",
        "role": "store_server", "host": "s0001-srv", "host_ip": "127.0.0.1", "severity": "high",
        "trigger_id": "23133", "alertname": "POS agent down on s0001-srv",
    }  # fmt: skip
    assert alert.starts_at == datetime(2026, 11, 21, 19, 19, 2, tzinfo=UTC)
    assert alert.annotations["event_opdata"] == "flag=0"
    assert "{" not in "".join([*alert.annotations.values(), *alert.labels.values()])


def test_a_recovery_ends_the_problem_with_its_event_id() -> None:
    (problem,) = read("zabbix", payload(PROBLEM), timezone="Europe/Berlin").alerts
    (over,) = read("zabbix", payload(RECOVERY), timezone="Europe/Berlin").alerts
    assert (over.signal, over.key) == (Signal.RESOLVED, problem.key)
    assert over.ends_at == datetime(2026, 11, 21, 19, 19, 38, tzinfo=UTC)


def test_an_acknowledgement_is_not_another_problem() -> None:
    """It has event_value 1; whoever looks only there heals twice."""
    (alert,) = read("zabbix", payload(ACKNOWLEDGED)).alerts
    assert alert.signal is Signal.NOTED
    assert alert.annotations["event_update_message"] == "人工确认: 已派工"
    inbox = MemoryInbox()
    assert inbox.receive(read("zabbix", payload(ACKNOWLEDGED)), NOW).new == ()
    before = changed(ACKNOWLEDGED, event_update_status="0")
    assert len(inbox.receive(read("zabbix", before), NOW).new) == 1
    assert inbox.receive(read("zabbix", payload(ACKNOWLEDGED)), NOW).repeated == 1


def test_an_event_is_one_occurrence_however_its_time_is_spelt() -> None:
    """The settings may name another zone than the user of the media type has."""
    (here,) = read("zabbix", payload(PROBLEM), timezone="Asia/Shanghai").alerts
    (there,) = read("zabbix", payload(PROBLEM), timezone="UTC").alerts
    assert here.starts_at != there.starts_at
    assert here.key == there.key


def test_events_of_another_kind_are_left_alone() -> None:
    """Discovery, registration, internal, service."""
    for source in ("1", "2", "3", "4"):
        delivery = read("zabbix", changed(PROBLEM, event_source=source))
        assert (delivery.alerts, len(delivery.ignored)) == ((), 1)


@pytest.mark.parametrize(
    ("severity", "word"),
    [("0", "not_classified"), ("1", "information"), ("2", "warning"), ("3", "average"),
     ("4", "high"), ("5", "disaster"), (5, "disaster"), ("6", "6"), ("High", "High")],
)  # fmt: skip
def test_severities_are_words(severity: object, word: str) -> None:
    (alert,) = read("zabbix", changed(PROBLEM, event_severity=severity)).alerts
    assert alert.labels["severity"] == word


def test_what_stood_for_nothing_is_nothing() -> None:
    body = changed(PROBLEM, host="{HOST.HOST}", host_ip="*UNKNOWN*", event_opdata="{EVENT.OPDATA}")
    (alert,) = read("zabbix", body).alerts
    assert {"host", "host_ip"}.isdisjoint(alert.labels)
    assert "event_opdata" not in alert.annotations


def test_a_tag_cannot_take_the_hosts_place_and_two_of_one_name_are_both_there() -> None:
    tags = json.dumps(
        [{"tag": "host", "value": "other"}, {"tag": "env", "value": "b"},
         {"tag": "env", "value": "a"}, {"tag": "", "value": "x"}, {"tag": "alone"}]
    )  # fmt: skip
    (alert,) = read("zabbix", changed(PROBLEM, event_tags=tags)).alerts
    assert (alert.labels["host"], alert.labels["env"]) == ("s0001-srv", "a,b")
    assert alert.labels["alone"] == ""


@pytest.mark.parametrize(
    "fields",
    [
        {"event_id": "{EVENT.ID}"}, {"event_id": ""}, {"event_id": "1 or 1"},
        {"event_id": "9" * 21},
        {"event_date": "21.11.2026"}, {"event_time": "{EVENT.TIME}"}, {"event_date": None},
        {"event_value": "{EVENT.VALUE}"}, {"event_value": "2"}, {"event_update_status": "5"},
        {"event_tags": "[{"}, {"event_tags": '{"tag": "a"}'}, {"event_tags": "[1]"},
        {"event_tags": "[" * 100_000},
    ],
)  # fmt: skip
def test_what_is_no_event_is_refused_in_one_line(fields: dict[str, object]) -> None:
    with pytest.raises(AlertsMalformed) as refused:
        read("zabbix", changed(PROBLEM, **fields))
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 120


def test_no_tags_are_no_tags() -> None:
    for none in ("", "[]", "{EVENT.TAGSJSON}"):
        (alert,) = read("zabbix", changed(PROBLEM, event_tags=none)).alerts
        assert "store_id" not in alert.labels


def test_an_event_may_have_too_many_tags() -> None:
    tags = json.dumps([{"tag": f"t{n}", "value": ""} for n in range(70)])
    assert len(read("zabbix", changed(PROBLEM, event_tags=tags)).ignored) == 1


def test_a_zone_that_is_none_is_refused_by_its_key() -> None:
    with pytest.raises(ConfigInvalid, match=r"healing\.sources\.shop\.timezone: must be the name"):
        read("zabbix", payload(PROBLEM), timezone="Berlin")
