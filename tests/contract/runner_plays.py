# SPDX-License-Identifier: GPL-3.0-or-later
"""What the runner's tests share: small playbooks, a probe module, ways to look and to wait."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml

from storewarden.adapters.ansible import PlaybookRunner
from storewarden.ports.runner import FrozenInventory, RunPhase

LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}

# Looks at its own play from inside and reports it the way a role does.
_PROBE = """#!/usr/bin/python
import glob, json, os
from ansible.module_utils.basic import AnsibleModule

def tree(top):
    return {os.path.join(d, f): os.path.getsize(os.path.join(d, f))
            for d, _, files in os.walk(top) for f in files}

def main():
    module = AnsibleModule(argument_spec=dict(
        echo=dict(type="raw"), fill=dict(type="int", default=0), key=dict(default="probe"),
        tree=dict(type="path"), env=dict(type="bool", default=False)))
    asked = module.params
    found = {"echo": asked["echo"], "fill": "x" * asked["fill"]}
    if asked["tree"]:
        found["tree"] = tree(asked["tree"])
    if asked["env"]:
        found["env"] = dict(os.environ)
    module.exit_json(changed=False, storewarden={asked["key"]: found})

main()
"""


def inventory(*names: str, **variables: object) -> FrozenInventory:
    """Hosts that are this machine, each under its own name."""
    return FrozenInventory(hosts={name: {**LOCAL, **variables} for name in names}, source="test")


def play(tasks: Sequence[object], hosts: str = "all", **more: object) -> dict[str, object]:
    """One play without facts."""
    return {"hosts": hosts, "gather_facts": False, "tasks": list(tasks), **more}


def playbook(folder: Path, *plays: object, name: str = "site.yml") -> str:
    """Write a playbook with the probe beside it; its path."""
    library = folder / "library"
    library.mkdir(exist_ok=True)
    (library / "sw_probe.py").write_text(_PROBE)
    path = folder / name
    path.write_text(yaml.safe_dump(list(plays), sort_keys=False))
    return str(path)


def quick(folder: Path) -> str:
    """A play that ends at once, without a change."""
    return playbook(folder, play([{"sw_probe": {"echo": "hello"}}]), name="quick.yml")


def sleeping(folder: Path, seconds: float = 300) -> str:
    """A play that stays in one task."""
    task = {"name": "wait", "ansible.builtin.command": f"sleep {seconds}"}
    return playbook(folder, play([task]), name="sleeping.yml")


def held(folder: Path) -> str:
    """A command that stays until there is a file ``go`` in ``folder``, or no such folder."""
    return f"sh -c 'until [ -e {folder}/go ] || [ ! -d {folder} ]; do sleep 0.1; done'"


def go(folder: Path) -> None:
    """What is ``held`` in this folder ends."""
    (folder / "go").touch()


def until(happened: Callable[[], object], seconds: float = 300, what: str = "it") -> None:
    """Wait for something, failing loudly."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"{what} did not happen in {seconds} s"
        time.sleep(0.05)


def processes(word: str) -> list[int]:
    """Pids of living processes whose command line has ``word``."""
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are enough
        if name.isdigit() and int(name) != os.getpid():
            try:
                line = Path(f"/proc/{name}/cmdline").read_bytes()
            except OSError:
                continue
            if word.encode() in line:
                found.append(int(name))
    return found


def supervisor_of(run_id: str) -> int:
    """The pid of a run's supervisor."""
    [pid] = [
        pid
        for pid in processes(run_id)
        if b".supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    return pid


def at_task(runner: PlaybookRunner, run_id: str, task: str) -> None:
    """Follow a run until it has come to a task."""
    for event in runner.follow(run_id):
        if event.kind == "task" and event.task == task:
            return
    raise AssertionError(f"the run never came to {task!r}: {runner.result(run_id)}")


def ended(runner: PlaybookRunner) -> Iterator[PlaybookRunner]:
    """The body of a fixture: whatever the test leaves running is ended by its id."""
    yield runner
    for found in runner.recover():
        runner.cancel(found.run_id)
    for found in runner.recover():
        if found.phase is RunPhase.LIVE:
            runner.result(found.run_id)
        until(lambda one=found: not processes_marked(one.run_id), what="the end of a play")  # type: ignore[misc]
        runner.release(found.run_id)


def warmed(runner: PlaybookRunner) -> PlaybookRunner:
    """The runner, with a warm process that has loaded everything."""
    runner.keep_warm()
    until(lambda: runner.warm_pid is not None, what="a warm process")
    return runner


def processes_marked(run_id: str) -> list[int]:
    """Pids of living processes that inherited the run's environment."""
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are enough
        if name.isdigit():
            try:
                environ = Path(f"/proc/{name}/environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if f"STOREWARDEN_RUN={run_id}".encode() in environ:
                found.append(int(name))
    return found


def seen_by_others(pids: list[int]) -> bytes:
    """What any reader of /proc sees of these processes."""
    parts = []
    for pid in pids:
        for name in ("cmdline", "environ"):
            try:
                parts.append(Path(f"/proc/{pid}/{name}").read_bytes())
            except OSError:
                continue
    return b"\n".join(parts)
