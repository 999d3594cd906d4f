# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixes as data: what a control file may say, what the host gets, what a report says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.kinds import KINDS
from ansible_collections.storewarden.ops.plugins.plugin_utils import control_fix
from ansible_collections.storewarden.ops.plugins.plugin_utils.baseline_controls import (
    LoadedControl,
    load_catalogue,
    load_control,
)
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_schema import FIXES, GROUPS
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_yaml import ControlError

ORDER = (
    "packages services sysctl modules mounts logs audit database cache web pos firewall accounts"
    " ssh pam"
)


def loaded(folder: Path, fix: dict[str, Any], **params: Any) -> LoadedControl:
    """The one control of the folder, with this fix. Raises ControlError."""
    used = [{"param": name} for name in params]
    data = {
        "id": "Z01",
        "title": {"en": "a trial", "zh": "试验"},
        "severity": "low",
        "risk": "R2",
        "guide": {"section": "1.1.1", "mark": "X"},
        "params": {name: {"variable": "x_" + name, "default": one} for name, one in params.items()},
        "check": {"get": "value", "q": {"of": used}, "expect": {"present": True}},
        "fix": fix,
    }
    path = folder / "controls" / "Z01.yml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(data, allow_unicode=True))
    return load_control(path, {})


def test_every_kind_has_fields_words_and_a_plan() -> None:
    assert set(KINDS) == set(FIXES) == set(control_fix._TEXTS)


def test_groups_are_applied_in_this_order() -> None:
    assert ORDER.split() == GROUPS
    unknown = {one.id for one in load_catalogue().controls if one.group not in GROUPS}
    assert unknown == set()


def test_the_host_gets_parameters_as_data_and_texts_filled_in(tmp_path: Path) -> None:
    control = loaded(
        tmp_path,
        {
            "group": "packages",
            "note": {"en": "at night", "zh": "夜间进行"},
            "steps": [
                {"kind": "packages", "absent": ["{banned}", "xinetd"], "present": {"param": "own"}},
                {"kind": "drop_in", "path": "/etc/x", "lines": ["min = {min}", "cost=${min}"]},
                {"kind": "unit", "units": ["x"], "state": "enabled", "restart": "y"},
            ],
        },
        banned=["telnetd", "nis"], own=["chrony"], min=8,
    )  # fmt: skip
    fix = control.prepared_fix({"min": 12})
    assert (fix["id"], fix["risk"], fix["group"]) == ("Z01", "R2", "packages")
    packages, drop_in, unit = fix["steps"]
    assert packages["absent"] == ["telnetd", "nis", "xinetd"]
    assert packages["present"] == ["chrony"]
    assert drop_in["lines"] == ["min = 12", "cost=${min}"]
    assert unit == {"kind": "unit", "units": ["x"], "state": "enabled", "restart": "y"}
    text = control_fix.fix_text(control.data["fix"], control.defaults)
    assert text["en"] == (
        "remove telnetd, nis, xinetd; install chrony; write to /etc/x: min = 8 | cost=${min};"
        " enable and start x; then restart y; at night"
    )
    assert "卸载 telnetd, nis, xinetd" in text["zh"]
    assert not control.manual


def test_a_fix_of_one_kind_is_one_step(tmp_path: Path) -> None:
    fix = {"group": "ssh", "kind": "mode", "paths": ["/etc/x"], "mode": "0600"}
    (step,) = loaded(tmp_path, fix).prepared_fix({})["steps"]
    assert step == {"kind": "mode", "paths": ["/etc/x"], "mode": "0600"}


def test_what_people_have_to_do_is_known_as_such(tmp_path: Path) -> None:
    fix = {"group": "ssh", "kind": "manual", "how": {"en": "look", "zh": "检查"}}
    assert loaded(tmp_path, fix).manual


GOOD = {"kind": "drop_in", "path": "/etc/x", "lines": ["a = 1"]}


@pytest.mark.parametrize(
    ("fix", "problem"),
    [
        ({"group": "kernel", **GOOD}, "'kernel' is not one of packages, services"),
        ({"group": "ssh", "kind": "magic"}, "fix.kind: must be one of"),
        ({"group": "ssh", **GOOD, "reloads": "x"}, "reloads: unknown key"),
        ({"group": "ssh", **GOOD, "lines": "a = 1"}, "lines: must be a list of texts"),
        ({"group": "ssh", **GOOD, "lines": [1]}, "lines: must be a list of texts"),
        ({"group": "ssh", **GOOD, "key": "("}, "bad regular expression"),
        ({"group": "ssh", **GOOD, "lines": ["a = {b}"]}, "{b} is no declared parameter"),
        ({"group": "ssh", **GOOD, "mode": {"param": "m"}}, "parameter m is not declared"),
        ({"group": "ssh", "steps": []}, "at least one step"),
        ({"group": "ssh", "steps": [{"kind": "drop_in", "path": "/etc/x"}]}, "lines is missing"),
        ({"group": "ssh", "steps": [{**GOOD, "group": "ssh"}]}, "group: unknown key"),
        ({"group": "ssh", "kind": "drop_in", "steps": [GOOD]}, "kind: unknown key"),
        (
            {"group": "ssh", "steps": [{"kind": "manual", "how": {"en": "x", "zh": "看"}}]},
            "manual stands alone",
        ),
        ({"group": "ssh", "kind": "unit", "units": ["x"], "state": "off"}, "'off' is not one of"),
    ],
)
def test_what_a_control_file_may_not_say(tmp_path: Path, fix: dict[str, Any], problem: str) -> None:
    with pytest.raises(ControlError) as error:
        loaded(tmp_path, fix)
    assert problem in " ".join(what for _path, _line, what in error.value.problems) or (
        problem in str(error.value)
    )
