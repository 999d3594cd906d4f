# SPDX-License-Identifier: GPL-3.0-or-later
"""Every heal role of this collection keeps its promises; and one that does not is found out."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.storewarden.ops.plugins.plugin_utils.heal_meta import heal_folders
from tests.unit.plugins.heal_conformance import role_problems

FOLDERS = heal_folders()


def test_there_are_the_promised_actions() -> None:
    assert len(FOLDERS) >= 14


@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_the_role_keeps_its_promises(name: str) -> None:
    assert role_problems(FOLDERS[name]) == []


def _meta(role: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = role / "meta" / "heal.yml"
    data = yaml.safe_load(path.read_text("utf-8"))
    change(data)
    path.write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def _without(state: str) -> Callable[[dict[str, Any]], object]:
    def change(data: dict[str, Any]) -> None:
        data["cases"] = [one for one in data["cases"] if one["state"] != state]

    return change


BREAKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no README": (lambda role: (role / "README.md").unlink(), "README.md is missing"),
    "an option that is not explained": (
        lambda role: _replace(role / "README.md", "`settle`", "settle"),
        "README.md does not explain settle",
    ),
    "a language is missing": (
        lambda role: _meta(role, lambda data: data["never"].pop("zh")),
        "never: en and zh are meant",
    ),
    "a wrong state": (
        lambda role: _meta(role, lambda data: data["cases"][0].update(state="healthy")),
        "needed instead of healthy",
    ),
    "another reason": (
        lambda role: _meta(role, lambda data: data["cases"][0].update(reason="it rains")),
        "the reason is",
    ),
    "another plan": (
        lambda role: _meta(role, lambda data: data["cases"][0].update(plan={"unit": "x"})),
        "plan.unit is 'pos.service'",
    ),
    "work that windows are not asked about": (
        lambda role: _meta(role, lambda data: data.pop("may_become")),
        "may_become lacks service-restart",
    ),
    "no case for escalate": (
        lambda role: _meta(role, _without("escalate")),
        "there is no case that is escalate",
    ),
    "no default": (
        lambda role: _replace(role / "defaults/main.yml", "heal_service_settle: 5.0\n", ""),
        "defaults/main.yml: heal_service_settle is missing",
    ),
    "another default": (
        lambda role: _replace(role / "defaults/main.yml", "settle: 5.0", "settle: 9.0"),
        "heal_service_settle is not the default of argument_specs",
    ),
    "another type": (
        lambda role: _replace(role / "meta/argument_specs.yml", "type: int", "type: float"),
        "say different things of max_restarts",
    ),
    "no phase": (lambda role: (role / "tasks/act.yml").unlink(), "tasks/act.yml is missing"),
    "another module": (
        lambda role: _replace(role / "tasks/verify.yml", "heal_service:", "heal_units:"),
        "tasks/verify.yml does not call storewarden.ops.heal_service",
    ),
    "another name for what is registered": (
        lambda role: _replace(role / "tasks/diagnose.yml", "heal_diagnosed", "found"),
        "tasks/diagnose.yml does not register heal_diagnosed",
    ),
    "a way around the frame": (
        lambda role: _replace(role / "tasks/act.yml", "register:", "ignore_errors: true #"),
        "tasks/act.yml: ignore_errors",
    ),
    "an undo that nobody runs": (
        lambda role: shutil.copy(role / "tasks/act.yml", role / "tasks/undo.yml"),
        "tasks/undo.yml is there",
    ),
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_broken_role_is_found_out(what: str, tmp_path: Path) -> None:
    role = tmp_path / "heal_service"
    shutil.copytree(FOLDERS["service"], role)
    assert role_problems(role) == []
    break_it, said = BREAKS[what]
    break_it(role)
    assert any(said in one for one in role_problems(role)), role_problems(role)
