# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden backup devices|history|diff` as a process, against a router that speaks SSH."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.audit_cli import Place
from tests.servers.network_devices import PASSWORD, USER, Router, host_keys, routers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]

_SETTINGS = """
site: {{language: en}}
state_dir: state
inventory: [hosts.yml]
ssh: {{known_hosts: known_hosts}}
backup:
  policies: policies.yml
  locations:
    here: {{medium: disk, credentials: here}}
    away: {{medium: disk, credentials: away}}
  devices: {{user: {user}, password: "file:password"}}
"""
_POLICIES = """
policies:
  - id: network
    tier: core-network
    method: network
    select: {roles: [router]}
    copies: [{location: here}, {location: away}]
"""
_HOSTS = """
all:
  hosts:
    Router-A:
      ansible_host: 127.0.0.1
      ansible_port: "{port}"
      ansible_user: netops
      ansible_network_os: cisco.ios.ios
      sw_role: router
    till: {{ansible_host: 127.0.0.1, sw_role: pos}}
"""


def config(address: str, community: str) -> str:
    return (
        "Building configuration...\n!\nversion 15.2\nhostname Router-A\n!\ninterface Gi0/1\n"
        f" ip address {address} 255.255.255.0\n!\nsnmp-server community {community} RO\n!\nend"
    )


def test_a_change_of_a_router_is_kept_and_shown_without_its_secrets(tmp_path: Path) -> None:
    texts = [config("10.0.0.1", "first-secret")]
    router = Router(name="Router-A", config=lambda: texts[-1])
    with routers(router):
        (tmp_path / "known_hosts").write_text(host_keys(router))
        (tmp_path / "storewarden.yml").write_text(_SETTINGS.format(user=USER))
        (tmp_path / "policies.yml").write_text(_POLICIES)
        (tmp_path / "hosts.yml").write_text(_HOSTS.format(port=router.port))
        (tmp_path / "password").write_text(PASSWORD)
        place = Place(tmp_path)
        open_to_all = place.run("backup", "devices")
        assert open_to_all.code == 2
        assert "open to every user" in open_to_all.err
        (tmp_path / "password").chmod(0o600)
        first = place.run("backup", "devices")
        assert first.code == 0, (first.err, first.out)
        assert (first.code, first.err) == (0, "Router-A: kept, the first one\n")
        texts.append(config("10.0.0.9", "second-secret"))
        second = place.run("backup", "devices", "--json")
        assert json.loads(second.out)[0]["came"] == "changed"
        texts.append("% Authorization failed.")
        third = place.run("backup", "devices")
        assert third.code == 4
        assert "refused" in third.out
        assert json.loads(second.out)[0]["file"] in third.out
    history = place.run("backup", "history", "Router-A")
    assert [line[-8:] for line in history.out.splitlines()] == ["v1.0.cfg", "v1.1.cfg"]
    told = place.run("backup", "diff", "Router-A")
    assert "- ip address 10.0.0.1 255.255.255.0" in told.out
    assert "+ ip address 10.0.0.9 255.255.255.0" in told.out
    assert "-snmp-server community *** RO" in told.out
    assert "second-secret" not in told.out
    assert place.run("backup", "devices", "--host", "till").code == 2
    journal = place.run("ledger", "verify")
    assert journal.code == 0
    for file in (tmp_path / "state").rglob("*"):
        if file.is_file():
            assert PASSWORD.encode() not in file.read_bytes(), file
