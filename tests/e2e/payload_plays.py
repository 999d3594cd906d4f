# SPDX-License-Identifier: GPL-3.0-or-later
"""Phases of payloads on lab hosts, as `ansible-playbook` runs them, and what each host reported.

Reports are read from the log that the controller's runner reads. The payload ``trial`` is the
tests' own: its change is a job with a script that the test gives, so a test can say what happens
on the host and when.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.restore_host import FOLDER, RestoreHost
from tests.lab.fleet import Lab

ROOT = Path(__file__).resolve().parents[2]
CHANGE = "GMBG-20260301-001"
JOBS = "/var/lib/storewarden/jobs"
STAGE = "/var/cache/storewarden"
TRIAL_FILE = "/srv/trial"
_PATIENCE = 900.0  # for a run of Ansible, on a slow machine that is busy

_META: dict[str, Any] = {
    "summary": {"en": "a trial", "zh": "试验"},
    "class": "config",
    "reversibility": "A",
    "operation": "configuration",
    "timing": {"preflight": 10, "apply": 2, "judge": 2, "undo": 10},
}
_OPTIONS = {
    "script": {"type": "str", "required": True, "description": "what the job does"},
    "good": {"type": "bool", "default": True, "description": "what verify says"},
    "hang": {"type": "int", "default": 0, "description": "seconds that verify takes"},
}
_TASKS: Mapping[str, list[dict[str, Any]]] = {
    "preflight": [
        {
            "name": "Download",
            "ansible.builtin.file": {"path": "{{ payload_stage }}", "state": "directory"},
        },
        {
            "name": "Say what was found",
            "ansible.builtin.set_fact": {
                "payload_preflight": {
                    "ready": True,
                    "job": True,
                    "items": [{"kind": "file", "path": TRIAL_FILE}],
                    "changes": [{"what": TRIAL_FILE, "before": "old", "after": "new"}],
                }
            },
        },
    ],
    "apply": [
        {
            "name": "Work",
            "storewarden.ops.host_job": {
                "id": "{{ payload_job }}",
                "argv": ["sh", "-c", "{{ payload_trial_script }}"],
                "environment": {"TRIAL_TOKEN": "not-for-logs"},
                "timeout": 3600,
            },
            "register": "payload_trial_job",
        },
        {
            "name": "Tell",
            "ansible.builtin.set_fact": {
                "payload_applied": {
                    "adopted": "{{ payload_trial_job.job.adopted }}",
                    "log": "{{ payload_trial_job.job.log }}",
                }
            },
        },
    ],
    "verify": [
        {
            "name": "Take long",
            "ansible.builtin.command": {"argv": ["sleep", "{{ payload_trial_hang }}"]},
            "changed_when": False,
        },
        {
            "name": "Say what was seen",
            "ansible.builtin.set_fact": {
                "payload_verify": {
                    "ok": "{{ payload_trial_good }}",
                    "probes": [
                        {
                            "name": "trial",
                            "ok": "{{ payload_trial_good }}",
                            "detail": {"en": "as the test wants it", "zh": "按测试要求"},
                        }
                    ],
                }
            },
        },
    ],
    "undo": [
        {
            "name": "Leave a word",
            "ansible.builtin.copy": {"dest": "/srv/undone", "content": "yes\n", "mode": "0644"},
        }
    ],
}


def write_trial(roles: Path, **timing: int) -> None:
    """The payload ``trial``, as a site would have it among its own roles."""
    meta = {**_META, "timing": {**_META["timing"], **timing}}
    role = roles / "payload_trial"
    for name in ("meta", "tasks", "defaults"):
        (role / name).mkdir(parents=True)
    (role / "meta" / "payload.yml").write_text(yaml.safe_dump(meta, allow_unicode=True))
    options = {f"payload_trial_{name}": spec for name, spec in _OPTIONS.items()}
    specs = {name: {"options": options} for name in _TASKS}
    (role / "meta" / "argument_specs.yml").write_text(yaml.safe_dump({"argument_specs": specs}))
    (role / "defaults" / "main.yml").write_text("payload_trial_good: true\npayload_trial_hang: 0\n")
    for name, tasks in _TASKS.items():
        (role / "tasks" / f"{name}.yml").write_text(yaml.safe_dump(tasks, sort_keys=False))


@dataclass(frozen=True, slots=True)
class Ended:
    """How one phase ended on one host: exit status, the report, everything else that was said."""

    code: int
    said: str
    kinds: tuple[str, ...] = ()
    own: Mapping[str, Any] = field(default_factory=dict)

    @property
    def report(self) -> str:
        return str(self.own.get("report", "none: " + self.said[-2000:]))

    @property
    def detail(self) -> dict[str, Any]:
        found: dict[str, Any] = self.own["detail"]
        return found


@dataclass(slots=True)
class Payload:
    """One payload on one host, phase by phase, under one restore point."""

    lab: Lab
    till: RestoreHost
    folder: Path
    name: str
    point: str
    options: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    runs: int = 0

    def run(self, phase: str, *words: str, **variables: Any) -> Ended:
        """The phase to its end."""
        return self.all((phase,), words, **variables)[-1]

    def started(self, *phases: str, **variables: Any) -> Going:
        """The phases, going on by themselves."""
        play, events = self._started(phases, (), variables)
        return Going(play, events)

    def through(self, *phases: str, **variables: Any) -> list[str]:
        """The reports of these phases, one after the other."""
        return [one.report for one in self.all(phases, **variables)]

    def all(
        self, phases: Sequence[str], words: tuple[str, ...] = (), **variables: Any
    ) -> list[Ended]:
        """These phases in one run of Ansible, which ends at the first that fails. A run without
        any report has one element."""
        play, events = self._started(phases, words, variables)
        said, _none = play.communicate(timeout=_PATIENCE)
        return _ended(play.returncode, said, events)

    def _started(
        self, phases: Sequence[str], words: tuple[str, ...], variables: Mapping[str, Any]
    ) -> tuple[subprocess.Popen[str], Path]:
        self.runs += 1
        own = self.folder / f"{self.point}-{self.runs}"
        own.mkdir(parents=True)
        roles = self.folder / "roles"
        if not roles.exists():
            # A host whose line is lost must not wait for all of this.
            write_trial(roles, apply=600, reboot=600)
        values = own / "values.json"
        given = {
            "payload_name": self.name,
            "payload_change": CHANGE,
            "payload_point": self.point,
            "payload_options": self.options,
            **self.variables,
            **variables,
        }
        values.write_text(json.dumps(given))
        events = own / "events.jsonl"
        play = subprocess.Popen(
            [
                str(Path(sys.executable).parent / "ansible-playbook"),
                *(f"storewarden.ops.payload_{phase}" for phase in phases),
                "-i", str(self.lab.inventory_path), "--limit", self.till.host.name,
                "-e", f"@{values}", *words,
            ],
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_HOME": str(self.folder / "home"),
                # Every other kind that is tried costs each of the many runs a moment.
                "ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.yaml",
                "ANSIBLE_ROLES_PATH": str(roles),
                "ANSIBLE_STDOUT_CALLBACK": "storewarden.ops.run_log",
                "STOREWARDEN_EVENTS": str(events),
            },
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
        )  # fmt: skip
        return play, events

    def left_behind(self) -> str:
        """What of the payload's own is still on the host, the packs excepted."""
        return self.till.sh(
            f"ls -A {JOBS} 2>/dev/null | grep -vx .lock; ls -A {STAGE} 2>/dev/null; true"
        )

    def pack(self) -> str:
        """Where the restore point's pack is."""
        return f"{FOLDER}/{self.point}"


@dataclass(frozen=True, slots=True)
class Going:
    """A phase that runs."""

    play: subprocess.Popen[str]
    events: Path

    def kill(self) -> None:
        """As kill -9 of the controller's play: nobody says good-bye."""
        os.killpg(self.play.pid, signal.SIGKILL)
        self.play.communicate()

    def end(self) -> Ended:
        said, _none = self.play.communicate(timeout=_PATIENCE)
        return _ended(self.play.returncode, said, self.events)[-1]


def _ended(code: int, said: str, events: Path) -> list[Ended]:
    lines = events.read_text().splitlines() if events.exists() else []
    found = [json.loads(line) for line in lines]
    kinds = tuple(str(one["kind"]) for one in found if str(one["kind"]).startswith("host_"))
    told = [one["report"]["payload"] for one in found if "payload" in one.get("report", {})]
    # A phase that fails tells its report twice: where it failed, and at its end.
    reports = [list(same)[-1] for _phase, same in itertools.groupby(told, lambda one: one["phase"])]
    messages = [str(one["message"]) for one in found if one.get("message")]
    said += "\n".join(messages)
    return [Ended(code, said, kinds, one) for one in reports or [{}]]
