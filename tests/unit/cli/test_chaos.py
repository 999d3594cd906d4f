# SPDX-License-Identifier: GPL-3.0-or-later
"""What people type for `storewarden chaos`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from storewarden.cli.chaos import chaos
from storewarden.domain.chaos.fault import FAULTS


def test_the_list_names_every_fault_with_its_limit_and_its_answer() -> None:
    told = CliRunner().invoke(chaos, ["list"]).stdout
    for name, fault in FAULTS.items():
        (line,) = [each for each in told.splitlines() if each.startswith(f"{name} ")]
        assert f"{int(fault.longest.total_seconds()) // 60} min" in line
        assert all(answer in line for answer in fault.answers)
    assert "切断线路" in CliRunner().invoke(chaos, ["list", "--lang", "zh"]).stdout
    found = json.loads(CliRunner().invoke(chaos, ["list", "--json"]).stdout)
    assert [each["fault"] for each in found] == list(FAULTS)


@pytest.mark.parametrize(
    "words",
    [
        ["--for", "soon"],
        ["--for", ""],
        ["--for", "5"],
        ["-o", "unit"],
        ["-o", "=pos"],
        ["-o", "unit=a", "-o", "unit=b"],
        ["--html", "/no/such/folder/page.html"],
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_opened(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(chaos, ["run", "stop-unit", "--host", "pos01", *words])
    assert done.exit_code != 0
    assert type(done.exception).__name__ == "ConfigInvalid"
    assert list(tmp_path.iterdir()) == []
