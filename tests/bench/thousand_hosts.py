# SPDX-License-Identifier: GPL-3.0-or-later
"""(c) The controller's time and memory for 1,000 simulated hosts on a local connection.

Each simulated host is audited for real, on this machine, with read-only probes;
what is missing against a fleet is the network.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml

from tests.bench.audit_round_trip import environment
from tests.bench.timing import Timed, timed


def measure(folder: Path, count: int = 1000) -> tuple[Timed, int]:
    """One audit of ``count`` hosts; the run and the number of hosts that were audited."""
    hosts = {
        f"sim{n:04d}": {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "ansible_become": False,
            "sw_store": f"{n // 4:06d}",
            "sw_region": "east",
            "sw_role": "pos",
            "sw_ci": f"POS-{n:06d}",
            "sw_tier": "ordinary",
            "sw_failure_groups": [f"pos-{n // 4:06d}"],
            "sw_tz": "Asia/Shanghai",
            "sw_hours": "10:00-22:00",
        }
        for n in range(count)
    }
    inventory = folder / "thousand.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    config = folder / "thousand-storewarden.yml"
    config.write_text(f"inventory: [{inventory}]\nstate_dir: {folder / 'thousand'}\n")
    report = folder / "thousand.json"
    argv = [
        "storewarden",
        "audit",
        "--config",
        str(config),
        "--format",
        "json",
        "--output",
        str(report),
    ]
    run = timed(argv, env=environment(), log=folder / "last.log", memory=True, ok=(0, 1))
    audited = sum(host["state"] == "audited" for host in json.loads(report.read_text())["hosts"])
    return run, audited
