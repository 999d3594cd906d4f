# SPDX-License-Identifier: GPL-3.0-or-later
"""What payloads say of themselves: ours are sound, and a wrong word is named."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.storewarden.ops.plugins.plugin_utils.payload_meta import (
    CLASS_DEFAULTS,
    CLASSES,
    ENTRY_POINTS,
    OPERATIONS,
    PHASES,
    REVERSIBILITY,
    PayloadProblem,
    load_meta,
    main,
    options_of,
    payload_folders,
    problems,
)
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.rollout.spec import PayloadClass, Reversibility

FOLDERS = payload_folders()
GOOD: dict[str, Any] = {
    "summary": {"en": "x", "zh": "试"},
    "class": "content",
    "reversibility": "A",
    "operation": "patch",
}


def test_the_words_are_those_of_the_rollout() -> None:
    assert set(CLASSES) == {one.value for one in PayloadClass} == set(CLASS_DEFAULTS)
    assert set(REVERSIBILITY) == {one.value for one in Reversibility}
    assert set(OPERATIONS) == {one.value for one in OperationClass}


def test_what_is_left_out_comes_from_the_class(tmp_path: Path) -> None:
    role = tmp_path / "payload_own" / "meta"
    role.mkdir(parents=True)
    (role / "payload.yml").write_text(yaml.safe_dump({**GOOD, "timing": {"undo": 7}}))
    meta = load_meta("own", [tmp_path])
    assert meta["waves"] == ["10%", "100%"]
    assert meta["timing"] == {**CLASS_DEFAULTS["content"]["timing"], "undo": 7}
    assert (meta["lock"], meta["reboots"], meta["soak"]["wall"]) == (False, False, 86400)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"class": "patches"}, "class: 'patches' is none of"),
        ({"operation": "sale"}, "operation: 'sale' is none of"),
        ({"reversibility": "E"}, "reversibility: 'E' is none of"),
        ({"summary": {"en": "x"}}, "summary: en and zh are meant"),
        ({"summary": {"en": "x", "zh": " "}}, "summary.zh is empty"),
        ({"lock": "yes"}, "lock: true or false is meant"),
        ({"timing": {"aply": 3}}, "timing.aply is no field of it"),
        ({"timing": {"apply": -3}}, "timing.apply: seconds are meant, not -3"),
        ({"soak": {"wall": True}}, "soak.wall: seconds are meant, not True"),
        ({"waves": []}, "waves: a list of words"),
        ({"waves": ["1 store", "130%"]}, "waves: '130%'"),
        ({"waves": ["0 stores"]}, "waves: '0 stores'"),
        ({"color": "red"}, "color is no field of it"),
    ],
)
def test_a_wrong_word_is_named(change: dict[str, Any], said: str) -> None:
    assert not problems(GOOD)
    assert any(one.startswith(said) for one in problems({**GOOD, **change}))


@pytest.mark.parametrize("wave", ["1 store", "12 stores", "10%", "2.5%", "100%"])
def test_the_words_of_waves(wave: str) -> None:
    assert problems({**GOOD, "waves": [wave, "1 per stratum", "label pilot_east"]}) == []


def test_a_payload_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(PayloadProblem, match=r"there is no payload nothere .*known: .*config"):
        load_meta("nothere")
    with pytest.raises(PayloadProblem, match="lower-case letters"):
        load_meta("../config")


def test_the_script_tells_the_same() -> None:
    out, err = io.StringIO(), io.StringIO()
    assert main(["--json", "config"], out, err) == 0
    assert json.loads(out.getvalue()) == {"config": load_meta("config")}
    assert main(["--json", "nothere"], out, err) == 2
    assert err.getvalue().count("\n") == 1


@pytest.mark.parametrize("name", sorted(FOLDERS))
class TestConformance:
    """Every payload role of this collection keeps its promises."""

    def test_meta_is_sound_and_complete(self, name: str) -> None:
        meta = load_meta(name)
        assert all(meta["timing"][phase] > 0 for phase in PHASES if phase != "reboot")
        assert meta["reboots"] == (meta["timing"]["reboot"] > 0)

    def test_all_entry_points_take_the_same_options(self, name: str) -> None:
        folder = FOLDERS[name]
        specs = yaml.safe_load((folder / "meta" / "argument_specs.yml").read_text("utf-8"))
        entries = specs["argument_specs"]
        assert set(ENTRY_POINTS) <= set(entries)
        known = set(options_of(folder, name))
        for entry in ENTRY_POINTS:
            options = entries[entry].get("options", {})
            assert {one.removeprefix(f"payload_{name}_") for one in options} == known, entry

    def test_defaults_are_options(self, name: str) -> None:
        folder = FOLDERS[name]
        defaults = yaml.safe_load((folder / "defaults" / "main.yml").read_text("utf-8")) or {}
        known = {f"payload_{name}_{one}" for one in options_of(folder, name)}
        assert set(defaults) <= known

    def test_entry_points_set_their_facts(self, name: str) -> None:
        tasks = FOLDERS[name] / "tasks"
        for entry in ENTRY_POINTS:
            assert yaml.safe_load((tasks / f"{entry}.yml").read_text("utf-8")), entry
        assert "payload_preflight:" in (tasks / "preflight.yml").read_text("utf-8")
        assert "payload_verify:" in (tasks / "verify.yml").read_text("utf-8")

    def test_no_way_around_the_frame(self, name: str) -> None:
        """A role that rescues itself, or goes on without a host, would report what is not so."""
        for path in sorted((FOLDERS[name] / "tasks").rglob("*.yml")):
            text = path.read_text("utf-8")
            for word in ("ignore_unreachable", "any_errors_fatal", "run_once", "state: confirmed"):
                assert word not in text, f"{path.name}: {word}"

    def test_it_is_explained_and_has_a_scenario(self, name: str) -> None:
        readme = (FOLDERS[name] / "README.md").read_text("utf-8")
        for option in options_of(FOLDERS[name], name):
            assert f"payload_{name}_{option}" in readme or f"`{option}`" in readme, option
        assert (FOLDERS[name] / "molecule" / "default" / "molecule.yml").is_file()
