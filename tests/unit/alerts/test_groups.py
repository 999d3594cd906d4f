# SPDX-License-Identifier: GPL-3.0-or-later
"""Alertmanager and Grafana, with the payloads that were captured."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from storewarden.domain.healing.alert import Signal
from storewarden.ports.alerts import AlertsMalformed
from storewarden.testing.alerts import MemoryInbox
from storewarden.testing.conformance_alerts import NOW
from tests.unit.alerts import payloads
from tests.unit.alerts.payloads import changed, data, payload, read

FIRST = {"labels": {"alertname": "A"}, "startsAt": "2026-11-21T19:00:00Z", "status": "firing"}


def group(*alerts: object, **more: object) -> bytes:
    return json.dumps({"version": "4", "alerts": list(alerts), **more}).encode()


def test_a_single_alert_with_its_own_query() -> None:
    delivery = read("alertmanager", payload(payloads.SINGLE))
    (alert,) = delivery.alerts
    assert (alert.source, alert.name, alert.signal) == ("shop", "NodeRootDiskFull", Signal.FIRING)
    assert alert.fingerprint == "5303d2c6969fd4af"
    assert alert.starts_at == datetime(2026, 11, 21, 19, 27, 38, 50000, UTC)
    assert alert.ends_at is None
    assert alert.labels["store_id"] == "S0001"
    assert alert.annotations == {"summary": "disk of S0001 at 70.7 %"}
    assert alert.expression == (
        '100 * (1 - node_filesystem_avail_bytes{mountpoint="/"}'
        ' / node_filesystem_size_bytes{mountpoint="/"}) > 1'
    )
    assert (delivery.missing, delivery.ignored) == (0, ())


def test_a_repetition_is_the_same_occurrence() -> None:
    (first,) = read("alertmanager", payload(payloads.SINGLE)).alerts
    (again,) = read("alertmanager", payload(payloads.REPEAT)).alerts
    assert first.key == again.key


def test_a_group_is_two_alerts() -> None:
    delivery = read("alertmanager", payload(payloads.GROUP))
    assert [alert.labels["terminal"] for alert in delivery.alerts] == ["POS-01", "POS-02"]
    assert len({alert.key for alert in delivery.alerts}) == 2


def test_what_was_truncated_is_said() -> None:
    delivery = read("alertmanager", payload(payloads.TRUNCATED))
    assert (len(delivery.alerts), delivery.missing) == (2, 1)


def test_a_group_that_fires_holds_an_alert_that_is_over() -> None:
    body = data(payloads.PARTIAL)
    assert body["status"] == "firing"
    over, on = read("alertmanager", payload(payloads.PARTIAL)).alerts
    assert (over.labels["terminal"], over.signal) == ("POS-01", Signal.RESOLVED)
    assert over.ends_at == datetime(2026, 11, 21, 19, 29, 3, 50000, UTC)
    assert (on.labels["terminal"], on.signal, on.ends_at) == ("POS-02", Signal.FIRING, None)
    (before, _) = read("alertmanager", payload(payloads.GROUP)).alerts
    assert before.key == over.key


def test_over_alone() -> None:
    (alert,) = read("alertmanager", payload(payloads.RESOLVED)).alerts
    assert (alert.signal, alert.labels["store_id"]) == (Signal.RESOLVED, "S0002")


def test_all_captured_requests_in_their_order_make_four_occurrences_and_none_fires_twice() -> None:
    """The third of the truncated group is only ever heard of when it is over."""
    inbox = MemoryInbox()
    told = [
        inbox.receive(read("alertmanager", payload(name)), NOW)
        for name in (
            payloads.SINGLE, payloads.REPEAT, payloads.GROUP, payloads.TRUNCATED,
            payloads.PARTIAL, payloads.RESOLVED, payloads.NEVER_SEEN,
        )
    ]  # fmt: skip
    assert [len(each.new) for each in told[:5]] == [1, 0, 2, 0, 0]
    assert len(told[4].resolved) == 1
    never_seen = read("alertmanager", payload(payloads.NEVER_SEEN)).alerts
    assert {alert.signal for alert in never_seen} == {Signal.RESOLVED}
    firing = {alert.name for alert in inbox.firing("shop")}
    assert firing == {"NodeRootDiskFull"}


def test_one_that_cannot_be_read_does_not_take_the_others_with_it() -> None:
    broken: list[object] = [
        {**FIRST, "startsAt": "soon"}, {**FIRST, "startsAt": "0001-01-01T00:00:00Z"},
        {**FIRST, "status": "perhaps"}, {**FIRST, "status": ["firing"]}, {**FIRST, "labels": [1]},
        {**FIRST, "labels": {f"l{n}": "x" for n in range(65)}},
        {**FIRST, "labels": {"long": "x" * 1025}}, "text", None, 7,
    ]  # fmt: skip
    delivery = read("alertmanager", group(*broken, FIRST))
    assert len(delivery.alerts) == 1
    assert len(delivery.ignored) == len(broken)
    assert all("\n" not in line and len(line) < 120 for line in delivery.ignored)


def test_without_a_fingerprint_the_labels_are_one() -> None:
    mixed = {"labels": {"b": "2", "a": "1"}, "startsAt": "2026-11-21T19:00:00Z", "status": "firing"}
    turned = {**mixed, "labels": {"a": "1", "b": "2"}}
    other = {**mixed, "labels": {"a": "1", "b": "3"}}
    first, second, third = read("alertmanager", group(mixed, turned, other)).alerts
    assert first.key == second.key != third.key
    assert len(first.fingerprint) == 16


def test_a_nanosecond_more_is_the_same_beginning_as_in_the_api() -> None:
    """Webhooks write nine digits, the API three."""
    long, short = (
        {**FIRST, "startsAt": "2026-11-21T19:27:38.123456789Z"},
        {**FIRST, "startsAt": "2026-11-21T19:27:38.123Z"},
    )
    first, second = read("alertmanager", group(long, short)).alerts
    assert first.key == second.key


def test_far_times_stay_what_they_are() -> None:
    far = {**FIRST, "startsAt": "9999-12-31T23:59:59Z"}
    (alert,) = read("alertmanager", group(far)).alerts
    assert alert.starts_at.year == 9999
    outside = {**FIRST, "startsAt": "0001-01-01T00:00:00+23:59"}
    assert read("alertmanager", group(outside)).ignored == ("alerts[0]: startsAt is no time",)


def test_values_that_are_no_text_become_text() -> None:
    labels = {"n": 7, "yes": True, "none": None, "deep": {"a": [1]}, "big": 10**300, "nan": 1e999}
    (alert,) = read("alertmanager", group({**FIRST, "labels": labels})).alerts
    assert (alert.labels["n"], alert.labels["yes"], alert.labels["none"]) == ("7", "true", "")
    assert alert.labels["deep"] == '{"a": [1]}'


def test_characters_that_have_no_place_in_a_text_are_marked() -> None:
    """A name must not become another one by leaving a character out."""
    told = {**FIRST, "labels": {"host": "pos01\u200b.000101", "h": "\ud800"},
            "annotations": {"summary": "one\r\ntwo\x1b[31m\ttab"}}  # fmt: skip
    (alert,) = read("alertmanager", group(told)).alerts
    assert alert.labels["host"] == "pos01\ufffd.000101"
    assert alert.annotations["summary"] == "one\ntwo\ufffd[31m\ttab"
    assert alert.key


def test_long_annotations_are_cut_and_labels_never() -> None:
    told = {**FIRST, "annotations": {"summary": "长" * 10_000}}
    (alert,) = read("alertmanager", group(told)).alerts
    assert len(alert.annotations["summary"]) == 4000
    assert alert.annotations["summary"].endswith("...")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"\xff\xfe", b"[]", b"null", b"7", b'"text"', b"{}", b'{"alerts": {}}',
        b'{"alerts": null}', b"[" * 100_000, b'{"a":' * 50_000, b"\x1f\x8b\x08\x00gzip",
        b'{"alerts": [' + b"[" * 60 + b"]" * 60 + b"]}",
    ],
)  # fmt: skip
def test_what_is_no_group_is_refused_in_one_line(body: bytes) -> None:
    with pytest.raises(AlertsMalformed) as refused:
        read("alertmanager", body)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 120


def test_numbers_without_end_and_keys_twice_are_borne() -> None:
    body = (
        b'{"alerts": [{"status": "resolved", "status": "firing", "labels": {"n": ' + b"9" * 900
        + b'}, "startsAt": "2026-11-21T19:00:00Z", "x": NaN, "y": -Infinity}],'
        + b' "truncatedAlerts": ' + b"9" * 25 + b"}"
    )  # fmt: skip
    delivery = read("alertmanager", body)
    assert [alert.signal for alert in delivery.alerts] == [Signal.FIRING]
    assert delivery.missing == 1_000_000


@pytest.mark.parametrize("told", [-1, True, None, "3", 2.5, [], {}])
def test_a_count_that_is_none_is_nought(told: object) -> None:
    assert read("alertmanager", changed(payloads.SINGLE, truncatedAlerts=told)).missing == 0


@pytest.mark.parametrize(
    ("address", "expression"),
    [
        ("http://p/graph?g0.expr=up+%3D%3D+0&g0.tab=1", "up == 0"),
        ("http://p/graph?g0.expr=a%0A%2B+b", "a\n+ b"),
        ("http://p/graph?g0.expr=", ""),
        ("http://p/alerts", ""),
        ("http://[broken?g0.expr=up", ""),
        (f"http://p/graph?g0.expr={'x' * 20_001}", ""),
        (None, ""),
        (["http://p/graph?g0.expr=up"], ""),
    ],
)
def test_the_query_of_an_alert(address: object, expression: str) -> None:
    (alert,) = read("alertmanager", group({**FIRST, "generatorURL": address})).alerts
    assert alert.expression == expression


def test_grafana_says_the_same_with_more_around_it() -> None:
    on, over = read("grafana", payload(payloads.GRAFANA)).alerts
    assert (on.signal, over.signal) == (Signal.FIRING, Signal.RESOLVED)
    assert on.starts_at == datetime(2026, 11, 21, 12, 10, tzinfo=UTC)
    assert on.annotations["summary"] == "队列 42 条"
    assert on.expression == ""
    assert over.ends_at == on.starts_at - timedelta(seconds=30)
    assert len(over.fingerprint) == 16  # it was sent without
    assert on.fingerprint == "c6eadffa33fcdf37"
