# SPDX-License-Identifier: GPL-3.0-or-later
"""The media type for Zabbix: what it posts is what was captured, and failures are raised.

Its script runs in Duktape, the engine that Zabbix has, with an HttpRequest that a test answers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from storewarden.domain.healing.alert import Signal
from tests.unit.alerts import payloads
from tests.unit.alerts.payloads import data, read

_FILE = Path(__file__).resolve().parents[3] / "packaging/zabbix/storewarden-media-type.yaml"
_FAKE = """
var sent = [];
function HttpRequest() { this.headers = []; this.proxy = ''; }
HttpRequest.prototype.addHeader = function (line) { this.headers.push(line); };
HttpRequest.prototype.setProxy = function (url) { this.proxy = url; };
HttpRequest.prototype.post = function (url, body) {
    sent.push({url: url, headers: this.headers, proxy: this.proxy, body: body});
    if (dukpy.status === 0) { throw 'cannot connect'; }
    return dukpy.answer;
};
HttpRequest.prototype.getStatus = function () { return dukpy.status; };
var outcome;
try {
    outcome = {said: String((function (value) { %s })(dukpy.value))};
} catch (error) {
    outcome = {raised: String(error)};
}
outcome.sent = sent;
outcome;
"""
URL, TOKEN = "https://storewarden.example/hooks/zabbix", "s3cret-token"
SET = {"storewarden_url": URL, "storewarden_token": TOKEN, "storewarden_proxy": ""}


@pytest.fixture(scope="module")
def media() -> dict[str, Any]:
    exported = yaml.safe_load(_FILE.read_text())["zabbix_export"]
    assert exported["version"] == "6.0"
    (found,) = exported["media_types"]
    assert isinstance(found, dict)
    return found


def run(media: dict[str, Any], params: dict[str, Any], status: int = 200) -> dict[str, Any]:
    dukpy = pytest.importorskip("dukpy")
    answer = '{"new": 1}' + "x" * 1000
    ran = dukpy.evaljs(
        _FAKE % media["script"], value=json.dumps(params), status=status, answer=answer
    )
    assert isinstance(ran, dict)
    return ran


def test_it_has_a_parameter_for_every_field_that_was_captured(media: dict[str, Any]) -> None:
    given = {each["name"]: each["value"] for each in media["parameters"]}
    captured = data(payloads.PROBLEM)
    assert set(given) == set(captured) | set(SET)
    macros = [value for name, value in given.items() if name not in SET]
    assert all(value.startswith("{") and value.endswith("}") for value in macros)
    assert len(set(macros)) == len(macros)


def test_zabbix_tries_often_enough_to_outlast_a_restart(media: dict[str, Any]) -> None:
    """And gives up on one attempt before Zabbix' own limit of 30 s."""
    seconds = int(media["attempts"]) * int(media["attempt_interval"].removesuffix("s"))
    assert seconds >= 300
    assert int(media["timeout"].removesuffix("s")) < 30
    modes = {each["operation_mode"] for each in media["message_templates"]}
    assert modes == {"PROBLEM", "RECOVERY", "UPDATE"}


@pytest.mark.parametrize(
    ("name", "signal"),
    [
        (payloads.PROBLEM, Signal.FIRING),
        (payloads.RECOVERY, Signal.RESOLVED),
        (payloads.ACKNOWLEDGED, Signal.NOTED),
    ],
)
def test_what_it_posts_is_what_our_reader_reads(
    media: dict[str, Any], name: str, signal: Signal
) -> None:
    ran = run(media, {**data(name), **SET})
    (sent,) = ran["sent"]
    assert (sent["url"], sent["proxy"]) == (URL, "")
    assert sent["headers"] == ["Content-Type: application/json", f"Authorization: Bearer {TOKEN}"]
    assert json.loads(sent["body"]) == data(name)
    assert TOKEN not in sent["body"]
    (alert,) = read("zabbix", sent["body"].encode()).alerts
    assert alert.signal is signal
    assert ran["said"].startswith('OK: {"new": 1}')


@pytest.mark.parametrize("status", [0, 301, 400, 401, 500, 503])
def test_whatever_is_no_success_is_raised_so_that_zabbix_comes_again(
    media: dict[str, Any], status: int
) -> None:
    ran = run(media, {**data(payloads.PROBLEM), **SET}, status)
    assert "said" not in ran
    assert str(status) in ran["raised"] or status == 0
    assert TOKEN not in ran["raised"]
    assert len(ran["raised"]) < 300


@pytest.mark.parametrize(
    "change",
    [
        {"storewarden_url": "{$STOREWARDEN.URL}"}, {"storewarden_token": "{$STOREWARDEN.TOKEN}"},
        {"storewarden_url": ""}, {"storewarden_token": None}, {"storewarden_url": "file:///etc"},
    ],
)  # fmt: skip
def test_a_macro_that_nobody_set_is_said_and_nothing_is_sent(
    media: dict[str, Any], change: dict[str, Any]
) -> None:
    ran = run(media, {**data(payloads.PROBLEM), **SET, **change})
    assert ran["sent"] == []
    assert next(iter(change)) in ran["raised"]


def test_a_proxy_is_used_when_there_is_one(media: dict[str, Any]) -> None:
    more = {"storewarden_proxy": "http://proxy.example:3128"}
    (sent,) = run(media, {**data(payloads.PROBLEM), **SET, **more})["sent"]
    assert sent["proxy"] == "http://proxy.example:3128"
