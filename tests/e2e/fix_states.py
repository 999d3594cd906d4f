# SPDX-License-Identifier: GPL-3.0-or-later
"""The failing states of ``tests/lab_states``, each with its control's fix made on a lab host."""

from __future__ import annotations

import base64
import functools
import io
import json
import shlex
import zipfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible_collections.storewarden.ops.plugins.plugin_utils.baseline_controls import LoadedControl
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_params import fitted
from tests.e2e.control_states import ROOT, State, prepared
from tests.lab.fleet import Lab, LabHost

_PREFIX = "ansible_collections/storewarden/ops/"
_PATIENCE = 900.0  # seconds for all states that one host gets


def show_fixes(
    lab: Lab, states: Sequence[State], controls: Mapping[str, LoadedControl]
) -> dict[str, dict[str, Any]]:
    """State id -> ``{before, changes, problem, remains, after, again}`` or ``{broken: why}``."""
    hosts = lab.hosts
    shares = [list(states[place :: len(hosts)]) for place in range(len(hosts))]
    with ThreadPoolExecutor(len(hosts)) as pool:
        parts = pool.map(lambda pair: _visit(pair[0], pair[1], controls), zip(hosts, shares))  # noqa: B905
        return {name: answer for part in parts for name, answer in part.items()}


def _visit(
    host: LabHost, states: Sequence[State], controls: Mapping[str, LoadedControl]
) -> dict[str, dict[str, Any]]:
    work = {
        "archive": _archive(),
        "states": [
            {
                "script": state.script,
                "control": prepared(controls[state.control], state.variables),
                "fix": controls[state.control].prepared_fix(_values(controls, state)),
            }
            for state in states
        ],
    }
    program = (Path(__file__).parent / "fix_driver.py").read_text(encoding="utf-8")
    command = f"python3 -c {shlex.quote(program)}"
    done = host.run(command, user="root", input=json.dumps(work), timeout=_PATIENCE)
    answers = json.loads(done.stdout)
    return {state.id: answer for state, answer in zip(states, answers, strict=True)}


def _values(controls: Mapping[str, LoadedControl], state: State) -> dict[str, Any]:
    control = controls[state.control]
    by_variable = {variable: name for name, variable in control.variables.items()}
    return {
        by_variable[variable]: fitted(variable, value, control.defaults[by_variable[variable]])
        for variable, value in state.variables.items()
    }


@functools.cache
def _archive() -> str:
    """Everything of the collection that runs on hosts, and the state driver."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in ("", "plugins/", "plugins/module_utils/"):
            archive.writestr(f"{_PREFIX}{package}__init__.py", "")
        for package in ("ansible_collections/", "ansible_collections/storewarden/"):
            archive.writestr(f"{package}__init__.py", "")
        for path in sorted((ROOT / "plugins/module_utils").rglob("*.py")):
            archive.write(path, _PREFIX + str(path.relative_to(ROOT)))
        archive.write(Path(__file__).parent / "state_driver.py", "state_driver.py")
    return base64.b64encode(buffer.getvalue()).decode()
