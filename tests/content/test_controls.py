# SPDX-License-Identifier: GPL-3.0-or-later
"""Every control file, found by scanning: well formed, and right about each of its own cases."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import Getter
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters import GETTERS
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.operators import OPERATORS
from ansible_collections.storewarden.ops.plugins.plugin_utils.baseline_controls import (
    LoadedControl,
    described,
    load_control,
    role_defaults,
)
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_cases import (
    case_problem,
    run_case,
)
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_yaml import ControlError

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(ROOT.glob("roles/baseline_*/controls/*.yml"))
FAMILY_LETTERS = {
    "accounts": "A", "ssh": "B", "kernel": "C", "ports": "D", "logs": "E", "pos": "F",
    "postgresql": "G", "mariadb": "H", "redis": "I", "nginx": "J", "network": "K",
}  # fmt: skip
VARIABLES = role_defaults()


def _loaded() -> dict[Path, LoadedControl | ControlError]:
    """One broken file must not hide the cases of all the others."""
    found: dict[Path, LoadedControl | ControlError] = {}
    for path in FILES:
        try:
            found[path] = load_control(path, VARIABLES)
        except ControlError as error:
            found[path] = error
    return found


LOADED = _loaded()
CONTROLS = [one for one in LOADED.values() if isinstance(one, LoadedControl)]


def _cases() -> Iterator[Any]:
    for control in CONTROLS:
        for place, case in enumerate(control.data.get("cases", []), 1):
            yield pytest.param(control, case, id=f"{control.id}-{place}-{case['name']}")


def test_there_are_controls() -> None:
    assert len(FILES) >= 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_follows_the_format(path: Path) -> None:
    loaded = LOADED[path]
    assert not isinstance(loaded, ControlError), "\n".join(map(str, loaded.problems))


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.id)
def test_id_belongs_to_the_family(control: LoadedControl) -> None:
    assert control.id[0] == FAMILY_LETTERS.get(control.family, control.id[0])


@pytest.mark.parametrize(("control", "case"), list(_cases()))
def test_case(control: LoadedControl, case: dict[str, Any]) -> None:
    result = run_case(control.data, case, control.defaults)
    problem = case_problem(case, result)
    assert problem is None, f"{control.id}, {case['name']}: {problem}"


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.id)
def test_control_is_shown_to_pass_and_to_fail(control: LoadedControl) -> None:
    seen = {case["verdict"] for case in control.data.get("cases", [])}
    wanted = {"manual"} if "manual" in control.data["check"] else {"pass", "fail"}
    assert wanted <= seen, f"cases are missing for: {', '.join(sorted(wanted - seen))}"


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.id)
def test_every_condition_of_when_has_a_case(control: LoadedControl) -> None:
    conditions = control.data.get("when", [])
    skipped = [case for case in control.data.get("cases", []) if case["verdict"] == "na"]
    assert bool(skipped) == bool(conditions)


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.id)
def test_case_names_are_distinct(control: LoadedControl) -> None:
    names = [case["name"] for case in control.data.get("cases", [])]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.id)
def test_texts_are_complete_in_both_languages(control: LoadedControl) -> None:
    entry = described(control)
    for texts in (entry["title"], entry["fix"]["text"]):
        assert all(texts[language].strip() for language in ("en", "zh"))
        assert texts["en"] != texts["zh"]
    for language in ("en", "zh"):  # a place that was not filled in reads like a mistake
        assert not any("{" + name + "}" in entry["title"][language] for name in control.defaults)


_TYPES = {bool: "bool", int: "int", str: "str", list: "list", dict: "dict"}


@pytest.mark.parametrize("family", FAMILY_LETTERS)
def test_every_variable_is_documented_typed_and_used(family: str) -> None:
    role = ROOT / f"roles/baseline_{family}"
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text(encoding="utf-8"))
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    options = specs["argument_specs"]["main"]["options"]
    assert {name: one["default"] for name, one in options.items()} == defaults
    for name, one in options.items():
        assert one["type"].replace("path", "str") == _TYPES[type(defaults[name])], name
        assert ("elements" in one) is (one["type"] == "list"), name
        if one["type"] == "list":
            kinds = {_TYPES[type(element)] for element in defaults[name]}
            assert kinds <= {one["elements"].replace("path", "str")}, name
    read = {variable for control in CONTROLS for variable in control.variables.values()}
    assert set(options) <= read
    readme = (role / "README.md").read_text(encoding="utf-8")
    assert [name for name in options if f"`{name}`" not in readme] == []


@pytest.mark.parametrize("family", FAMILY_LETTERS)
def test_every_default_says_where_it_comes_from(family: str) -> None:
    text = (ROOT / f"roles/baseline_{family}/defaults/main.yml").read_text(encoding="utf-8")
    names = re.findall(rf"^(baseline_{family}_\w+):", text, re.M)
    above = {name: text.split(f"\n{name}:")[0].split("\n\n")[-1] for name in names}
    assert [name for name, words in above.items() if not re.search(r"[Gg]uide", words)] == []


@pytest.mark.parametrize("getter", list(GETTERS.values()), ids=lambda getter: getter.name)
def test_getter_is_documented_with_every_word_of_its_query(getter: Getter) -> None:
    text = (ROOT / "docs/reference/control-format.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith(f"| `{getter.name}` |")]
    assert rows, f"{getter.name} has no row in the table of getters"
    query = rows[0].split(" | ")[1]
    words = (*getter.required, *getter.optional, *getter.one_of)
    named = {"type", "module", "service", "before", "after", "with_arg", "control"}
    if "as `pam`" in query:
        words = tuple(word for word in words if word not in named)
    assert [word for word in words if f"`{word}" not in query] == []


def test_operators_are_documented() -> None:
    text = (ROOT / "docs/reference/control-format.md").read_text(encoding="utf-8")
    section = text.split("## Operators")[1].split("## Getters")[0]
    assert [name for name in OPERATORS if not re.search(rf"\b{name}\b", section)] == []
