# SPDX-License-Identifier: GPL-3.0-or-later
"""The units that are shipped are such as systemd understands, and keep plays alive."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_FOLDER = "packaging/systemd"
UNITS = {"storewarden.service": "serve", "storewarden-worker.service": "worker"}


def test_each_unit_is_looked_at(project_root: Path) -> None:
    assert {path.name for path in (project_root / _FOLDER).glob("*.service")} == set(UNITS)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_has_no_complaint(project_root: Path, tmp_path: Path, name: str) -> None:
    """The program's place is what a drop-in sets; everything else is as shipped."""
    program = Path(sys.executable).with_name("storewarden")
    text = (project_root / _FOLDER / name).read_text()
    unit = tmp_path / name
    unit.write_text(text.replace(f"=storewarden {UNITS[name]}", f"={program} {UNITS[name]}"))
    said = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    ours = [line for line in said.stderr.splitlines() if "storewarden" in line]
    assert ours == []


@pytest.mark.parametrize("name", UNITS)
def test_a_restart_leaves_running_plays_alone(project_root: Path, name: str) -> None:
    lines = (project_root / _FOLDER / name).read_text().splitlines()
    assert "KillMode=process" in lines
    assert "Restart=always" in lines
    assert not any(line.startswith("PrivateTmp") for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("name", UNITS)
def test_it_starts_a_verb_that_there_is(project_root: Path, name: str) -> None:
    """With the options of the unit."""
    (line,) = (
        line
        for line in (project_root / _FOLDER / name).read_text().splitlines()
        if line.startswith("ExecStart=")
    )
    program, verb, *options = line.removeprefix("ExecStart=").split()
    assert (program, verb) == ("storewarden", UNITS[name])
    said = subprocess.run(
        [Path(sys.executable).with_name(program), verb, *options, "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert all(option in said.stdout for option in options)
