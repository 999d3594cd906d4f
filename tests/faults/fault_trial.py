# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests' payload ``trial`` with doors: every phase waits on the host as long as it is held.

So nothing has to be cut, killed or paused "just in time": a test holds a phase, does what it has
to do while the host waits, and lets it go.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from tests.faults.fault_place import HELD, HOLD

_ROLES = Path(__file__).resolve().parents[2] / "roles"
_HOUR = 3600  # of a job that is held: ended by the test, never by the clock


def with_doors(roles: Path) -> None:
    """Into the trial that ``write_trial`` has written in ``roles``."""
    tasks = roles / "payload_trial" / "tasks"
    for what in HELD:
        found = _read(tasks / f"{what}.yml")
        found[0] = _door(what)  # what stands there matters to nobody here
        _write(tasks / f"{what}.yml", found)
    found = _read(tasks / "apply.yml")
    found[0]["storewarden.ops.host_job"]["timeout"] = _HOUR
    _write(tasks / "apply.yml", found)


def with_short_reboots(roles: Path, seconds: int) -> None:
    """The packages' own role as a site may have it: its hosts need ``seconds`` for a reboot, and
    who is not back by then is missed."""
    own = roles / "payload_packages"
    shutil.copytree(_ROLES / "payload_packages", own)
    meta = own / "meta" / "payload.yml"
    found = yaml.safe_load(meta.read_text())
    found["timing"]["reboot"] = seconds
    meta.write_text(yaml.safe_dump(found, allow_unicode=True))


def _door(what: str) -> dict[str, Any]:
    door = f"{HOLD}-{what}"
    waits = f"while test -e {door}; do touch {door}.met; sleep 0.2; done"
    return {
        "name": "Wait as long as the test wants",
        "ansible.builtin.command": {"argv": ["sh", "-c", waits]},
        "changed_when": False,
    }


def _read(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(path.read_text())
    return found


def _write(path: Path, tasks: list[dict[str, Any]]) -> None:
    path.write_text(yaml.safe_dump(tasks, sort_keys=False))
