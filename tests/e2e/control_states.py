# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of ``tests/lab_states``: read, prepared as the audit prepares them, run on lab hosts.

A state file says how a host gets into states in which its control must pass, fail and so on. The
evaluator of this checkout runs there under the host's own Python, so a getter that looks in the
wrong place cannot hide behind an imagined host.
"""

from __future__ import annotations

import base64
import functools
import io
import json
import queue
import shlex
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.storewarden.ops.plugins.plugin_utils.baseline_controls import LoadedControl
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_params import fitted
from tests.lab.fleet import Lab, LabHost
from tests.lab.places import LabError

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "lab_states"
VERDICTS = ("pass", "fail", "na", "manual", "error")
_FILE_KEYS = {*VERDICTS, "prelude", "files_only", "fixture", "cannot", "host"}
_STATE_KEYS = {"name", "script", "vars", "root", "files_only", "host"}
_EVALUATOR = "plugins/module_utils/baseline"
_PREFIX = "ansible_collections/storewarden/ops/"
_PATIENCE = 600.0  # seconds for all states of one control


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One state of one control and the verdict it must lead to."""

    control: str
    verdict: str
    name: str
    script: str
    variables: Mapping[str, Any]
    root: str
    files_only: bool
    host: str  # "" = any host; "databases" = the one with both servers

    @property
    def id(self) -> str:
        return f"{self.control}-{self.verdict}-{self.name}"

    @property
    def harmless(self) -> bool:
        """Whether the host is as fresh afterwards as before."""
        return self.files_only or self.script.strip() == "true"


@functools.cache
def state_files() -> dict[str, dict[str, Any]]:
    """Control id -> its state file; ValueError names a key that nobody reads."""
    return {path.stem: _state_file(path) for path in sorted(FOLDER.glob("*.yml"))}


def _state_file(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    unknown = set(data) - _FILE_KEYS
    for verdict in VERDICTS:
        for state in data.get(verdict, []):
            unknown |= set(state) - _STATE_KEYS
    if unknown:
        raise ValueError(f"{path}: nobody reads {', '.join(sorted(unknown))}")
    return data


def all_states() -> Iterator[State]:
    """Every state of every file."""
    for control, data in state_files().items():
        for verdict in VERDICTS:
            for state in data.get(verdict, []):
                yield _state(control, verdict, data, state)


def _state(control: str, verdict: str, data: Mapping[str, Any], state: Mapping[str, Any]) -> State:
    host = str(state.get("host", data.get("host", "")))
    at_home = host == data.get("host", "")  # a state on another host has nothing of the others
    before = (_shared(host) if host else "") + data.get("prelude", "") if at_home else ""
    return State(
        control=control,
        verdict=verdict,
        name=str(state["name"]),
        script=before + state["script"] + "\n",
        variables=state.get("vars", {}),
        root=state.get("root", "/"),
        files_only=bool(state.get("files_only", data.get("files_only", False))),
        host=host,
    )


@functools.cache
def _shared(host: str) -> str:
    """Shell functions for all states on hosts of that kind."""
    return (FOLDER / f"{host}.sh").read_text(encoding="utf-8")


def prepared(control: LoadedControl, variables: Mapping[str, Any]) -> dict[str, Any]:
    """What the host gets when the site sets these Ansible variables."""
    by_variable = {variable: name for name, variable in control.variables.items()}
    unknown = set(variables) - set(by_variable)
    if unknown:
        raise ValueError(f"{control.id} has no parameter from {', '.join(sorted(unknown))}")
    return control.prepared(
        {
            by_variable[variable]: fitted(variable, value, control.defaults[by_variable[variable]])
            for variable, value in variables.items()
        }
    )


def show(
    lab: Lab, states: Sequence[State], controls: Mapping[str, LoadedControl]
) -> dict[str, dict[str, Any]]:
    """State id -> result on a real host, or ``{"broken": why}``; all hosts of the lab are used."""
    free: queue.Queue[LabHost] = queue.Queue()
    for host in lab.hosts:
        free.put(host)
    dirty: set[str] = set()
    run = _Run(controls=controls, free=free, dirty=dirty)
    results: dict[str, dict[str, Any]] = {}
    with ThreadPoolExecutor(len(lab.hosts)) as pool:
        for part in pool.map(run.batch, _batches(states)):
            results |= part
    for host in lab.hosts:
        if host.name in dirty:
            host.reset()
    return results


def _batches(states: Sequence[State]) -> list[list[State]]:
    """States that may share a visit to a host; the slow ones come first."""
    gentle: dict[str, list[State]] = {}
    rough: list[list[State]] = []
    for state in states:
        if state.harmless:
            gentle.setdefault(state.control, []).append(state)
        else:
            rough.append([state])
    return rough + list(gentle.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    controls: Mapping[str, LoadedControl]
    free: queue.Queue[LabHost]
    dirty: set[str]

    def batch(self, states: list[State]) -> dict[str, dict[str, Any]]:
        host = self.free.get()
        try:
            if host.name in self.dirty:
                host.reset()
                self.dirty.discard(host.name)
            if not all(state.harmless for state in states):
                self.dirty.add(host.name)
            answers = visit(host, states, self.controls)
        except LabError as error:
            self.dirty.add(host.name)
            answers = [{"broken": str(error)}] * len(states)
        finally:
            self.free.put(host)
        return {state.id: answer for state, answer in zip(states, answers, strict=True)}


def visit(
    host: LabHost, states: Sequence[State], controls: Mapping[str, LoadedControl]
) -> list[dict[str, Any]]:
    """One result per state, reached one after the other on this host."""
    work = {
        "archive": _archive(),
        "states": [
            {
                "script": state.script,
                "control": prepared(controls[state.control], state.variables),
                "root": state.root,
                "files_only": state.files_only,
            }
            for state in states
        ],
    }
    command = f"python3 -c {shlex.quote(_driver())}"
    done = host.run(command, user="root", input=json.dumps(work), timeout=_PATIENCE)
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def _driver() -> str:
    """The program for the host."""
    return (Path(__file__).parent / "state_driver.py").read_text(encoding="utf-8")


@functools.cache
def _archive() -> str:
    """The evaluator and its getters as a base64 zip file that Python can import from."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in ("", "plugins/", "plugins/module_utils/"):
            archive.writestr(f"{_PREFIX}{package}__init__.py", "")
        for package in ("ansible_collections/", "ansible_collections/storewarden/"):
            archive.writestr(f"{package}__init__.py", "")
        for path in sorted((ROOT / _EVALUATOR).rglob("*.py")):
            archive.write(path, _PREFIX + str(path.relative_to(ROOT)))
    return base64.b64encode(buffer.getvalue()).decode()
