# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays of the fix on lab hosts, as `ansible-playbook` runs them, and what each host reported.

The reports are read from the log that the controller's runner reads, so nothing is parsed that is
meant for people. Own controls of a test make hosts fail in ways that no shipped control does.
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

import yaml

from tests.lab.fleet import Lab, LabHost

ROOT = Path(__file__).resolve().parents[2]
CHANGE = "GMBG-20260301-001"
FIX = "storewarden.ops.baseline_fix"
UNDO = "storewarden.ops.baseline_undo"


@dataclass(frozen=True, slots=True)
class Played:
    """How a play ended: status, everything printed to the log, per host what was reported."""

    code: int
    err: str
    reports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    kinds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def harden(self, host: LabHost, group: str) -> dict[str, Any]:
        """The report of one apply group."""
        found: dict[str, Any] = self.reports[host.name]["harden"][group]
        return found

    def verdicts(self, host: LabHost, name: str = "audit") -> dict[str, Any]:
        """Control -> (verdict, value) of the host's audit."""
        controls = self.reports[host.name][name]["controls"]
        return {one["id"]: (one["verdict"], one.get("value")) for one in controls}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plays:
    """Plays on a lab; everything that they leave lies in ``folder``."""

    lab: Lab
    folder: Path

    def run(self, book: str, hosts: Sequence[LabHost], *words: str, **variables: Any) -> Played:
        """``ansible-playbook BOOK`` on these hosts with these variables."""
        events = self.folder / "events.jsonl"
        events.unlink(missing_ok=True)
        values = self.folder / "values.json"
        values.write_text(json.dumps(variables))
        done = subprocess.run(
            [
                str(Path(sys.executable).parent / "ansible-playbook"), book,
                "-i", str(self.lab.inventory_path), "--limit", ",".join(h.name for h in hosts),
                "-e", f"@{values}", *words,
            ],
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_HOME": str(self.folder / "home"),
                "ANSIBLE_STDOUT_CALLBACK": "storewarden.ops.run_log",
                "STOREWARDEN_EVENTS": str(events),
            },
            cwd=ROOT, check=False, capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        lines = events.read_text().splitlines() if events.exists() else []
        return _played(done, [json.loads(line) for line in lines])

    def fix(self, hosts: Sequence[LabHost], *words: str, **variables: Any) -> Played:
        """The shipped playbook, with a change of its own."""
        return self.run(FIX, hosts, *words, baseline_fix_change=CHANGE, **variables)

    def trial(
        self,
        tasks: Sequence[Mapping[str, Any]],
        hosts: Sequence[LabHost],
        *words: str,
        **variables: Any,
    ) -> Played:
        """These tasks of the fix module alone, with the test's own controls as well."""
        folder = self.folder / "controls"
        folder.mkdir(exist_ok=True)
        own = {"extra_paths": [str(folder)], "owner": CHANGE}
        play = {
            "hosts": "all", "gather_facts": False, "become": True,
            "tasks": [{FIX: {**own, **one}} for one in tasks],
        }  # fmt: skip
        book = self.folder / "trial.yml"
        book.write_text(yaml.safe_dump([play], sort_keys=False))
        return self.run(str(book), hosts, *words, **variables)

    def control(self, id: str, group: str, *steps: Mapping[str, Any]) -> None:
        """A control of the test's own that always fails, with this fix."""
        folder = self.folder / "controls"
        folder.mkdir(exist_ok=True)
        data = {
            "id": id,
            "title": {"en": "a trial", "zh": "试验"},
            "severity": "low",
            "risk": "R3",
            "guide": {"section": "1.1.1", "mark": "X"},
            "check": {"get": "value", "q": {"of": "no"}, "expect": {"eq": "yes"}},
            "fix": {"group": group, "steps": [dict(one) for one in steps]},
        }
        (folder / f"{id}.yml").write_text(yaml.safe_dump(data, allow_unicode=True))


def _played(done: subprocess.CompletedProcess[str], events: list[dict[str, Any]]) -> Played:
    reports: dict[str, dict[str, Any]] = {}
    kinds: dict[str, tuple[str, ...]] = {}
    for event in events:
        host = event.get("host")
        if host and str(event["kind"]).startswith("host_"):
            kinds[host] = (*kinds.get(host, ()), event["kind"])
            _merge(reports.setdefault(host, {}), event.get("report", {}))
    return Played(done.returncode, done.stdout + done.stderr, reports, kinds)


def _merge(old: dict[str, Any], new: Mapping[str, Any]) -> None:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(key), dict):
            _merge(old[key], value)
        else:
            old[key] = value
