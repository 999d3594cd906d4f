# SPDX-License-Identifier: GPL-3.0-or-later
"""Phases of a payload on lab hosts through the shipped playbooks, with options per host.

Several phases may be played one after the other by one ansible-playbook; each is still a play of
its own, with the host's own report.
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
PREFLIGHT, APPLY, JUDGE, UNDO = "preflight", "apply", "judge", "undo"


@dataclass(frozen=True, slots=True)
class Phases:
    """How the phases ended: by host and phase, the reports of `storewarden.payload`."""

    code: int
    said: str
    reports: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)

    def of(self, host: LabHost, phase: str) -> dict[str, Any]:
        """AssertionError with everything that was said when there is no such report."""
        found = self.reports.get(host.name, {}).get(phase)
        assert found is not None, (self.said, self.reports)
        return dict(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenes:
    """One payload on a lab; everything that is left lies in ``folder``."""

    lab: Lab
    payload: str
    folder: Path

    def _book(self, phases: Sequence[str]) -> Path:
        """One playbook: several on a command line end with the first that any host fails in."""
        self.folder.mkdir(parents=True, exist_ok=True)
        book = self.folder / "phases.yml"
        names = [f"storewarden.ops.payload_{phase}" for phase in phases]
        book.write_text(json.dumps([{"import_playbook": name} for name in names]))
        return book

    def asked(self, module: str, host: LabHost, cases: Sequence[Mapping[str, Any]]) -> list[Any]:
        """What a module answers to each of these cases, on one host, in one play."""
        self.folder.mkdir(parents=True, exist_ok=True)
        answers = self.folder / "answers.json"
        tasks: list[dict[str, Any]] = [
            {module: dict(case), "register": f"scene_{number}"} for number, case in enumerate(cases)
        ]
        names = ", ".join(f"scene_{number}" for number in range(len(cases)))
        copied = {"content": "{{ [" + names + "] | to_json }}", "dest": str(answers)}
        tasks.append({"ansible.builtin.copy": copied, "delegate_to": "localhost", "become": False})
        play = {"hosts": host.name, "gather_facts": False, "become": True, "tasks": tasks}
        book = self.folder / "cases.yml"
        book.write_text(json.dumps([play]))
        done = self._ran(book, [host], {})
        assert done.returncode == 0, done.stdout + done.stderr + self._events().read_text()
        found: list[Any] = json.loads(answers.read_text())
        return found

    def play(
        self, change: str, phases: Sequence[str], options: Mapping[LabHost, Mapping[str, Any]],
        **variables: Any,
    ) -> Phases:  # fmt: skip
        """These phases on these hosts, each with its own options, as one change."""
        book = self._book(phases)
        given = {
            "payload_name": self.payload,
            "payload_change": change,
            "scene_options": {host.name: dict(one) for host, one in options.items()},
            "payload_options": "{{ scene_options[inventory_hostname] }}",
            **variables,
        }
        done = self._ran(book, list(options), given)
        events = self._events()
        lines = events.read_text().splitlines() if events.exists() else []
        said = done.stdout + done.stderr + "\n".join(lines[-12:])
        return Phases(done.returncode, said, _reports([json.loads(line) for line in lines]))

    def _events(self) -> Path:
        return self.folder / "events.jsonl"

    def _ran(
        self, book: Path, hosts: Sequence[LabHost], given: Mapping[str, Any]
    ) -> subprocess.CompletedProcess[str]:
        values = self.folder / "values.json"
        values.write_text(json.dumps(given))
        self._events().unlink(missing_ok=True)
        return subprocess.run(
            [
                str(Path(sys.executable).parent / "ansible-playbook"), str(book),
                "-i", str(self.lab.inventory_path),
                "--limit", ",".join(host.name for host in hosts), "-e", f"@{values}",
            ],
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_HOME": str(self.folder / "home"),
                "ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.yaml",
                "ANSIBLE_STDOUT_CALLBACK": "storewarden.ops.run_log",
                "STOREWARDEN_EVENTS": str(self._events()),
            },
            cwd=ROOT, check=False, capture_output=True, text=True, timeout=900,
        )  # fmt: skip


def _reports(events: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for event in events:
        report = (event.get("report") or {}).get("payload")
        if event.get("host") and report:
            found.setdefault(str(event["host"]), {})[str(report["phase"])] = report
    return found
