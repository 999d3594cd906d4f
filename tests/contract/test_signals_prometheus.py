# SPDX-License-Identifier: GPL-3.0-or-later
"""The prometheus gate against a real Prometheus: healthy, empty, old, slow, lying, away."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from storewarden.adapters.signals import SiteGates
from storewarden.domain.gates.verdict import Outcome, Verdict
from storewarden.domain.rollout.spec import GateSpec
from storewarden.ports.signals import Reach, WaveScope
from storewarden.testing.gateway import Answered, Gateway, Passed
from storewarden.testing.secrets import MemorySecrets
from tests.contract.mail_server import write_certificates
from tests.servers.prometheus import Exporter, Programs, Prometheus, programs, prometheus
from tests.unit.gates.scene import store_names, wave

pytestmark = pytest.mark.slow

MINE, OTHERS = store_names(6), store_names(12, first=900)
TOKEN = "prometheus-token-0123456789"
WEEK = timedelta(days=7)
_SALES = 'sum by (store) (sales{store=~"$stores"})'
_FELL = 'sum by (store) (sales_fell{store=~"$stores"})'


@dataclass(frozen=True, slots=True)
class Shop:
    """A server with three weeks behind it and a shop that is open."""

    server: Prometheus
    now: datetime


def _usual(store: str) -> float:
    """Stores of different size."""
    return 50.0 + 37 * (int(store) % 13)


def _page(now: datetime) -> str:
    lines = ['build{store=""} 1']
    for n, store in enumerate((*MINE, *OTHERS)):
        usual = _usual(store) * (1 + (n % 5 - 2) / 200)
        fell = usual * 0.7 if store in MINE else usual
        lines += [f'sales{{store="{store}"}} {usual}', f'sales_fell{{store="{store}"}} {fell}']
        lines += [f'errors{{store="{store}",till="{till}"}} 1' for till in (1, 2)]
        value = "NaN" if store == MINE[1] else "1"
        lines += [f'broken{{store="{store}"}} {value}']
        before = int((now - timedelta(minutes=4)).timestamp() * 1000)
        lines += [f'old_sales{{store="{store}"}} 1 {before}']
    return "\n".join(lines) + "\n"


def _history(now: datetime) -> str:
    """The same hour of three weeks; each week a little different."""
    lines = []
    for name in ("sales", "sales_fell"):
        lines.append(f"# TYPE {name} gauge")
        for store in (*MINE, *OTHERS):
            for week in (3, 2, 1):
                value = _usual(store) * (1 + (week - 2) / 100)
                for minute in range(-190, 21, 2):
                    at = now - week * WEEK + timedelta(minutes=minute)
                    lines.append(f'{name}{{store="{store}"}} {value} {at.timestamp():.3f}')
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture(scope="module")
def unpacked() -> Programs:
    found = programs()
    if found is None:
        pytest.skip("Prometheus is neither installed nor to be had from apt here")
    return found


@pytest.fixture(scope="module")
def shop(unpacked: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("prometheus")
    began = datetime.now(UTC)
    with (
        Exporter(_page(began)) as exporter,
        prometheus(unpacked, folder, exporter, _history(began)) as server,
    ):
        server.until("count(old_sales)", bool)
        yield Shop(server, datetime.now(UTC))


@pytest.fixture
def scope() -> WaveScope:
    """Looked at as the tests run: samples must not get old while others are looked at."""
    now = datetime.now(UTC)
    made = wave(len(MINE), others=len(OTHERS))
    began, since = now - timedelta(hours=4), now - timedelta(hours=3)
    return replace(made, now=now, began=began, since=since)


def _ask(url: str, scope: WaveScope, folder: Path = Path(), **settings: Any) -> Verdict:
    """The gate's own verdict, coverage left out."""
    values = {"url": url, "query": _SALES, "freshness": 'sales{store=~"$stores"}', **settings}
    if not settings.keys() & {"max", "min", "compare"}:
        values["max"] = 1e6
    reach = Reach(secrets=MemorySecrets({"env:PROM": TOKEN}), folder=folder)
    spec = GateSpec(kind="prometheus", name="sales", settings=values)
    SiteGates(reach=reach).check([spec])
    coverage, verdict = SiteGates(reach=reach).ask([spec], scope)
    assert coverage.gate == "coverage"
    assert TOKEN not in repr(verdict)
    return verdict


def test_values_of_the_waves_stores_are_held_against_a_limit(shop: Shop, scope: WaveScope) -> None:
    assert _ask(shop.server.url, scope, max=1000).outcome is Outcome.PASS
    verdict = _ask(shop.server.url, scope, max=100)
    assert verdict.outcome is Outcome.FAIL
    assert "stores bad" in verdict.reason


def test_only_the_waves_own_stores_are_asked_about(shop: Shop, scope: WaveScope) -> None:
    """A dot in a store's name is a dot, not any character."""
    verdict = _ask(shop.server.url, replace(scope, stores=("0001.1", 'a"b\\', "x|y")))
    assert verdict.outcome is Outcome.HOLD
    assert "no data of 0001.1" in verdict.reason


def test_a_fall_is_found_beside_others_and_beside_themselves(shop: Shop, scope: WaveScope) -> None:
    both = {"compare": ["rest", "itself"], "worse": "down", "weeks": 3}
    healthy = _ask(shop.server.url, scope, **both)
    assert healthy.outcome is Outcome.PASS
    compared: Any = healthy.evidence["compared"]
    assert compared["rest"]["stores"] == compared["itself"]["stores"] == len(MINE)
    assert compared["rest"]["compared_with"] == len(OTHERS)
    ill = _ask(shop.server.url, scope, **both, query=_FELL)
    assert ill.outcome is Outcome.FAIL
    assert "worse than the other stores" in ill.reason


def test_points_of_a_range_become_one_value_per_store(shop: Shop, scope: WaveScope) -> None:
    for reduce in ("median", "mean", "max", "min", "last"):
        verdict = _ask(shop.server.url, scope, step="15s", reduce=reduce, max=1000)
        assert verdict.outcome is Outcome.PASS
        assert len(verdict.evidence["values"]) == len(MINE)  # type: ignore[arg-type]
    weeks = {"compare": ["itself"], "worse": "down", "weeks": 3, "step": "60s"}
    assert _ask(shop.server.url, scope, **weeks, query=_FELL).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    "query", ["sum(sales)", "scalar(sum(sales))", 'sum(sales{store=~"$stores"}) > 0']
)
def test_one_value_for_the_whole_wave(shop: Shop, scope: WaveScope, query: str) -> None:
    whole = {"label": "", "query": query, "freshness": "sales"}
    assert _ask(shop.server.url, scope, **whole, max=1e6).outcome is Outcome.PASS
    assert _ask(shop.server.url, scope, **whole, max=1).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"query": "sum by (store) (nothing)"}, "no data of 000101"),
        ({"freshness": "nothing"}, "the newest sample is older than"),
        ({"freshness": "old_sales", "stale_after": "2m"}, "older than 0:02:00"),
        ({"query": "sum by (store) (broken)"}, "no data of 000102"),
        ({"query": "errors"}, "more than one series for 000101"),
        ({"query": "build"}, "a series has no label store"),
        ({"query": "sales{"}, "answered 400"),
        ({"query": "sales[5m]"}, "answered no vector"),
        ({"query": "'text'"}, "answered no vector"),
        ({"compare": ["rest"], "worse": "down", "query": _SALES + " and on() (vector(1) > 2)"},
         "no data of"),
    ],
)  # fmt: skip
def test_what_is_no_evidence_holds(
    shop: Shop, scope: WaveScope, settings: dict[str, Any], said: str
) -> None:
    verdict = _ask(shop.server.url, scope, **settings)
    assert verdict.outcome is Outcome.HOLD
    assert said in verdict.reason


def test_an_hour_that_is_over_is_old_although_the_query_still_answers(
    shop: Shop, scope: WaveScope
) -> None:
    """rate() over an hour goes on long after a store's last word; the selector tells."""
    query = "sum by (store) (count_over_time(sales[1h]))"
    later = replace(scope, now=shop.now + timedelta(minutes=30))
    verdict = _ask(shop.server.url, later, query=query)
    assert verdict.evidence["stale"] == list(MINE)
    assert verdict.outcome is Outcome.HOLD


def _slow(gateway: Gateway) -> Any:
    def fault(passed: Passed, _n: int) -> Answered | None:
        time.sleep(2)
        return gateway.forward(passed)

    return gateway.suffering(fault)


_PAGE = {"Content-Type": "text/html"}
_JSON = {"Content-Type": "application/json"}
_TROUBLES: dict[str, tuple[Any, str]] = {
    "away": (lambda g: g.down(), "not reached"),
    "slow": (_slow, "did not answer within 0.5 s"),
    "a login page": (lambda g: g.answering(200, b"<html>Sign in</html>", _PAGE), "text/html"),
    "JSON that says text": (lambda g: g.answering(200, b'{"a":1}', {}), "without a content type"),
    "no JSON": (lambda g: g.answering(200, b"{", _JSON), "no JSON object"),
    "a list": (lambda g: g.answering(200, b"[]", _JSON), "no JSON object"),
    "no token": (lambda g: g.answering(401, b"Unauthorized"), "answered 401: Unauthorized"),
    "not allowed": (lambda g: g.answering(403, b"no"), "answered 403"),
    "broken": (lambda g: g.answering(503, b"later"), "answered 503"),
    "a redirect": (lambda g: g.answering(302, b"", {"Location": "http://x"}), "answered 302"),
    "an error with 200": (
        lambda g: g.answering(200, b'{"status":"error","error":"x"}', _JSON), "without a result"),
    "half the truth": (
        lambda g: g.answering(
            200, b'{"status":"success","warnings":["partial"],"data":{"resultType":"vector",'
            b'"result":[]}}', _JSON), "warned"),
    "samples of text": (
        lambda g: g.answering(
            200, b'{"status":"success","data":{"resultType":"vector","result":'
            b'[{"metric":{"store":"000101"},"value":[1,"many"]}]}}', _JSON), "no number"),
    "no samples": (
        lambda g: g.answering(
            200, b'{"status":"success","data":{"resultType":"vector","result":[7]}}', _JSON),
        "something else"),
}  # fmt: skip


@pytest.mark.parametrize("trouble", _TROUBLES)
def test_every_trouble_on_the_way_holds(shop: Shop, scope: WaveScope, trouble: str) -> None:
    disturb, said = _TROUBLES[trouble]
    with Gateway(shop.server.url) as gateway:
        calm = _ask(gateway.url, scope, timeout="60s")
        with disturb(gateway):
            verdict = _ask(gateway.url, scope, timeout="0.5s" if trouble == "slow" else "60s")
    assert calm.outcome is Outcome.PASS
    assert verdict.outcome is Outcome.HOLD
    assert said in verdict.reason
    assert "无法取得证据" in verdict.reason_zh


@contextmanager
def _dripping() -> Iterator[str]:
    """An answer that begins and never ends: no wait for a packet is ever too long."""
    stop = threading.Event()

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{")
            while not stop.wait(0.1):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()


def test_an_answer_that_never_ends_holds(scope: WaveScope) -> None:
    with _dripping() as url:
        verdict = _ask(url, scope, timeout="0.5s")
    assert verdict.outcome is Outcome.HOLD
    assert "did not answer within 0.5 s" in verdict.reason


def test_the_token_travels_in_the_header_and_shows_nowhere(shop: Shop, scope: WaveScope) -> None:
    seen: list[str] = []
    with Gateway(shop.server.url) as gateway:

        def fault(passed: Passed, _n: int) -> Answered | None:
            seen.append(passed.headers["Authorization"])
            return Answered(status=401, body=f"bad token {TOKEN}".encode())

        with gateway.suffering(fault):
            verdict = _ask(gateway.url, scope, token="env:PROM")
    assert seen[0] == f"Bearer {TOKEN}"
    assert "bad token ***" in verdict.reason


def test_a_token_that_cannot_be_read_holds(shop: Shop, scope: WaveScope) -> None:
    verdict = _ask(shop.server.url, scope, token="env:OTHER")
    assert verdict.outcome is Outcome.HOLD
    assert "leads to no secret" in verdict.reason


def test_certificates_are_checked(unpacked: Programs, scope: WaveScope, tmp_path: Path) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    write_certificates(folder)
    (folder / "web.yml").write_text(
        "tls_server_config: {cert_file: server.pem, key_file: server.pem}\n"
    )
    page = "".join(f'sales{{store="{store}"}} 1\n' for store in MINE)
    with (
        Exporter(page) as exporter,
        prometheus(unpacked, folder, exporter, web="web.yml") as server,
    ):
        assert server.url.startswith("https://")
        stranger = _ask(server.url, scope)
        deadline = time.monotonic() + 300
        while exporter.asked < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        fresh = replace(scope, now=datetime.now(UTC))
        known = _ask(server.url, fresh, folder=folder, ca_file="ca.pem", max=2)
        missing = _ask(server.url, fresh, folder=folder, ca_file="other.pem")
    assert stranger.outcome is Outcome.HOLD
    assert "certificate" in stranger.reason.lower()
    assert known.outcome is Outcome.PASS
    assert missing.outcome is Outcome.HOLD
    assert "no readable file of certificate authorities" in missing.reason


def test_transactions_are_counted_by_a_query(shop: Shop, scope: WaveScope) -> None:
    def ask(query: str, least: float) -> Verdict:
        source = {"url": shop.server.url, "query": query}
        spec = GateSpec(
            kind="volume", name="trade", settings={"transactions": least, "prometheus": source}
        )
        return SiteGates(reach=Reach(secrets=MemorySecrets())).ask([spec], scope)[1]

    total = sum(_usual(store) for store in MINE)
    assert ask('sales{store=~"$stores"}', total * 0.9).outcome is Outcome.PASS
    assert ask('sales{store=~"$stores"}', total * 1.1).outcome is Outcome.HOLD
    assert ask("nothing", 1).outcome is Outcome.HOLD
    assert ask("broken", 1).outcome is Outcome.HOLD
    assert ask("sum(", 1).outcome is Outcome.HOLD
