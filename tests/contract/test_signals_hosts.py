# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes, logs and trade, as they are fetched: from ports, pages, and hosts that are asked."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from storewarden.adapters.signals import SiteGates
from storewarden.domain.errors import AdapterError
from storewarden.domain.gates.verdict import Outcome, Verdict
from storewarden.domain.rollout.spec import GateSpec
from storewarden.ports.signals import (
    HostAnswer,
    HostAsk,
    LookKind,
    OrderSeen,
    ProbeSeen,
    Reach,
    WaveScope,
)
from storewarden.testing.loopback import Answer, LoopbackService, Mishap, Request
from storewarden.testing.secrets import MemorySecrets
from tests.servers.programs import free_port
from tests.unit.gates.scene import NOW, wave


class Till(LoopbackService[dict[str, Answer]]):
    """A till's health page, or whatever a test puts there."""

    def handle(self, request: Request) -> Answer:
        return self.state.get(request.path, Answer(status=404))


class Hosts:
    """Hosts that answer what they were told to; ``asked`` keeps the questions."""

    def __init__(self, answers: Mapping[str, HostAnswer], *, gone: Sequence[str] = ()) -> None:
        self.answers = answers
        self.gone = gone
        self.asked: list[HostAsk] = []
        self.trouble: AdapterError | None = None

    def ask(
        self, hosts: Sequence[str], asks: Sequence[HostAsk]
    ) -> Mapping[str, Mapping[str, HostAnswer]]:
        if self.trouble:
            raise self.trouble
        self.asked += asks
        known = {ask.name: self.answers[ask.name] for ask in asks if ask.name in self.answers}
        return {host: known for host in hosts if host not in self.gone}


@pytest.fixture
def till() -> Iterator[Till]:
    page = Answer(body={"status": "ok"})
    with Till(
        {"/health": page, "/moved": Answer(status=302, headers={"Location": "/health"})}
    ) as up:
        yield up


def _ask(
    kind: str, settings: dict[str, Any], scope: WaveScope, hosts: Hosts | None = None, **reach: Any
) -> Verdict:
    spec = GateSpec(kind=kind, name="it", settings=settings)
    gates = SiteGates(reach=Reach(secrets=MemorySecrets({"env:T": "tok"}), look=hosts, **reach))
    gates.check([spec])
    return gates.ask([spec], scope)[1]


def _probe(scope: WaveScope, *probes: dict[str, Any], hosts: Hosts | None = None) -> Verdict:
    return _ask("probe", {"probes": list(probes)}, scope, hosts)


def test_pages_and_ports_of_every_host_are_asked(till: Till) -> None:
    port = int(till.url.rsplit(":", 1)[1])
    verdict = _probe(
        wave(2),
        {"http": f"http://{{address}}:{port}/health", "expect": '"ok"'},
        {"tcp": port},
        {"http": f"http://{{address}}:{port}/moved", "status": [302]},
    )
    assert verdict.outcome is Outcome.PASS, verdict.reason
    assert len(till.sent("GET", "/health")) == 4
    assert "0 of 4 hosts bad" in verdict.reason


@pytest.mark.parametrize(
    ("path", "more", "said"),
    [
        ("/health", {"expect": "fine"}, "without the text that is expected"),
        ("/gone", {}, "answered 404"),
        ("/moved", {}, "answered 302"),
        ("/health", {"status": [204]}, "answered 200"),
    ],
)
def test_a_wrong_answer_is_a_failed_probe(
    till: Till, path: str, more: dict[str, Any], said: str
) -> None:
    url = f"{till.url.replace('127.0.0.1', '{address}')}{path}"
    verdict = _probe(wave(1, first_wave=True), {"http": url, **more})
    assert (verdict.outcome, verdict.hard) == (Outcome.FAIL, True)
    assert said in verdict.reason


def test_a_closed_port_is_a_failed_probe() -> None:
    verdict = _probe(wave(1, first_wave=True), {"tcp": free_port()})
    assert (verdict.outcome, verdict.hard) == (Outcome.FAIL, True)
    assert "refused" in verdict.reason.lower()


def test_ports_that_take_and_say_nothing_in_several_stores_are_our_own_line() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"http://{{address}}:{silent.getsockname()[1]}/"
        verdict = _probe(wave(2, first_wave=True), {"http": url, "timeout": "0.3s"})
        one = _probe(wave(1, first_wave=True), {"http": url, "timeout": "0.3s"})
    assert verdict.outcome is Outcome.HOLD
    assert one.hard


@pytest.mark.parametrize("address", ["", "no-such-host.invalid"])
def test_a_host_that_cannot_be_found_is_nobodys_failure(address: str) -> None:
    scope = wave(1)
    lost = replace(scope, addresses=dict.fromkeys(scope.hosts, address))
    assert _probe(lost, {"tcp": 22}).outcome is Outcome.HOLD


def test_units_programs_and_queries_are_asked_on_the_hosts() -> None:
    hosts = Hosts(
        {
            "pos.service": HostAnswer(ok=True, text="active"),
            "check": HostAnswer(ok=True, text="all fine"),
            "rows": HostAnswer(ok=True, text="12"),
        }
    )
    probes: list[dict[str, Any]] = [
        {"unit": "pos.service"},
        {"name": "check", "command": ["pos", "--check"], "user": "pos", "expect": "fine"},
        {"name": "rows", "sql": "select 12", "database": "pos", "user": "postgres"},
    ]
    assert _probe(wave(1), *probes, hosts=hosts).outcome is Outcome.PASS
    assert [ask.kind for ask in hosts.asked] == [LookKind.UNIT, LookKind.COMMAND, LookKind.COMMAND]
    assert [ask.user for ask in hosts.asked] == ["", "pos", "postgres"]
    hosts.answers = {**hosts.answers, "check": HostAnswer(ok=True, text="12 errors")}
    assert _probe(wave(1), *probes, hosts=hosts).outcome is Outcome.FAIL
    hosts.answers = {**hosts.answers, "check": HostAnswer(problem="pos is not installed")}
    assert _probe(wave(1), *probes, hosts=hosts).outcome is Outcome.HOLD


def test_hosts_that_cannot_be_asked_hide_no_failure_and_never_pass(till: Till) -> None:
    hosts = Hosts({}, gone=["pos.000101"])
    unit = {"unit": "pos.service"}
    assert _probe(wave(1), unit, hosts=hosts).outcome is Outcome.HOLD
    hosts.trouble = AdapterError("the runner is away")
    away = _probe(wave(1), unit, hosts=hosts)
    assert away.outcome is Outcome.HOLD
    assert "the runner is away" in away.reason
    assert _probe(wave(1), unit).outcome is Outcome.HOLD
    closed = {"tcp": free_port()}
    assert _probe(wave(1, first_wave=True), unit, closed, hosts=hosts).hard


def test_what_hosts_reported_is_enough_without_asking() -> None:
    scope = wave(1)
    told = {host: (ProbeSeen(name="unit", ok=True),) for host in scope.hosts}
    assert _ask("probe", {}, replace(scope, reported=told)).outcome is Outcome.PASS
    bad = {**told, "pos.000101": (ProbeSeen(name="unit", ok=False, detail="is failed"),)}
    verdict = _ask("probe", {}, replace(scope, reported=bad, first_wave=True))
    assert (verdict.outcome, verdict.hard) == (Outcome.FAIL, True)
    assert "unit (is failed)" in verdict.reason


def test_error_lines_are_counted_in_two_spans_of_time() -> None:
    hosts = Hosts({"now": HostAnswer(count=2, lines=90), "before": HostAnswer(count=30, lines=700)})
    settings = {"unit": "pos.service", "pattern": "ERROR", "times": 2.0, "baseline": "12h"}
    scope = wave(1)
    assert _ask("logs", settings, scope, hosts).outcome is Outcome.PASS
    now, before = hosts.asked
    assert (now.since, now.until) == (scope.since, scope.now)
    assert (before.since, before.until) == (scope.began - timedelta(hours=12), scope.began)
    assert now.kind is LookKind.JOURNAL
    hosts.answers = {**hosts.answers, "now": HostAnswer(count=20, lines=90)}
    assert _ask("logs", settings, scope, hosts).outcome is Outcome.FAIL
    hosts.answers = {**hosts.answers, "now": HostAnswer(problem="no journal")}
    assert _ask("logs", settings, scope, hosts).outcome is Outcome.HOLD
    files = {**settings, "unit": None, "files": ["/var/log/pos/*.log"]}
    _ask("logs", files, scope, hosts)
    assert hosts.asked[-1].kind is LookKind.FILES
    assert _ask("logs", settings, scope).outcome is Outcome.HOLD


class LogServer(LoopbackService[dict[str, Any]]):
    """The site's own log server: so many errors per host, whatever the time."""

    def handle(self, request: Request) -> Answer:
        hosts: Any = request.data["hosts"]
        return Answer(body={"hosts": {host: dict(self.state) for host in hosts}})


def test_a_log_server_counts_as_well() -> None:
    with LogServer({"errors": 6, "lines": 900}) as server:
        settings = {"url": server.url, "token": "env:T", "pattern": "ERROR", "max_per_hour": 4}
        assert _ask("logs", settings, wave(1)).outcome is Outcome.PASS
        sent = server.requests[0]
        assert sent.headers["authorization"] == "Bearer tok"
        assert sent.data["since"] == wave(1).since.isoformat()
        server.state["errors"] = 13
        assert _ask("logs", settings, wave(1)).outcome is Outcome.FAIL
        server.state["errors"] = "many"
        assert _ask("logs", settings, wave(1)).outcome is Outcome.HOLD
        server.suffer(Mishap.PAGE)
        assert _ask("logs", settings, wave(1)).outcome is Outcome.HOLD


def test_trade_is_counted_by_the_stores_own_databases() -> None:
    sql = {
        "sql": "select count(*) from sales where at > '$since'", "database": "pos",
        "hosts": ["server.*"], "user": "postgres",
    }  # fmt: skip
    settings = {"transactions": 200, "open": "2h", "sql": sql}
    hosts = Hosts({"transactions": HostAnswer(ok=True, text=" 70\n")})
    scope = wave(3)
    assert _ask("volume", settings, scope, hosts).outcome is Outcome.PASS
    assert scope.since.isoformat() in hosts.asked[0].argv[-1]
    hosts.answers = {"transactions": HostAnswer(ok=True, text="60")}
    assert _ask("volume", settings, scope, hosts).outcome is Outcome.HOLD
    for broken in (HostAnswer(ok=True, text="70\n71"), HostAnswer(ok=False, text="status 2: no")):
        hosts.answers = {"transactions": broken}
        assert _ask("volume", settings, scope, hosts).outcome is Outcome.HOLD
    nobody = {**settings, "sql": {**sql, "hosts": ["db.*"]}}
    verdict = _ask("volume", nobody, scope, hosts)
    assert verdict.outcome is Outcome.HOLD
    assert "no verified host fits" in verdict.reason


class Counter(LoopbackService[dict[str, Any]]):
    """Says how much was sold."""

    def handle(self, request: Request) -> Answer:
        return Answer(body=dict(self.state))


def test_or_by_a_server_of_the_site() -> None:
    with Counter({"transactions": 250}) as server:
        settings = {"transactions": 200, "http": {"url": f"{server.url}/trade"}}
        assert _ask("volume", settings, wave(3)).outcome is Outcome.PASS
        assert server.requests[0].path == "/trade"
        assert server.requests[0].data["stores"] == list(wave(3).stores)
        server.state["transactions"] = 12
        assert _ask("volume", settings, wave(3)).outcome is Outcome.HOLD


def test_an_approval_is_looked_up_in_the_rollouts_orders() -> None:
    order = OrderSeen(order="promote", by="li.na", at=NOW)
    scope = wave(2, orders=(order,))
    assert _ask("approval", {"people": ["li.na"]}, scope).outcome is Outcome.PASS
    assert _ask("approval", {"roles": ["ops"]}, scope).outcome is Outcome.HOLD
    roles = {"roles_of": lambda person: ("ops",) if person == "li.na" else ()}
    assert _ask("approval", {"roles": ["ops"]}, scope, **roles).outcome is Outcome.PASS
    assert _ask("approval", {"people": ["li.na"]}, wave(2)).outcome is Outcome.HOLD
