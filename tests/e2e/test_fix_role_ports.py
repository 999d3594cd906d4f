# SPDX-License-Identifier: GPL-3.0-or-later
"""A fix after which the host is fine by itself, and its role is served to nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.fix_plays import Plays
from tests.lab.fleet import Lab, LabHost

pytestmark = [pytest.mark.lab, pytest.mark.slow]

PORT = 8099
UNIT = f"""\
[Service]
Environment=BIND=0.0.0.0
ExecStart=/usr/bin/python3 -m http.server {PORT} --bind ${{BIND}}
"""
ALLOWED = [{"port": 22, "process": "sshd"}, {"port": PORT, "process": "python3"}]
# Seen from the controller, and on the host: which address the service sits on once it listens.
BOUND = f"until ss -Hlnt | grep -q ':{PORT} '; do sleep 0.1; done; ss -Hlnt | grep ':{PORT} '"


def test_a_service_that_the_controller_does_not_reach_any_more_goes_back(
    lab: Lab, lab_host: LabHost, tmp_path: Path
) -> None:
    lab_host.write("/etc/systemd/system/sw-shop.service", UNIT)
    lab_host.run(f"systemctl daemon-reload; systemctl start sw-shop; {BOUND}", user="root")
    plays = Plays(lab=lab, folder=tmp_path)
    folder = "/etc/systemd/system/sw-shop.service.d"
    to_itself = {
        "kind": "drop_in",
        "path": f"{folder}/bind.conf",
        "lines": ["[Service]", "Environment=BIND=127.0.0.1"],
        "load": ["systemctl", "daemon-reload"],
        "restart": "sw-shop.service",
    }
    plays.control("Z31", "web", to_itself)
    task = {"group": "web", "controls": ["Z31"], "probe_seconds": 2}
    done = plays.trial([task], [lab_host], baseline_ports_allowed=ALLOWED)
    report = done.harden(lab_host, "web")
    # Nobody named the port to the play: it is the role's, and it answered before.
    assert report["outcome"] == "undone", report
    assert f"does not reach port {PORT} any more" in report["reason"]["en"]
    assert f"0.0.0.0:{PORT}" in lab_host.run(BOUND, user="root").stdout
    assert lab_host.run(["test", "-e", folder], check=False).returncode == 1
