# SPDX-License-Identifier: GPL-3.0-or-later
"""(a) One module call per host against one task per control and one task per setting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

from tests.bench.timing import Series, Timed, timed

_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """What every contender gets: pipelining and 12 forks, as a careful operator would set them."""
    binaries = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_FORKS": "12",
        "ANSIBLE_CONFIG": str(_ROOT / "ansible.cfg"),
        **(extra or {}),
    }


def control_ids() -> list[str]:
    """All controls of the collection, as its own loader lists them."""
    loader = _ROOT / "plugins/plugin_utils/baseline_controls.py"
    done = subprocess.run(
        [sys.executable, loader, "--json"], capture_output=True, text=True, check=True
    )
    return [control["id"] for control in json.loads(done.stdout)["controls"]]


def task_per_control(folder: Path) -> Path:
    """A playbook that asks for the same controls one task at a time."""
    tasks = [
        {"name": f"Control {name}", "storewarden.ops.baseline_audit": {"controls": [name]}}
        for name in control_ids()
    ]
    play = {"hosts": "all", "become": True, "gather_facts": False, "tasks": tasks}
    target = folder / "task_per_control.yml"
    target.write_text(yaml.safe_dump([play]))
    return target


def measure(inventory: Path, folder: Path, rounds: int) -> list[Series]:
    """Every contender ``rounds`` times, in turn, after one call that warms the hosts up."""
    playbook = ["ansible-playbook", "-i", str(inventory)]
    config = folder / "storewarden.yml"
    config.write_text(
        f"inventory: [{inventory}]\nstate_dir: {folder / 'state'}\n"
        "compliance: {drift_tickets: false}\n"  # an audit alone, as before there were tickets
    )
    contenders: dict[str, list[str]] = {
        "`storewarden audit` (ledger and report included)": [
            "storewarden",
            "audit",
            "--config",
            str(config),
            "--format",
            "json",
        ],
        "`ansible-playbook storewarden.ops.baseline_audit`": [
            *playbook,
            "storewarden.ops.baseline_audit",
        ],
        "one task per setting, check mode": [
            *playbook,
            "--check",
            str(_HERE / "dev_sec_style.yml"),
        ],
        "one task per control": [*playbook, str(task_per_control(folder))],
    }
    runs: dict[str, list[Timed]] = {name: [] for name in contenders}
    timed([*playbook, "storewarden.ops.baseline_audit"], env=environment(), log=folder / "warm.log")
    for number in range(rounds):
        for name, argv in contenders.items():
            run = timed(argv, env=environment(), log=folder / "last.log", ok=(0, 1))
            print(f"  round {number + 1}  {name}: {run.wall:.1f} s", flush=True)
            runs[name].append(run)
    return [Series(name=name, runs=tuple(found)) for name, found in runs.items()]
