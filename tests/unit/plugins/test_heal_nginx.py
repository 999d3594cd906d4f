# SPDX-License-Identifier: GPL-3.0-or-later
"""The action nginx: servers of a dump, lines of the site's files, and who answers."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import HealError
from ansible_collections.storewarden.ops.plugins.module_utils.heal.nginx import ACTION, OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.heal.nginx_backend import seen
from ansible_collections.storewarden.ops.plugins.module_utils.heal.systemd_units import unit_facts
from ansible_collections.storewarden.ops.plugins.module_utils.heal.upstream_servers import (
    MARK,
    answers,
    lines_in,
    place_of,
    put_back,
    servers_in,
    taken_out,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from tests.unit.plugins.heal_bench import FAILED, HealBench, record

PATIENCE = 60.0
DUMP = """# configuration file /etc/nginx/nginx.conf:
http { upstream shop { include /etc/nginx/shop.conf; keepalive 4; }
  server { listen 80; server_name shop; location / { proxy_pass http://shop; } } }
stream { upstream printer { server 10.0.0.9:9100 backup; } }
# configuration file /etc/nginx/shop.conf:
server 10.0.0.7:8080 weight=2; # the old one
server unix:/run/pos.sock down;
"""
FILE = """# servers of the shop
server 10.0.0.7:8080 weight=2; # the old one
\tserver  10.0.0.8:8080;
server 10.0.0.77:8080 down;
#server 10.0.0.7:8080;
"""


def test_servers_of_all_upstreams_and_no_virtual_servers() -> None:
    found = [(one["upstream"], one["address"], one["down"]) for one in servers_in(DUMP)]
    assert found == [
        ("shop", "10.0.0.7:8080", False),
        ("shop", "unix:/run/pos.sock", True),
        ("printer", "10.0.0.9:9100", False),
    ]
    assert servers_in(DUMP)[2]["backup"]


def test_what_is_reached_over_udp_is_not_asked_by_a_connection() -> None:
    dump = """# configuration file /etc/nginx/nginx.conf:
    http { upstream logs { server 10.0.0.5:80; } }
    stream { upstream logs { server 10.0.0.9:514; } upstream dns { server 10.0.0.9:53; }
      server { listen 514 udp reuseport; proxy_pass logs; } server { listen 53; proxy_pass dns; } }
    """
    assert [one["address"] for one in servers_in(dump)] == ["10.0.0.5:80", "10.0.0.9:53"]


_DIRECT = """# configuration file /etc/nginx/nginx.conf:
http { upstream Shop { server 10.0.0.7:80; }
  server { listen 80; location / { proxy_pass http://shop; }
    location /pos/ { proxy_pass http://127.0.0.1:8081/; limit_except GET { deny all; } }
    location /till { if ($arg_x) { proxy_pass http://127.0.0.1:8081; } }
    location /all { proxy_pass http://127.0.0.1:8082$request_uri; }
    location /old { proxy_pass HTTP://pos.example.com/x?y=1; }
    location /six { proxy_pass http://[2001:db8::1]; }
    location /pay { proxy_pass https://10.0.0.9/; }
    location /file { proxy_pass http://unix:/run/pos.sock:/uri/; }
    location /any { proxy_pass http://$wanted:8083/; }
    location /some { proxy_pass http://127.0.0.1:$port/; }
    location /none { fastcgi_pass 127.0.0.1:9000; } } }
stream { upstream printer { server 10.0.0.9:9100; }
  server { listen 1; proxy_pass printer; } server { listen 2; proxy_pass 10.0.0.9:9101; }
  server { listen 3 udp; proxy_pass 10.0.0.9:514; } server { listen 4; proxy_pass $name; } }
"""


def test_a_server_that_a_proxy_pass_names_itself_is_one_too() -> None:
    """Whatever it is called by: only a variable is known to nobody before a request."""
    found = [one for one in servers_in(_DIRECT) if one["direct"]]
    assert [one["address"] for one in found] == [
        "127.0.0.1:8081", "127.0.0.1:8082", "pos.example.com:80", "[2001:db8::1]:80",
        "10.0.0.9:443", "unix:/run/pos.sock", "10.0.0.9:9101",
    ]  # fmt: skip
    assert [one["address"] for one in found if one["tls"]] == ["10.0.0.9:443"]
    assert all(one["upstream"] == one["address"] for one in found)
    declared = [one["address"] for one in servers_in(_DIRECT) if not one["direct"]]
    assert declared == ["10.0.0.7:80", "10.0.0.9:9100"]


@pytest.mark.parametrize("address", ["10.0.0.7:8080", "10.0.0.8:8080"])
def test_what_is_taken_out_is_put_back_sign_by_sign(address: str) -> None:
    out = taken_out(FILE, address)
    changed = [
        new for old, new in zip(FILE.split("\n"), out.split("\n"), strict=True) if old != new
    ]
    assert len(changed) == 1
    assert " down;" in changed[0]
    assert changed[0].endswith(MARK)
    assert lines_in(out)[address] == "out"
    assert put_back(out, address) == FILE
    assert taken_out(out, address) == out


def test_what_people_took_out_is_theirs() -> None:
    assert lines_in(FILE) == {
        "10.0.0.7:8080": "in", "10.0.0.8:8080": "in", "10.0.0.77:8080": "down",
    }  # fmt: skip
    assert put_back(FILE, "10.0.0.77:8080") == FILE
    assert taken_out(FILE, "10.0.0.77:8080") == FILE
    assert taken_out(FILE, "10.0.0.9:8080") == FILE


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("10.0.0.7:8080", ("10.0.0.7", 8080)),
        ("10.0.0.7", ("10.0.0.7", 80)),
        ("[2001:db8::1]:81", ("2001:db8::1", 81)),
        ("pos.example.com", ("pos.example.com", 80)),
    ],
)
def test_where_a_server_is(address: str, place: tuple[str, int]) -> None:
    assert place_of(address) == place


class _Shop(http.server.BaseHTTPRequestHandler):
    """/health is well, /broken is not, and everything else is unknown."""

    def do_GET(self) -> None:
        self.send_response({"/health": 200, "/broken": 503}.get(self.path, 404))
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Nothing on the test's output."""


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Shop) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "well"), [("", True), ("/health", True), ("/unknown", True), ("/broken", False)]
)
def test_an_answer_below_500_is_one(shop: str, path: str, well: bool) -> None:
    assert answers(Host(), shop, path, PATIENCE, 2) is well


def test_nobody_answers(tmp_path: Path, shop: str) -> None:
    assert not answers(Host(str(tmp_path)), "unix:/run/gone.sock", "", PATIENCE)
    assert not answers(Host(), "no-such-name.invalid:80", "", PATIENCE)


# -- units behind it -----------------------------------------------------------------------------

POS, AT = "pos.service", "127.0.0.1:1"  # nobody listens there
SERVER = {"upstream": "pos", "address": AT, "down": False, "backup": False}


def _options(**more: Any) -> dict[str, Any]:
    plain = {name: spec.get("default") for name, spec in OPTIONS.items()}
    return {**plain, "units": {AT: "pos"}, "seconds": PATIENCE, "rounds": 1, **more}


def _plan(bench: HealBench, asked: dict[str, Any]) -> Any:
    """The judgement over a host whose nginx runs, with this one server."""
    bench.unit("nginx.service")
    nginx = unit_facts(bench.host, "nginx.service", 10.0)
    servers = seen(bench.host, [SERVER], asked)
    return ACTION.diagnose({"nginx": nginx, "servers": servers, "files": {}}, asked)


@pytest.mark.slow
def test_a_slow_backend_is_not_restarted_in_the_middle_of_a_sale(tmp_path: Path) -> None:
    bench = HealBench(tmp_path)
    bench.unit(POS)
    assert "nobody has said how to see whether it is in use" in _plan(bench, _options()).reason
    sale = tmp_path / "sale"
    sale.touch()
    asked = _options(busy_checks={"pos": ["test", "!", "-e", str(sale)]})
    assert "it may be in use" in _plan(bench, asked).reason
    sale.unlink()
    found = _plan(bench, asked)
    assert (found.state, found.plan["operation"]) == ("needed", "service-restart")
    # A sale has begun since: it is asked again right before.
    sale.touch()
    with pytest.raises(HealError, match="it may be in use"):
        ACTION.act(bench.host, found, asked)
    assert bench.done() == []


@pytest.mark.slow
def test_one_that_runs_by_now_is_no_longer_what_was_allowed(tmp_path: Path) -> None:
    """To start what is down is allowed at any hour; to restart what is up was never asked."""
    bench = HealBench(tmp_path)
    bench.unit(POS, **FAILED)
    asked = _options(busy_checks={"pos": ["true"]})
    found = _plan(bench, asked)
    assert found.plan["operation"] == "service-recovery"
    bench.unit(POS)
    with pytest.raises(HealError, match=r"pos\.service runs"):
        ACTION.act(bench.host, found, asked)
    assert bench.done() == []


@pytest.mark.slow
def test_one_that_a_person_stopped_since_stays_stopped(tmp_path: Path) -> None:
    bench = HealBench(tmp_path)
    bench.unit(POS, **FAILED)
    found = _plan(bench, _options())
    assert (found.state, found.plan["operation"]) == ("needed", "service-recovery")
    bench.journal(record("stopped", 1.0, JOB_TYPE="stop"))
    with pytest.raises(HealError, match="stopped on purpose"):
        ACTION.act(bench.host, found, _options())
    bench.journal(record("started", 1.0))
    bench.unit(POS, after=True)
    assert [one.en for one in ACTION.act(bench.host, found, _options())] == [f"restarted {POS}"]
