# SPDX-License-Identifier: GPL-3.0-or-later
"""What heal actions say of themselves: a wrong word is named, and the script tells all of them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import STATES as OF_ACTION
from ansible_collections.storewarden.ops.plugins.plugin_utils.heal_meta import (
    OPERATIONS,
    STATES,
    HealProblem,
    folder_of,
    heal_folders,
    load_meta,
    main,
    options_of,
    problems,
)
from storewarden.domain.maintenance.grounds import OperationClass

BOTH = {"en": "x", "zh": "试"}
GOOD: dict[str, Any] = {
    "summary": BOTH,
    "alerts": ["ServiceDown"],
    "risk": "low",
    "operation": "service-recovery",
    "disruptive": False,
    "idempotent": True,
    "timing": {"diagnose": 1, "act": 2.5, "verify": 3},
    "limits": {"cooldown": 60},
    "verify": "alert",
    "undo": "none",
    "undo_note": BOTH,
    "never": BOTH,
    "cases": [{"name": "a", "facts": {}, "options": {}, "state": "healthy", "reason": "r"}],
}


def test_the_words_are_those_of_windows_and_of_actions() -> None:
    assert set(OPERATIONS) == {one.value for one in OperationClass}
    assert STATES == OF_ACTION


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"operation": "sale"}, "operation: 'sale' is none of"),
        ({"may_become": "patch"}, "may_become: a list of operation classes is meant"),
        ({"may_become": ["patch", "sale"]}, "may_become: 'sale' is none of"),
        ({"risk": "none"}, "risk: 'none' is none of"),
        ({"verify": "both"}, "verify: 'both' is none of"),
        ({"undo": "yes"}, "undo: 'yes' is none of"),
        ({"summary": "x"}, "summary: en and zh are meant"),
        ({"never": {"en": "x", "zh": " "}}, "never.zh: a text is meant"),
        ({"disruptive": "yes"}, "disruptive: true or false is meant, not 'yes'"),
        ({"alerts": "ServiceDown"}, "alerts: a list of names is meant"),
        ({"alerts": [3]}, "alerts: 3: a name is meant"),
        ({"timing": {"diagnose": 1, "act": 1}}, "timing.verify: is missing"),
        ({"timing": {"diagnose": 1, "act": 0, "verify": 1}}, "timing.act: seconds above 0"),
        ({"timing": {"diagnose": 1, "act": 1, "verify": 1, "undo": 1}}, "timing.undo: is no key"),
        ({"limits": {"per_6h": 1.5}}, "limits.per_6h: a whole number above 0 is meant"),
        ({"limits": {"per_day": 1}}, "limits.per_day: is no key of it"),
        ({"cases": []}, "cases: a list is meant"),
        ({"cases": [{"name": "a"}]}, "cases[1].facts: is missing"),
        ({"cases": [{**GOOD["cases"][0], "state": "ill"}]}, "cases[1].state: 'ill' is none of"),
        ({"cases": [{**GOOD["cases"][0], "wish": 1}]}, "cases[1].wish: is no key of it"),
        ({"color": "red"}, "color: is no key of it"),
    ],
)
def test_a_wrong_word_is_named(change: dict[str, Any], said: str) -> None:
    assert problems(GOOD) == []
    assert any(one.startswith(said) for one in problems({**GOOD, **change})), problems(
        {**GOOD, **change}
    )


@pytest.mark.parametrize("key", [key for key in GOOD if key != "limits"])
def test_a_missing_key_is_named(key: str) -> None:
    left = {name: value for name, value in GOOD.items() if name != key}
    assert problems(left) == [f"{key}: is missing"]


def _role(roles: Path, name: str, meta: object, options: dict[str, Any] | None = None) -> Path:
    role = roles / f"heal_{name}"
    for folder in ("meta", "defaults"):
        (role / folder).mkdir(parents=True)
    (role / "meta" / "heal.yml").write_text(yaml.safe_dump(meta, allow_unicode=True), "utf-8")
    specs = {"argument_specs": {"diagnose": {"options": options or {}}}}
    (role / "meta" / "argument_specs.yml").write_text(yaml.safe_dump(specs), "utf-8")
    (role / "defaults" / "main.yml").write_text("heal_own_days: 7\n", "utf-8")
    return role


def test_a_site_has_actions_of_its_own(tmp_path: Path) -> None:
    options = {
        "heal_own_days": {"type": "int", "default": 3, "description": "days"},
        "heal_own_path": {"type": "path", "required": True},
    }
    role = _role(tmp_path, "own", {k: v for k, v in GOOD.items() if k != "limits"}, options)
    assert heal_folders([tmp_path])["own"] == role == folder_of("own", [tmp_path])
    assert load_meta(role)["limits"] == {}
    out, err = io.StringIO(), io.StringIO()
    assert main(["--json", "--roles", str(tmp_path), "own"], out, err) == 0
    (told,) = json.loads(out.getvalue())["actions"]
    assert (told["name"], told["timing"]["act"], told["summary"]) == ("own", 2.5, BOTH)
    assert told["options"] == {
        "days": {"type": "int", "default": 7, "description": "days", "required": False},
        "path": {"type": "path", "required": True},
    }
    assert "cases" not in told


def test_an_option_needs_the_prefix_of_its_role(tmp_path: Path) -> None:
    role = _role(tmp_path, "own", GOOD, {"days": {"type": "int"}})
    with pytest.raises(HealProblem, match=r"argument_specs.yml: days: does not begin with heal_ow"):
        options_of(role)


def test_one_broken_file_is_one_line(tmp_path: Path) -> None:
    _role(tmp_path, "own", {**GOOD, "risk": "none"})
    out, err = io.StringIO(), io.StringIO()
    assert main(["--json", "--roles", str(tmp_path)], out, err) == 2
    assert out.getvalue() == ""
    line = err.getvalue()
    assert line.count("\n") == 1
    assert "heal_own/meta/heal.yml: risk: 'none' is none of low, medium, high" in line


def test_the_script_tells_all() -> None:
    out, err = io.StringIO(), io.StringIO()
    assert main(["--json"], out, err) == 0
    told = {one["name"]: one for one in json.loads(out.getvalue())["actions"]}
    assert set(told) == set(heal_folders())
    assert told["service"]["options"]["unit"]["required"] is True


@pytest.mark.parametrize("name", ["../service", "Service", "step", ""])
def test_a_name_that_cannot_be_one(name: str) -> None:
    with pytest.raises(HealProblem, match="lower-case letters"):
        folder_of(name)


def test_an_action_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(HealProblem, match=r"no heal action nothere .*known: .*service"):
        folder_of("nothere")
