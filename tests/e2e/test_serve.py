# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden serve` and `storewarden outbox`, as operators and systemd meet them."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.serve_site import Service, gone, open_change, say, until
from tests.servers.desk import Desk, section

pytestmark = pytest.mark.slow

_FAST = {"retry_first_seconds": 0.05, "retry_longest_seconds": 0.5}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A site without tickets or channels."""
    service = Service(tmp_path)
    service.settings()
    yield service
    service.kill()


def test_one_controller_that_answers_and_stops_cleanly(service: Service) -> None:
    """Ready line, health, one line for a second one, a clean end on TERM."""
    service.start("--json")
    told = httpx.get(f"{service.url}/healthz", timeout=60).json()
    assert (told["status"], told["problems"]) == ("fine", [])
    assert httpx.get(f"{service.url}/metrics", timeout=60).status_code == 200

    second = service.run("serve", "--listen", "127.0.0.1:0")
    assert second.returncode == 3
    assert f"another controller runs already (pid {service.pid})" in second.stderr
    assert len(second.stderr.splitlines()) == 1

    pid = service.pid
    assert service.end(signal.SIGTERM) == 0
    assert gone(pid)
    assert [event["event"] for event in service.events()][-1] == "engine stopped"


def test_ctrl_c_is_a_clean_end_too(service: Service) -> None:
    service.start()
    assert service.end(signal.SIGINT) == 0


def test_a_ticket_system_that_never_answers_keeps_no_controller(service: Service) -> None:
    """It would have ten minutes for its answer; TERM ends the controller cleanly long before."""
    with service.site() as site:
        open_change(site, "one")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(120)
        tickets = {**section(silent.getsockname()[1]), "timeout_seconds": 600}
        service.settings(tickets=tickets)
        service.start("--json")
        with silent.accept()[0]:  # it has asked, and waits
            assert service.end(signal.SIGTERM) == 0
    assert [event["event"] for event in service.events()][-1] == "engine stopped"


def test_a_taken_port_is_one_clear_line(service: Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = service.run("serve", "--listen", f"127.0.0.1:{port}")
    assert done.returncode == 5
    assert done.stderr.splitlines() == [
        f"storewarden: 127.0.0.1:{port}: cannot listen: Address already in use"
        " (controller.listen or --listen)"
    ]


@pytest.mark.parametrize("listen", ["8787", "host:1", "127.0.0.1:99999", "999.0.0.1:1"])
def test_an_address_that_is_none_is_refused(service: Service, listen: str) -> None:
    done = service.run("serve", "--listen", listen)
    assert done.returncode == 2
    assert "must be ADDRESS:PORT" in done.stderr


def test_systemd_is_told(service: Service, tmp_path: Path) -> None:
    """READY when it listens, a sign of life, STOPPING."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.settimeout(300)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
        service.start(environment=environment)
        first = line.recv(1000).decode()
        assert first.splitlines()[0] == "READY=1"
        assert f"MAINPID={service.pid}" in first
        assert line.recv(1000) == b"WATCHDOG=1"
        assert service.end(signal.SIGTERM) == 0
        assert until(lambda: line.recv(1000) == b"STOPPING=1")


def test_the_outbox_shows_and_releases_what_is_stuck(tmp_path: Path) -> None:
    """A parked delivery, seen at a shell and let go after the reason is gone."""
    desk, service = Desk(tmp_path / "desk.jsonl"), Service(tmp_path)
    desk.start()
    try:
        service.settings(tickets=section(desk.port), controller=_FAST)
        assert service.run("outbox", "list").returncode == 2
        service.start()
        with service.site() as site:
            number = open_change(site, "one")
            say(site, number, "two")
            box = site.outbox
            assert until(lambda: box.deliveries("ticket:http")[0].through > 0)
            assert until(lambda: not box.due("ticket:http", site.clock.now()))
            desk.kill()
            say(site, number, "three")
            assert until(lambda: box.deliveries("ticket:http")[0].attempts > 0)
            box.failed(box.deliveries("ticket:http")[0], "no such field", None)

            listed = service.run("outbox", "list")
            assert listed.returncode == 1
            assert "parked" in listed.stdout
            assert "no such field" in listed.stdout
            desk.start()
            released = service.run("outbox", "retry", "ticket:http", number)
            assert (released.returncode, released.stdout) == (0, "1 released\n")
            assert until(lambda: any("three" in text for text in desk.notes()[number]))
            assert until(lambda: service.run("outbox", "list", "--waiting").returncode == 0)
        told = json.loads(service.run("outbox", "list", "--json").stdout)
        assert {each["state"] for each in told} == {"arrived"}
        again = service.run("outbox", "retry", "ticket:http", number)
        assert (again.returncode, "is not parked" in again.stderr) == (2, True)
    finally:
        service.kill()
        desk.kill()


def test_without_a_controller_the_outbox_says_so(service: Service) -> None:
    with service.site() as site:
        site.outbox.subscribe("ticket:http")
    done = service.run("outbox", "retry", "ticket:http")
    assert done.returncode == 0
    assert "no controller runs here: it goes out when storewarden serve is started" in done.stderr
    unknown = service.run("outbox", "retry", "ticket:other")
    assert "known: ticket:http" in unknown.stderr


def test_two_state_directories_over_one_ledger_have_one_controller(
    service: Service, tmp_path: Path
) -> None:
    """Both would deliver the same entries."""
    second = Service(tmp_path / "other")
    second.folder.mkdir()
    second.settings(ledger=str(tmp_path / "state" / "ledger.sqlite"))
    service.start()
    refused = second.run("serve", "--listen", "127.0.0.1:0")
    assert refused.returncode == 3
    (line,) = refused.stderr.splitlines()
    assert f"(pid {service.pid})" in line
    assert "one controller per ledger" in line
