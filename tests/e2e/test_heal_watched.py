# SPDX-License-Identifier: GPL-3.0-or-later
"""A till's service is killed: seen by a real Prometheus, repaired by the real controller, and over.

All other actions are in ``test_heal_monitored``, for ``make test-full``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.heal_watch import Waiting, Watch, watch
from tests.lab.fleet import LabHost
from tests.servers.exporters import watched
from tests.servers.monitoring import exporter, tools

pytestmark = [pytest.mark.slow, pytest.mark.lab]

UNIT = "pos-till.service"
POS = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"


def a_killed_service(watch: Watch, till: LabHost) -> Waiting:
    till.write(f"/etc/systemd/system/{UNIT}", POS)
    watch.sh(till, f"systemctl daemon-reload; systemctl enable --now {UNIT}")
    watch.sh(till, f"systemctl kill -s KILL {UNIT}")
    yield from watch.healed("service down", "ServiceDown", till)
    assert watch.sh(till, f"systemctl is-active {UNIT}").strip() == "active"


def test_a_killed_service_from_its_alert_to_the_end_of_it(
    lab_host: LabHost, tmp_path: Path
) -> None:
    found = tools()
    if found is None or exporter("node") is None:
        pytest.skip("Prometheus and its exporters are neither there nor to be had from apt here")
    with watch(found, tmp_path, [lab_host], ["service"]) as site:
        site.add(lab_host, [watched(lab_host)])
        outcome = site.play({lab_host: [a_killed_service]})
        assert outcome == {"a_killed_service": None}, outcome["a_killed_service"]
