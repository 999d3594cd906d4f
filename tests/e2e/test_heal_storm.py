# SPDX-License-Identifier: GPL-3.0-or-later
"""Many tills broken at once are one cause: nothing is repaired, and people are called once.

Ten stores through a real Alertmanager; and, for ``make test-full``, thirty hosts that are really
broken, seen by a real Prometheus.
"""

from __future__ import annotations

import os
import subprocess
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storewarden.domain.healing.record import Occurrence, Stage
from tests.e2e.heal_site import SECRET, HealSite, lay_out
from tests.e2e.heal_watch import watch
from tests.e2e.serve_site import until
from tests.e2e.test_heal_watched import POS, UNIT
from tests.lab.fixtures import lab_command
from tests.lab.fleet import Lab, LabHost
from tests.lab.places import source_root
from tests.servers.alertmanager import alertmanager, program
from tests.servers.exporters import watched
from tests.servers.monitoring import exporter, sender_settings, tools

pytestmark = [pytest.mark.slow]

STORES = [f"s{number:06d}-pos01" for number in range(1, 11)]


def everybody_is_asked_once(heal: HealSite, hosts: list[str]) -> None:
    """All of them wait for one person's word, under one incident; nothing was touched."""
    found: dict[str, Occurrence] = {}

    def decided() -> bool:
        for each in heal.alerts():
            found[each.alert.labels["host"]] = each
        return set(found) == set(hosts) and all(
            each.stage is Stage.ASKING for each in found.values()
        )

    assert until(decided), heal.story()
    for each in found.values():
        assert each.decision is not None
        assert "storm" in {reason.guard for reason in each.decision.reasons}, each
    assert len({each.decision.incident for each in found.values() if each.decision}) == 1
    assert until(lambda: len(heal.site.ledger.incidents.incidents()) == 1), heal.story()
    (incident,) = heal.site.ledger.incidents.incidents()
    assert incident.name.startswith("storm:")
    assert heal.site.ledger.alerts.repairs() == ()


def test_ten_stores_through_a_real_alertmanager(tmp_path: Path) -> None:
    found = program()
    if found is None:
        pytest.skip("Alertmanager is neither installed nor to be had from apt here")
    folder = tmp_path / "site"
    where = {
        name: {"ansible_host": "192.0.2.1", "sw_store": name[1:7], "sw_region": "east",
               "sw_role": "pos", "sw_tier": "ordinary", "sw_tz": "Asia/Shanghai", "sw_ci": name}
        for name in STORES
    }  # fmt: skip
    with alertmanager(found, tmp_path / "sender", sender_settings()) as sender:
        auth = {"type": "bearer", "secrets": [f"file:{folder / 'hook'}"]}
        poll = {"url": sender.url, "receiver": "storewarden", "every_seconds": 10}
        service = lay_out(
            folder,
            (),
            where,
            sources={"shop": {"kind": "alertmanager", "auth": auth, "poll": poll}},
            policy={"hold_down": 2, "poll": 5},
        )
        with service.site() as site:
            heal = HealSite(service, site, ())
            heal.standing_change(hosts=STORES)
            service.start()
            try:
                lines = sender_settings(f"{service.url}/hooks/shop", SECRET)
                (tmp_path / "sender/alertmanager.yml").write_text("\n".join(lines) + "\n")
                again = urllib.request.Request(f"{sender.url}/-/reload", method="POST")  # noqa: S310
                urllib.request.urlopen(again, timeout=60).close()  # noqa: S310
                now = datetime.now(UTC)
                for name in STORES:
                    sender.post({"alertname": "PosDown", "host": name, "unit": UNIT}, now)
                everybody_is_asked_once(heal, STORES)
            finally:
                service.kill()


@pytest.fixture
def thirty_hosts() -> Iterator[tuple[LabHost, ...]]:
    """Thirty hosts in ten stores, a lab of their own."""
    name = f"storm-{os.getpid()}"
    up = ("up", "--name", name, "--stores", "10", "--pos", "2", "--owner", str(os.getpid()))
    try:
        subprocess.run(lab_command(*up), cwd=source_root(), check=True, capture_output=True)
        yield Lab(name).hosts
    finally:
        down = lab_command("down", "--name", name)
        subprocess.run(down, cwd=source_root(), check=True, capture_output=True)


def _break(host: LabHost) -> str:
    """Till and exporter, and then the till's end; where it is scraped."""
    host.write(f"/etc/systemd/system/{UNIT}", POS)
    place = watched(host)
    host.run(f"systemctl daemon-reload; systemctl start {UNIT}", user="root")
    return place


@pytest.mark.full
@pytest.mark.lab
def test_thirty_hosts_that_are_really_broken(
    thirty_hosts: tuple[LabHost, ...], tmp_path: Path
) -> None:
    found = tools()
    if found is None or exporter("node") is None:
        pytest.skip("Prometheus and its exporters are neither there nor to be had from apt here")
    # Alerts come as the hosts are scraped; the hold-down is what lets the storm be seen.
    watched_site = watch(found, tmp_path, thirty_hosts, ["service"], hold_down=30)
    with watched_site as site, ThreadPoolExecutor(4) as pool:
        places = pool.map(_break, thirty_hosts)
        for host, place in zip(thirty_hosts, places, strict=True):
            site.add(host, [place])
        broken = f"systemctl kill -s KILL {UNIT}"
        list(pool.map(lambda host: host.run(broken, user="root"), thirty_hosts))
        everybody_is_asked_once(site.heal, [host.name for host in thirty_hosts])
        look = f"systemctl is-active {UNIT}"
        states = pool.map(lambda host: host.run(look, check=False).stdout.strip(), thirty_hosts)
        assert set(states) == {"failed"}
