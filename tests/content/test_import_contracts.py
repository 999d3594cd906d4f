# SPDX-License-Identifier: GPL-3.0-or-later
"""The import contracts and the clock ban catch what they are there for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_BIN = Path(sys.executable).parent


@pytest.fixture
def house(project_root: Path, tmp_path: Path) -> Path:
    """A copy of the package with its contracts, to break rules in."""
    shutil.copytree(
        project_root / "python/storewarden", tmp_path / "python/storewarden",
        ignore=shutil.ignore_patterns("__pycache__"),
    )  # fmt: skip
    shutil.copy(project_root / "pyproject.toml", tmp_path)
    return tmp_path


def _lint_imports(house: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(_BIN / "lint-imports"), "--no-cache", "--config", "pyproject.toml"],
        cwd=house, env={**os.environ, "PYTHONPATH": str(house / "python")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("room", "line", "contract"),
    [
        ("domain/baseline/score.py", "import subprocess", "The domain is pure"),
        ("domain/estate/guard.py", "import storewarden.domain.baseline.score", "Inside the domain"),
        ("domain/errors.py", "import storewarden.ports.clock", "Rooms"),
        ("flows/audit.py", "import storewarden.adapters.clock", "Rooms"),
        ("adapters/clock.py", "import storewarden.adapters.waivers", "Adapters know nothing"),
        ("adapters/extensions.py", "import storewarden.adapters.clock", "Adapters know nothing"),
        ("adapters/tickets/rt.py", "import storewarden.adapters.notify.wecom", "Adapters know n"),
        ("cli/audit.py", "import ansible_runner", "ansible-runner has one owner"),
        ("flows/audit.py", "import sqlalchemy", "database has one owner"),
        ("cli/audit.py", "import ansible_collections", "never imports it"),
    ],
)
def test_a_seeded_violation_is_caught(house: Path, room: str, line: str, contract: str) -> None:
    target = house / "python/storewarden" / room
    target.write_text(target.read_text() + f"\n{line}\n")
    done = _lint_imports(house)
    assert done.returncode != 0, done.stdout
    broken = [row for row in done.stdout.splitlines() if " BROKEN" in row]
    assert any(contract in row for row in broken), done.stdout[-2000:]


def test_an_undeclared_room_is_caught(house: Path) -> None:
    (house / "python/storewarden/domain/misc").mkdir()
    (house / "python/storewarden/domain/misc/__init__.py").write_text("")
    assert "misc" in _lint_imports(house).stdout


@pytest.mark.parametrize(
    "line",
    ["datetime.datetime.now(datetime.UTC)", "time.time()", "uuid.uuid4()", "random.random()"],
)
def test_the_domain_may_not_look_at_the_clock_or_draw_chance(house: Path, line: str) -> None:
    module = line.partition(".")[0]
    target = house / "python/storewarden/domain/estate/clocked.py"
    target.write_text(f"import {module}\n\nTHEN = {line}\n")
    done = subprocess.run(
        [str(_BIN / "ruff"), "check", "--no-cache", "--select", "TID251", target],
        cwd=house, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "TID251" in done.stdout, done.stdout
