# SPDX-License-Identifier: GPL-3.0-or-later
"""The alerts and heal rules that we ship for Prometheus fit each other, and cover every action."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from storewarden.adapters.ansible.heal_actions import installed_heal_actions
from storewarden.adapters.queries import condition
from storewarden.config.heal_rules import load_rules
from storewarden.domain.healing.rule import Rule
from tests.servers.prometheus import programs

FOLDER = Path(__file__).parents[2] / "packaging/prometheus"
ALERTS = FOLDER / "storewarden-alerts.yml"
SCRIPT = FOLDER / "storewarden_heal_metrics.py"


@pytest.fixture(scope="module")
def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def rules() -> tuple[Rule, ...]:
    actions = {each.action.name: each.action for each in installed_heal_actions()}
    return load_rules(FOLDER / "heal-rules.yml", actions, condition)


def test_every_action_has_its_alert_and_its_rule(
    alerts: list[dict[str, Any]], rules: tuple[Rule, ...]
) -> None:
    installed = {each.action.name for each in installed_heal_actions()}
    assert sorted(alert["labels"]["heal"] for alert in alerts) == sorted(installed)
    assert sorted(rule.action for rule in rules) == sorted(installed)


def test_the_actions_whose_diagnosis_may_find_other_work_say_so_to_the_controller() -> None:
    found = {each.action.name: each.action.may_become for each in installed_heal_actions()}
    told = {name: [each.value for each in classes] for name, classes in found.items() if classes}
    assert told == {key: ["service-restart"] for key in ("certificate", "nginx", "service")}


def test_the_rule_of_an_alert_is_the_one_of_its_action(
    alerts: list[dict[str, Any]], rules: tuple[Rule, ...]
) -> None:
    for alert in alerts:
        labels = {"alertname": alert["alert"], **alert["labels"]}
        (rule,) = [one for one in rules if all(each.matches(labels) for each in one.matchers)]
        assert rule.action == alert["labels"]["heal"], alert["alert"]


def test_metrics_of_ours_are_written_by_our_script(alerts: list[dict[str, Any]]) -> None:
    asked = {name for alert in alerts for name in re.findall(r"storewarden_\w+", alert["expr"])}
    written = set(re.findall(r'"(storewarden_\w+)", \{', SCRIPT.read_text("utf-8")))
    assert asked == written


def test_promtool_finds_nothing_wrong() -> None:
    found = programs()
    if found is None:
        pytest.skip("promtool is neither installed nor to be had from apt here")
    words = [str(found.promtool), "check", "rules", str(ALERTS)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _page(folder: Path, configuration: object) -> subprocess.CompletedProcess[str]:
    (folder / "looks.json").write_text(json.dumps(configuration))
    words = [sys.executable, str(SCRIPT), str(folder / "looks.json"), str(folder / "out.prom")]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_the_script_tells_a_lock_of_nobody_from_one_of_somebody(tmp_path: Path) -> None:
    stale, held = tmp_path / "stale", tmp_path / "held"
    stale.write_text("4000000000\n")
    held.write_text("1\n")
    locks = [{"unit": each.name, "path": str(each)} for each in (stale, held, tmp_path / "none")]
    assert _page(tmp_path, {"locks": locks}).returncode == 0
    page = (tmp_path / "out.prom").read_text()
    assert re.findall(r'name="(\w+)".* ([01])\.0', page) == [
        ("stale", "1"), ("held", "0"), ("none", "0"),
    ]  # fmt: skip


def test_the_script_refuses_what_it_does_not_know_in_one_line(tmp_path: Path) -> None:
    done = _page(tmp_path, {"nmaes": ["a"]})
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "unknown: nmaes" in done.stderr
    assert not (tmp_path / "out.prom").exists()
