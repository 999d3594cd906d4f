# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden audit` over hosts and network devices: devices are judged and never contacted."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.audit_cli import LOCAL, Done, Place

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).resolve().parents[1] / "network_configs"
SETTINGS = "inventory: [hosts.yml]\naudit: {fail_under: 0}\n"
FEW = ("--controls", "A01,K*")
KS = [f"K0{number}" for number in range(1, 10)]


@pytest.fixture
def tripwire() -> Iterator[tuple[int, list[object]]]:
    """A port that notes whoever connects, in place of every device's SSH."""
    callers: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def note() -> None:
            try:
                while True:
                    line, who = listener.accept()
                    callers.append(who)
                    line.close()
            except OSError:
                return

        thread = threading.Thread(target=note, daemon=True)
        thread.start()
        yield listener.getsockname()[1], callers
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.fixture
def place(tmp_path: Path, tripwire: tuple[int, list[object]]) -> Place:
    """A store server (this machine) with five devices, all at the tripwire's address."""
    made = Place(tmp_path)
    made.settings(SETTINGS)
    for path in CONFIGS.glob("*.cfg"):
        made.write(f"backup/{path.name}", path.read_text())
    cut = (CONFIGS / "ios-switch-good.cfg").read_text()[:1500]
    made.write("backup/ios-switch-cut.cfg", cut)
    stale = made.write("backup/ios-switch-stale.cfg", (CONFIGS / "ios-switch-good.cfg").read_text())
    os.utime(stale, (1_700_000_000, 1_700_000_000))
    device = f"ansible_host: 127.0.0.1, ansible_port: {tripwire[0]}, "
    device += 'baseline_network_config: "{{ inventory_dir }}/backup/{{ saved }}.cfg"'
    nets = 'baseline_network_management_sources: [10.20.0.0/24, "2001:db8:20::/48"]'
    cli = "ansible_network_os: cisco.ios.ios, ansible_connection: ansible.netcommon.network_cli"
    made.inventory(
        **{
            "server": LOCAL,
            "good-ios": f"{device}, saved: ios-switch-good, {cli}, {nets}",
            "good-vrp": f"{device}, saved: vrp-switch-good, sw_role: switch, {nets}",
            "bad-vrp": f"{device}, saved: vrp-switch-bad, baseline_network_os: vrp, {nets}",
            "cut": f"{device}, saved: ios-switch-cut, sw_role: switch",
            "stale": f"{device}, saved: ios-switch-stale, sw_role: switch",
            "never-saved": "ansible_host: 127.0.0.1, sw_role: router",
        }
    )
    return made


def found(done: Done) -> dict[str, dict[str, Any]]:
    """Host -> control -> finding, from the JSON report."""
    hosts = json.loads(done.out)["hosts"]
    assert {host["state"] for host in hosts} == {"audited"}
    return {host["host"]: {one["control"]: one for one in host["findings"]} for host in hosts}


def verdicts(findings: dict[str, dict[str, Any]]) -> set[str]:
    return {findings[one]["verdict"] for one in KS}


def test_hosts_and_devices_in_one_audit(place: Place, tripwire: tuple[int, list[object]]) -> None:
    done = place.run("audit", *FEW, "--format", "json", "--quiet")
    assert (done.code, done.err) == (0, "")
    hosts = found(done)
    assert verdicts(hosts["good-ios"]) == verdicts(hosts["good-vrp"]) == {"pass"}
    assert verdicts(hosts["bad-vrp"]) == {"fail"}
    for name, why in (
        ("cut", "cut off"),
        ("stale", "older than 2 days (written 2023-11-14)"),
        ("never-saved", "set baseline_network_config"),
    ):
        assert verdicts(hosts[name]) == {"error"}
        assert why in hosts[name]["K01"]["reason"]["en"]
    assert verdicts(hosts["server"]) == {"na"}
    assert "not a network device" in hosts["server"]["K01"]["reason"]["en"]
    assert "network device" in hosts["good-ios"]["A01"]["reason"]["en"]
    assert tripwire[1] == []
    stored = re.compile(r"(?:secret|password|cipher|simple)(?: \d)? (\S*\d\S*)$", re.M)
    secrets = {word for path in CONFIGS.glob("*.cfg") for word in stored.findall(path.read_text())}
    assert [word for word in secrets if len(word) > 5 and word in done.out] == []


def test_a_changed_device_is_drift_and_a_new_copy_of_the_same_is_none(
    place: Place, tripwire: tuple[int, list[object]]
) -> None:
    only = ("--controls", "K*", "--limit", "good-vrp,good-ios", "--format", "json", "--quiet")
    assert place.run("audit", *only).code == 0
    copy, changed = (place.folder / f"backup/{name}-switch-good.cfg" for name in ("vrp", "ios"))
    copy.write_text("\n" + copy.read_text())
    changed.write_text(changed.read_text().replace("transport input ssh", "transport input all"))
    again = place.run("audit", *only, "--since", "last")
    assert again.code == 0, again.err
    drift = {(one["host"], one["control"]) for one in json.loads(again.out)["drift"]}
    assert drift == {("good-ios", "K01")}
    assert tripwire[1] == []
