# SPDX-License-Identifier: GPL-3.0-or-later
"""(b) What our runner adds to bare ansible-playbook, on a play of at least 30 seconds."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from tests.bench.audit_round_trip import environment
from tests.bench.timing import Series, Timed, timed

_HOSTS = 4
_TASKS = 8

_OURS = """
import sys
from datetime import timedelta
from pathlib import Path
from storewarden.adapters.ansible import PlaybookRunner
from storewarden.ports.runner import FrozenInventory, LeaseMode, PlaybookRun, RunOutcome
local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
hosts = {f"sim{n:02d}": local for n in range(int(sys.argv[3]))}
runner = PlaybookRunner(Path(sys.argv[1]))
run = runner.start(PlaybookRun(playbook=sys.argv[2], inventory=FrozenInventory(hosts=hosts),
                               timeout=timedelta(minutes=10), forks=12, lease=LeaseMode.SHARED))
for event in runner.follow(run):
    pass
result = runner.result(run)
assert result.outcome is RunOutcome.COMPLETED, result
assert all(h.status.value in ("ok", "changed") for h in result.hosts.values()), result
runner.release(run)
"""


def measure(folder: Path, rounds: int) -> list[Series]:
    """Bare and ours in turn, ``rounds`` times."""
    hosts = {
        f"sim{n:02d}": {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
        }
        for n in range(_HOSTS)
    }
    inventory = folder / "sim.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    tasks = [
        {
            "name": f"Work {n}",
            "ansible.builtin.command": {"argv": ["sleep", "3.8"]},
            "changed_when": False,
        }
        for n in range(_TASKS)
    ]
    play = folder / "work.yml"
    play.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    script = folder / "ours.py"
    script.write_text(_OURS)
    contenders = {
        "bare `ansible-playbook`": ["ansible-playbook", "-i", str(inventory), str(play)],
        "our runner": [
            sys.executable,
            str(script),
            str(folder / "runs"),
            str(play),
            str(_HOSTS),
        ],
    }
    runs: dict[str, list[Timed]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, argv in contenders.items():
            run = timed(argv, env=environment(), log=folder / "last.log")
            print(f"  round {number + 1}  {name}: {run.wall:.1f} s", flush=True)
            runs[name].append(run)
    return [Series(name=name, runs=tuple(found)) for name, found in runs.items()]
