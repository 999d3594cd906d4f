# SPDX-License-Identifier: GPL-3.0-or-later
"""Repairs of lab hosts as `ansible-playbook storewarden.ops.heal` makes them, and their reports.

Reports are read from the log that the controller's runner reads. Several hosts may have different
repairs in one run of Ansible: that is how tests stay short.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.fleet import Lab, LabHost

ROOT = Path(__file__).resolve().parents[2]
CHANGE = "GMBG-20260301-001"
_PATIENCE = 900.0  # for a run of Ansible, on a slow machine that is busy


@dataclass(frozen=True, slots=True)
class Healed:
    """How one repair ended on one host: exit status, the report, what was said, what changed."""

    code: int
    said: str
    own: Mapping[str, Any]
    changed: bool

    @property
    def end(self) -> str:
        """``repaired``, ``healthy`` ..., or what was said instead of a report."""
        return str(self.own.get("end", "none: " + self.said[-3000:]))

    @property
    def reason(self) -> str:
        return str(self.own["reason"])

    @property
    def steps(self) -> list[str]:
        """What was done, in English."""
        return [str(one["en"]) for one in self.own["steps"]]

    @property
    def plan(self) -> dict[str, Any]:
        found: dict[str, Any] = self.own["diagnosis"]["plan"]
        return found

    @property
    def evidence(self) -> dict[str, str]:
        """Name -> text."""
        return {str(one["name"]): str(one["text"]) for one in self.own["evidence"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What is asked for on one host. ``variables`` are further ones of the playbook."""

    action: str
    options: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Healing:
    """The playbook on a lab; everything that is left lies in ``folder``. ``roles`` are a site's
    own roles."""

    lab: Lab
    host: LabHost
    folder: Path
    roles: Path | None = None
    runs: int = 0

    def sh(self, script: str, *, check: bool = True) -> str:
        """A script on the host, as root; its output."""
        return self.host.run(script, user="root", check=check).stdout

    def run(self, action: str, *words: str, **options: Any) -> Healed:
        """One repair of the host, with these options; ``words`` go to ansible-playbook."""
        return self.together({self.host: Repair(action=action, options=options)}, *words)[self.host]

    def look(self, action: str, **options: Any) -> Healed:
        """Diagnose only."""
        asked = Repair(action=action, options=options, variables={"heal_look": True})
        return self.together({self.host: asked})[self.host]

    def together(self, repairs: Mapping[LabHost, Repair], *words: str) -> dict[LabHost, Healed]:
        """These repairs, each of its host, in one run of Ansible."""
        self.runs += 1
        own = self.folder / f"run-{self.runs}"
        own.mkdir(parents=True)
        values = own / "values.yml"
        given = _inventory(repairs, f"{CHANGE}-{own.parent.name}-{self.runs}")
        values.write_text(json.dumps(given))
        events = own / "events.jsonl"
        done = subprocess.run(
            [
                str(Path(sys.executable).parent / "ansible-playbook"), "storewarden.ops.heal",
                "-i", str(self.lab.inventory_path), "-i", str(values),
                "--limit", ",".join(host.name for host in repairs), *words,
            ],
            env=self._environment(events), cwd=ROOT, check=False, timeout=_PATIENCE, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        lines = events.read_text().splitlines() if events.exists() else []
        found = [json.loads(line) for line in lines]
        return {host: _healed(host, done, found) for host in repairs}

    def _environment(self, events: Path) -> dict[str, str]:
        given = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.folder / "home"),
            # Every other kind that is tried costs each of the many runs a moment.
            "ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.yaml",
            "ANSIBLE_STDOUT_CALLBACK": "storewarden.ops.run_log",
            "STOREWARDEN_EVENTS": str(events),
        }
        return given | ({"ANSIBLE_ROLES_PATH": str(self.roles)} if self.roles else {})


def _inventory(repairs: Mapping[LabHost, Repair], run: str) -> dict[str, Any]:
    """Variables of each host, as an inventory beside the lab's own."""
    hosts = {
        host.name: {
            "heal_action": repair.action,
            "heal_options": dict(repair.options),
            "heal_change": CHANGE,
            "heal_run": f"{run}-{repair.action}",
            **repair.variables,
        }
        for host, repair in repairs.items()
    }
    return {"all": {"hosts": hosts}}


def _healed(
    host: LabHost, done: subprocess.CompletedProcess[str], events: Sequence[Mapping[str, Any]]
) -> Healed:
    mine = [one for one in events if one.get("host") == host.name]
    told = [one["report"]["heal"] for one in mine if "heal" in one.get("report", {})]
    messages = [str(one["message"]) for one in mine if one.get("message")]
    changed = any(one["kind"] == "host_changed" for one in mine)
    said = "\n".join([done.stdout, *messages])
    return Healed(done.returncode, said, told[-1] if told else {}, changed)
