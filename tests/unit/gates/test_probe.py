# SPDX-License-Identifier: GPL-3.0-or-later
"""One bad host of the first wave stops everything; silence everywhere is our own line."""

from __future__ import annotations

from typing import Any

import pytest

from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.gates import probe
from storewarden.domain.gates.probe import ProbeKind
from storewarden.domain.gates.scope import WaveScope
from storewarden.domain.gates.verdict import Outcome, Verdict
from tests.unit.gates.scene import judged, wave

TILL = {"probes": [{"name": "till", "tcp": 8443}]}


def _asked(scope: WaveScope, bad: dict[str, dict[str, Any]], **settings: Any) -> Verdict:
    """Every host is fine but for ``bad``."""
    fine = {"name": "till", "ok": True, "detail": ""}
    fresh = {host: [{**fine, **bad.get(host, {})}] for host in scope.hosts}
    return judged(probe, {**TILL, **settings}, {"reported": {}, "fresh": fresh}, scope)


def test_one_failed_canary_is_a_hard_stop_however_many_are_allowed() -> None:
    verdict = _asked(wave(3, first_wave=True), {"pos.000102": {"ok": False}}, allow=5)
    assert verdict.outcome is Outcome.FAIL
    assert verdict.hard
    assert "pos.000102: till" in verdict.reason


def test_later_waves_fail_above_what_is_allowed() -> None:
    bad = {"pos.000102": {"ok": False}}
    assert _asked(wave(3), bad, allow=1).outcome is Outcome.PASS
    verdict = _asked(wave(3), {**bad, "pos.000103": {"ok": False}}, allow=1)
    assert verdict.outcome is Outcome.FAIL
    assert not verdict.hard
    assert "2 of 6 hosts failed" in verdict.reason
    assert "6 台主机中 2 台" in verdict.reason_zh


def test_a_host_whose_change_failed_is_a_failure_without_any_probe() -> None:
    scope = wave(1, first_wave=True, failed={"pos.000101": "dpkg ended with status 1"})
    verdict = _asked(scope, {})
    assert (verdict.outcome, verdict.hard) == (Outcome.FAIL, True)
    assert "dpkg ended with status 1" in verdict.reason


def test_silence_of_several_stores_at_once_is_our_own_line() -> None:
    silent = {"ok": False, "silent": True, "detail": "no answer in time"}
    everywhere = wave(3, first_wave=True)
    verdict = _asked(everywhere, dict.fromkeys(everywhere.hosts, silent))
    assert verdict.outcome is Outcome.HOLD
    assert "the line from here" in verdict.reason
    one_store = wave(1, first_wave=True)
    assert _asked(one_store, dict.fromkeys(one_store.hosts, silent)).hard
    some = dict.fromkeys(everywhere.hosts[:4], silent)
    assert _asked(everywhere, some).hard
    refused = {**dict.fromkeys(everywhere.hosts, silent), "pos.000101": {"ok": False}}
    assert _asked(everywhere, refused).hard


def test_hosts_that_are_not_verified_are_not_asked_but_some_must_be() -> None:
    scope = wave(2, verified=frozenset({"pos.000101"}))
    assert _asked(scope, {}).outcome is Outcome.PASS
    nobody = judged(probe, {}, {"reported": {}, "fresh": {}}, wave(2, verified=frozenset()))
    assert nobody.outcome is Outcome.HOLD


def test_an_expected_probe_that_is_missing_holds() -> None:
    scope = wave(1)
    data = {"reported": {h: [{"name": "unit", "ok": True}] for h in scope.hosts}, "fresh": {}}
    verdict = judged(probe, TILL, data, scope)
    assert verdict.outcome is Outcome.HOLD
    assert "till" in verdict.reason


def test_every_kind_of_probe_is_read() -> None:
    read = probe.Settings.read(
        {
            "probes": [
                {"http": "https://{address}:8443/health", "status": [200, 204], "expect": "ok"},
                {"tcp": 5432, "timeout": "3s"},
                {"unit": "pos.service"},
                {"command": ["/usr/bin/pos", "--check"], "user": "pos", "expect": "fine"},
                {"sql": "select 1", "database": "pos", "user": "postgres"},
                {"sql": "select 1", "database": "pos", "client": "mariadb", "name": "db"},
            ]
        }
    )
    kinds = [each.kind for each in read.probes]
    assert kinds == [*ProbeKind, ProbeKind.SQL]
    assert [each.on_host for each in read.probes] == [False, False, True, True, True, True]
    sql = read.probes[4]
    assert sql.argv[0] == "psql"
    assert sql.argv[-4:] == ("-d", "pos", "-c", "select 1")
    assert read.probes[5].argv[0] == "mariadb"
    assert read.probes[1].seconds == 3.0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"probes": [{}]}, "gates.it.probes[1]: needs exactly one of http, tcp, unit"),
        ({"probes": [{"tcp": 1, "unit": "a"}]}, "gates.it.probes[1]: needs exactly one of"),
        ({"probes": [{"tcp": 70000}]}, "gates.it.probes[1].tcp: must be a port: 1-65535"),
        ({"probes": [{"tcp": "22"}]}, "gates.it.probes[1].tcp: must be a whole number"),
        ({"probes": [{"tcp": 22, "expect": "x"}]}, "gates.it.probes[1].expect: unknown key"),
        ({"probes": [{"command": "rm -rf /"}]}, "gates.it.probes[1].command: must be a list"),
        ({"probes": [{"command": []}]}, "gates.it.probes[1].command: must be a list"),
        ({"probes": [{"http": "ftp://x"}]}, "gates.it.probes[1].http: must be a url"),
        ({"probes": [{"http": "http://x", "status": ["200"]}]}, "gates.it.probes[1].status: must"),
        ({"probes": [{"sql": "select 1"}]}, "gates.it.probes[1].database: is missing"),
        ({"probes": [{"sql": "q", "database": "-f"}]}, "gates.it.probes[1].database: must not"),
        ({"probes": [{"sql": "q", "database": "d", "client": "sqlplus"}]},
         "gates.it.probes[1].client: must be psql or mysql or mariadb or sqlite3"),
        ({"probes": [{"tcp": 22}, {"tcp": 22}]}, "gates.it.probes: two probes have the same name"),
        ({"probes": {"tcp": 22}}, "gates.it.probes: must be a list"),
    ],
)  # fmt: skip
def test_wrong_settings_are_one_clear_line(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        probe.Settings.read(settings, "gates.it")
    assert str(caught.value).startswith(said)
