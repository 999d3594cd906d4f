# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis and nginx of Debian on a lab host: every control passes, fails and is fixed there."""

from __future__ import annotations

import http.client
import re
import shlex
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.plugin_utils.baseline_controls import (
    load_control,
    role_defaults,
)
from tests.e2e.control_states import ROOT, State, all_states, visit
from tests.e2e.fix_plays import Played, Plays
from tests.lab.fixtures import built
from tests.lab.fleet import Lab, LabHost
from tests.lab.software_layer import WEB

pytestmark = [pytest.mark.lab, pytest.mark.slow]

STATES = [state for state in all_states() if state.host == "web"]
_VARIABLES = role_defaults()
CONTROLS = {
    path.stem: load_control(path, _VARIABLES)
    for role in ("redis", "nginx")
    for path in sorted((ROOT / f"roles/baseline_{role}/controls").glob("*.yml"))
}


@pytest.fixture(scope="module")
def web_host(lab: Lab) -> Iterator[LabHost]:
    """A host with both servers, as after ``apt install``; an ordinary one again afterwards."""
    host = lab.hosts[0]
    host.reset(above=built(WEB))
    yield host
    host.reset()


@pytest.fixture(scope="module")
def results(web_host: LabHost) -> dict[str, dict[str, Any]]:
    """State id -> result; all of them in one visit."""
    answers = visit(web_host, STATES, CONTROLS)
    return {state.id: answer for state, answer in zip(STATES, answers, strict=True)}


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.id)
def test_verdict_on_a_real_server(state: State, results: dict[str, dict[str, Any]]) -> None:
    result = results[state.id]
    assert "broken" not in result, f"{state.id}: {result['broken']}"
    assert result["verdict"] == state.verdict, (
        f"{state.id}: value {result.get('value')!r}, reason {result.get('reason')}"
    )


def test_no_password_and_no_hash_leaves_the_host(results: dict[str, dict[str, Any]]) -> None:
    told = repr(results)
    assert [word for word in ("quoted secret", "look-only", ">x") if word in told] == []
    assert re.search(r"#[0-9a-f]{8}", told) is None


# -- the fixes ---------------------------------------------------------------------------------

_NEGLECTED = """
certificate
with_redis <<END
bind 0.0.0.0
protected-mode no
requirepass till-secret
END
with_nginx <<END
server {
  listen 443 ssl;
  ssl_certificate /etc/nginx/tls/own.crt;
  ssl_certificate_key /etc/nginx/tls/own.key;
  server_name shop.example.com;
  location / { return 200 "open"; }
}
END
"""
_FIXED = {"cache": ["I02", "I03"], "web": ["J01", "J02", "J03"]}


@dataclass(frozen=True, slots=True)
class Mended:
    """A neglected host and its two runs of the fix playbook."""

    host: LabHost
    first: Played
    again: Played


@pytest.fixture(scope="module")
def mended(
    web_host: LabHost,
    results: dict[str, dict[str, Any]],  # the states come first: they restore what they change
    lab: Lab,
    tmp_path_factory: pytest.TempPathFactory,
) -> Mended:
    """Redis for everybody in the clear, and a shop site with Debian's nginx.conf, both fixed."""
    shared = (ROOT / "tests/lab_states/web.sh").read_text(encoding="utf-8")
    web_host.run("sh -eu -s", user="root", input=shared + _NEGLECTED)
    plays = Plays(lab=lab, folder=tmp_path_factory.mktemp("fix"))
    chosen: dict[str, Any] = {
        "baseline_audit_families": ["redis", "nginx"],
        "baseline_fix_groups": list(_FIXED),
        "baseline_redis_bind": f"127.0.0.1 {web_host.address}",
    }
    first = plays.fix([web_host], **chosen)
    assert first.code == 0, first.err
    return Mended(host=web_host, first=first, again=plays.fix([web_host], **chosen))


def test_every_data_fix_makes_the_audit_pass(mended: Mended) -> None:
    before = mended.first.verdicts(mended.host, "audit_before")
    after = mended.first.verdicts(mended.host)
    for group, ids in _FIXED.items():
        report = mended.first.harden(mended.host, group)
        assert report["outcome"] == "fixed", report
        assert [one["id"] for one in report["controls"] if one["changes"]] == ids
        assert {before[one][0] for one in ids} == {"fail"}
        assert {after[one][0] for one in ids} == {"pass"}, after


def test_a_second_run_changes_nothing(mended: Mended) -> None:
    for group in _FIXED:
        assert mended.again.harden(mended.host, group)["outcome"] == "unchanged"
    assert "host_changed" not in mended.again.kinds[mended.host.name]


def test_redis_answers_over_tls_and_no_longer_in_the_clear(mended: Mended) -> None:
    files = "--cert /etc/redis/tls/redis.crt --key /etc/redis/tls/redis.key --insecure"
    place = f"REDISCLI_AUTH=till-secret redis-cli -h {mended.host.address} -p 6379"
    answer = mended.host.run(f"{place} --tls {files} PING", user="root").stdout
    assert answer.strip() == "PONG"
    plain = mended.host.run(f"{place} PING", user="root", check=False)
    assert "PONG" not in plain.stdout


def test_nginx_serves_the_shop_over_modern_tls_with_the_header(mended: Mended) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    line = http.client.HTTPSConnection(mended.host.address, 443, timeout=60, context=context)
    line.request("GET", "/")
    answer = line.getresponse()
    assert (answer.status, answer.read()) == (200, b"open")
    assert answer.headers["Strict-Transport-Security"] == "max-age=15552000"
    recorded = "until journalctl -t nginx -o cat | grep -q 'GET /'; do sleep 0.1; done"
    mended.host.run(f"timeout 200 sh -c {shlex.quote(recorded)}", user="root")
    # level 0: else this host's own OpenSSL would refuse before the server does
    old = "openssl s_client -connect 127.0.0.1:443 -tls1_1 -cipher ALL@SECLEVEL=0 < /dev/null"
    assert mended.host.run(old, user="root", check=False).returncode != 0
    mended.host.run(old.replace("-tls1_1", "-tls1_2"), user="root")
