# SPDX-License-Identifier: GPL-3.0-or-later
"""Every Linux control is shown to pass and to fail on a real host, through its real getters."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.plugin_utils.baseline_controls import (
    LoadedControl,
    load_control,
    role_defaults,
)
from tests.e2e.control_states import ROOT, State, all_states, show, state_files
from tests.lab.fleet import Lab

CONTROL_FILES = {path.stem: path for path in sorted(ROOT.glob("roles/baseline_*/controls/*.yml"))}
# those that need a server have a module of their own, with the host that has it
STATES = [state for state in all_states() if not state.host]


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest, lab: Lab) -> dict[str, dict[str, Any]]:
    """What the hosts answered for the states of the tests that were chosen, at one go."""
    chosen = [
        item.callspec.params["state"]
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.module is request.module
        and "state" in getattr(getattr(item, "callspec", None), "params", {})
    ]
    variables = role_defaults()
    controls: dict[str, LoadedControl] = {
        name: load_control(CONTROL_FILES[name], variables)
        for name in {state.control for state in chosen}
    }
    return show(lab, chosen, controls)


@pytest.mark.lab
@pytest.mark.slow
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.id)
def test_verdict_on_a_real_host(state: State, results: dict[str, dict[str, Any]]) -> None:
    result = results[state.id]
    assert "broken" not in result, f"{state.id}: {result['broken']}"
    assert result["verdict"] == state.verdict, (
        f"{state.id}: value {result.get('value')!r}, reason {result.get('reason')}"
    )


# network devices are judged by files: tests/e2e/test_network_controls.py
ON_HOSTS = [
    name for name, path in CONTROL_FILES.items() if path.parents[1].name != "baseline_network"
]


@pytest.mark.parametrize("control", ON_HOSTS)
def test_control_has_states_in_which_it_passes_and_fails(control: str) -> None:
    data = state_files().get(control)
    assert data is not None, f"tests/lab_states/{control}.yml is missing"
    for verdict in ("pass", "fail"):
        assert data.get(verdict) or data.get("cannot", {}).get(verdict), (
            f"no state in which {control} must {verdict}, and no reason under cannot: {verdict}:"
        )


def test_every_state_file_belongs_to_a_control() -> None:
    assert set(state_files()) <= set(CONTROL_FILES)


def test_state_names_are_distinct() -> None:
    ids = [state.id for state in all_states()]
    assert len(ids) == len(set(ids))
