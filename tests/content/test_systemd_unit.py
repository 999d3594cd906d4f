# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit that is shipped is one systemd understands, and keeps plays alive."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_UNIT = "packaging/systemd/storewarden.service"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd")
def test_systemd_has_no_complaint(project_root: Path, tmp_path: Path) -> None:
    """The program's place is what a drop-in sets; everything else is as shipped."""
    program = Path(sys.executable).with_name("storewarden")
    text = (project_root / _UNIT).read_text().replace("=storewarden serve", f"={program} serve")
    unit = tmp_path / "storewarden.service"
    unit.write_text(text)
    said = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    ours = [line for line in said.stderr.splitlines() if "storewarden" in line]
    assert ours == []


def test_a_restart_leaves_running_plays_alone(project_root: Path) -> None:
    lines = (project_root / _UNIT).read_text().splitlines()
    assert "KillMode=process" in lines
    assert "Restart=always" in lines
    assert not any(line.startswith("PrivateTmp") for line in lines)
