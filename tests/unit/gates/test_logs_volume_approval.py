# SPDX-License-Identifier: GPL-3.0-or-later
"""Error lines per hour, trade that was seen, people who said yes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.gates import approval, http, logs, volume
from storewarden.domain.gates.verdict import Outcome, Verdict
from tests.unit.gates.scene import NOW, judged, wave

UNIT = {"unit": "pos.service", "pattern": "ERROR"}


def _logged(settings: dict[str, Any], **host: Any) -> Verdict:
    fine = {"now": [0, 500], "hours": 3.0, "before": [0, 4000], "before_hours": 24.0}
    hosts = dict.fromkeys(wave(1).hosts, fine)
    hosts["pos.000101"] = {**fine, **host}
    return judged(logs, {**UNIT, **settings}, {"hosts": hosts}, wave(1))


def test_a_rate_above_the_limit_fails() -> None:
    assert _logged({"max_per_hour": 4}, now=[12, 500]).outcome is Outcome.PASS
    verdict = _logged({"max_per_hour": 4}, now=[13, 500])
    assert verdict.outcome is Outcome.FAIL
    assert "pos.000101: 4.33333/h" in verdict.reason


def test_more_than_so_many_times_the_rate_before_fails() -> None:
    before = {"before": [240, 4000]}
    assert _logged({"times": 2.0}, now=[60, 500], **before).outcome is Outcome.PASS
    assert _logged({"times": 2.0}, now=[61, 500], **before).outcome is Outcome.FAIL


def test_no_errors_before_and_a_few_now_is_harm_but_one_is_chance() -> None:
    assert _logged({"times": 2.0}, now=[5, 500]).outcome is Outcome.FAIL
    assert _logged({"times": 2.0}, now=[4, 500]).outcome is Outcome.PASS


def test_a_service_that_logs_nothing_proves_nothing() -> None:
    verdict = _logged({"max_per_hour": 4}, now=[0, 0])
    assert verdict.outcome is Outcome.HOLD
    assert "not one line" in verdict.reason


def test_errors_count_before_the_time_is_long_enough_and_peace_does_not() -> None:
    assert _logged({"max_per_hour": 4}, now=[9, 9], hours=0.01).outcome is Outcome.FAIL
    assert _logged({"max_per_hour": 4}, now=[0, 9], hours=0.01).outcome is Outcome.HOLD


def test_a_host_that_cannot_count_holds_with_its_own_words() -> None:
    verdict = _logged({"max_per_hour": 4}, problem="journalctl is not installed")
    assert verdict.outcome is Outcome.HOLD
    assert "journalctl is not installed" in verdict.reason


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"pattern": "(", "max_per_hour": 1}, "gates.it.pattern: is no regular expression"),
        ({"max_per_hour": 1, "files": ["/a"]}, "gates.it: needs exactly one of unit, files, url"),
        ({"unit": None, "max_per_hour": 1}, "gates.it: needs exactly one of unit, files, url"),
        ({}, "gates.it: has nothing to judge by"),
        ({"times": 0.5}, "gates.it.times: must be 1 or more"),
        ({"max_per_hour": -1}, "gates.it.max_per_hour: must be 0 or more"),
        ({"times": 2, "token": "env:T"}, "gates.it.token: unknown key"),
    ],
)
def test_settings_of_logs(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        logs.Settings.read({**UNIT, **settings}, "gates.it")
    assert str(caught.value).startswith(said)


SOLD = {"transactions": 200, "open": "2h", "prometheus": {"url": "https://p.example", "query": "q"}}


@pytest.mark.parametrize(
    ("sold", "seconds", "outcome"),
    [(200, 7200, Outcome.PASS), (199, 7200, Outcome.HOLD), (500, 7199, Outcome.HOLD),
     (None, 9000, Outcome.HOLD), (-5, 9000, Outcome.HOLD), (500, float("nan"), Outcome.HOLD)],
)  # fmt: skip
def test_volume_needs_both(sold: Any, seconds: Any, outcome: Outcome) -> None:
    data = {"transactions": sold, "open_seconds": seconds}
    assert judged(volume, SOLD, data).outcome is outcome


def test_hours_alone_are_enough_where_nobody_counts_sales() -> None:
    assert judged(volume, {}, {"open_seconds": 7200}).outcome is Outcome.PASS
    assert judged(volume, {"open": "0s"}, {"open_seconds": 0}).outcome is Outcome.HOLD


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"transactions": 5}, "gates.it.transactions: needs a source"),
        ({"http": {"url": "https://a"}, "sql": {}}, "gates.it.sql: one source is enough"),
        ({"prometheus": {"url": "https://a"}}, "gates.it.prometheus.query: is missing"),
        ({"sql": {"sql": "q", "database": "d"}}, "gates.it.sql.hosts: is missing"),
        ({"http": {"url": "https://a", "query": "q"}}, "gates.it.http.query: unknown key"),
        ({"http": "https://a"}, "gates.it.http: must be keys with values"),
    ],
)
def test_settings_of_volume(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        volume.Settings.read(settings, "gates.it")
    assert str(caught.value).startswith(said)


def _ordered(*orders: dict[str, Any], **settings: Any) -> Verdict:
    fine = {"order": "promote", "by": "li.na", "at": NOW.isoformat(), "roles": []}
    asked = {"people": ["li.na", "wang.wei"], **settings}
    return judged(approval, asked, {"orders": [{**fine, **each} for each in orders]})


def test_a_named_person_is_enough_and_everybody_else_is_not() -> None:
    assert _ordered({}).outcome is Outcome.PASS
    assert _ordered({"by": "zhang.san"}).outcome is Outcome.HOLD
    assert _ordered({"by": "zhang.san", "roles": ["ops"]}, roles=["ops"]).outcome is Outcome.PASS
    assert _ordered({"order": "pause"}).outcome is Outcome.HOLD


def test_a_yes_to_the_wave_before_does_not_count() -> None:
    before = (wave().began - timedelta(seconds=1)).isoformat()
    assert _ordered({"at": before}).outcome is Outcome.HOLD
    assert _ordered({"at": "2026-03-10 12:00"}).outcome is Outcome.HOLD


def test_two_people_are_two_people() -> None:
    verdict = _ordered({}, {}, least=2)
    assert verdict.outcome is Outcome.HOLD
    assert "(1/2)" in verdict.reason
    assert _ordered({}, {"by": "wang.wei"}, least=2).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "gates.it.people: is missing"),
        ({"people": ["a"], "least": 2}, "gates.it.least: is more than the people who are named"),
        ({"people": "a"}, "gates.it.people: must be a list of texts"),
        ({"people": ["a"], "least": 0}, "gates.it.least: must be 1 or more"),
    ],
)
def test_settings_of_approval(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        approval.Settings.read(settings, "gates.it")
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"verdict": "pass", "reason": "fine"}, Outcome.PASS),
        ({"verdict": "hold", "reason": "wait"}, Outcome.HOLD),
        ({"verdict": "fail", "reason": "sales fell"}, Outcome.FAIL),
        ({"verdict": "PASS", "reason": "fine"}, Outcome.HOLD),
        ({"verdict": True, "reason": "fine"}, Outcome.HOLD),
        ({"verdict": "pass"}, Outcome.HOLD),
        ({"verdict": "pass", "reason": " "}, Outcome.HOLD),
        ({"status": "ok"}, Outcome.HOLD),
    ],
)
def test_an_outside_judge_is_taken_at_its_exact_word(
    answer: dict[str, Any], outcome: Outcome
) -> None:
    verdict = judged(http, {"url": "https://judge.example"}, answer)
    assert verdict.outcome is outcome
    assert not verdict.hard
