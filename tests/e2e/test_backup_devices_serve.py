# SPDX-License-Identifier: GPL-3.0-or-later
"""Network devices under `storewarden serve`: read by themselves, copied elsewhere, covered."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.e2e.own_place import OwnPlace, other_disk
from tests.e2e.serve_site import Service, until
from tests.e2e.test_backup_devices_cli import _HOSTS, config
from tests.servers.backup_tools import search_path
from tests.servers.network_devices import PASSWORD, USER, Router, host_keys, routers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.full,
    # FakeNOS' threads complain of clients that leave early.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]

_SETTINGS = """
site: {{language: en}}
state_dir: state
inventory: [hosts.yml]
ssh: {{known_hosts: known_hosts}}
controller: {{listen: "127.0.0.1:0"}}
backup:
  policies: policies.yml
  locations:
    here: {{medium: disk, credentials: here}}
    away: {{kind: path, folder: {away}, mounted: false, medium: usb, credentials: away}}
  devices: {{user: {user}, password: "file:password"}}
"""
_POLICIES = """
policies:
  - id: network
    tier: core-network
    method: network
    select: {roles: [router]}
    window: "00:00-23:59"
    splay: 0h
    copies: [{location: here}, {location: away}]
"""


@pytest.fixture
def router() -> Iterator[Router]:
    one = Router(name="Router-A", config=lambda: config("10.0.0.1", "a-secret"))
    with routers(one):
        yield one


@pytest.fixture
def place(tmp_path: Path, router: Router) -> Iterator[OwnPlace]:
    tools = search_path(["rclone"])
    if tools is None:
        pytest.skip("rclone cannot be had here")
    copies = other_disk(tmp_path)
    (tmp_path / "known_hosts").write_text(host_keys(router))
    (tmp_path / "storewarden.yml").write_text(_SETTINGS.format(user=USER, away=copies / "second"))
    (tmp_path / "policies.yml").write_text(_POLICIES)
    (tmp_path / "hosts.yml").write_text(_HOSTS.format(port=router.port))
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "password").chmod(0o600)
    yield OwnPlace(tmp_path, path=tools, copies=copies)
    shutil.rmtree(copies)


def runs(place: OwnPlace, verb: str) -> list[dict[str, str]]:
    done = place.run("backup", "status", "--json")
    found = json.loads(done.out) if done.code == 0 else []
    return [each for each in found if each["verb"] == verb and each["end"]]


def test_the_controller_reads_a_router_and_copies_what_it_read(
    place: OwnPlace, router: Router
) -> None:
    before = place.told("backup", "coverage", "--host", "Router-A", code=1)
    assert [each["coverage"] for each in before["rows"]] == ["never"]
    service = Service(place.folder)
    service.start(environment={"PATH": place.environment()["PATH"]})
    try:
        assert until(lambda: bool(runs(place, "take")), timedelta(minutes=3)), service.log
        (taken,) = runs(place, "take")
        assert (taken["end"], taken["location"], taken["by"]) == ("done", "here", "")
        assert until(lambda: bool(runs(place, "copy")), timedelta(minutes=3)), service.log
    finally:
        assert service.end(signal.SIGTERM) == 0
    (copied,) = runs(place, "copy")
    assert (copied["end"], copied["location"]) == ("done", "away"), copied
    (kept,) = (place.copies / "second/Router-A/network").iterdir()
    assert taken["set"] == f"Router-A/network/{kept.name}"
    assert "hostname Router-A" in kept.read_text()
    again = place.told("backup", "devices")
    assert again[0]["came"] == "unchanged"
    after = place.told("backup", "coverage", "--host", "Router-A")
    assert [each["coverage"] for each in after["rows"]] == ["ok"]
    assert place.run("ledger", "verify").code == 0


def test_copies_are_made_by_hand_as_well(place: OwnPlace, router: Router) -> None:
    place.told("backup", "devices")
    (copied,) = place.told("backup", "copy", "Router-A")
    assert copied["end"] == "done", copied
    history = place.folder / "state/configurations"
    assert not list(history.glob(".copying-*"))


def test_copies_are_looked_at_by_hand_as_well(place: OwnPlace, router: Router) -> None:
    (taken,) = place.told("backup", "devices")
    nothing = place.run("backup", "verify", "Router-A")
    assert nothing.code == 3 and "nothing of it lies there" in nothing.err, nothing
    place.told("backup", "copy", "Router-A")
    (read,) = place.told("backup", "verify", "Router-A")
    assert (read["end"], read["location"]) == ("done", "away"), read
    shown = place.told("backup", "show", f"Router-A/network/{taken['file']}")
    assert {each["place"]: each["level"] for each in shown["copies"]} == {"here": 2, "away": 2}
    folder = place.copies / "second"
    folder.rename(place.copies / "moved")
    (lost,) = place.told("backup", "verify", "Router-A", code=4)
    assert lost["end"] == "failed", lost
    (row,) = place.told("backup", "coverage", "--host", "Router-A", code=1)["rows"]
    assert row["coverage"] == "unverified" and "copies in away are in doubt" in row["why"]
    (place.copies / "moved").rename(folder)
    place.told("backup", "verify", "Router-A")
    assert place.told("backup", "coverage", "--host", "Router-A")["gaps"] == 0
    deeper = place.run("backup", "verify", "Router-A", "--level", "3")
    assert deeper.code == 3 and "nothing can be started" in deeper.err, deeper
    assert place.run("ledger", "verify").code == 0
