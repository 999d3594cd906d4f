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


def _copy(project_root: Path, folder: Path) -> Path:
    """The package with its contracts, to break rules in."""
    shutil.copytree(
        project_root / "python/storewarden", folder / "python/storewarden",
        ignore=shutil.ignore_patterns("__pycache__"),
    )  # fmt: skip
    shutil.copy(project_root / "pyproject.toml", folder)
    return folder


@pytest.fixture
def house(project_root: Path, tmp_path: Path) -> Path:
    """A copy of a test's own."""
    return _copy(project_root, tmp_path)


def _lint_imports(house: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(_BIN / "lint-imports"), "--no-cache", "--config", "pyproject.toml"],
        cwd=house, env={**os.environ, "PYTHONPATH": str(house / "python")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


# room, what it must not import, and a piece of the name of the contract that says so
_VIOLATIONS = [
    ("domain/baseline/score.py", "subprocess", "The domain is pure"),
    ("domain/estate/guard.py", "storewarden.domain.baseline.score", "Inside the domain"),
    ("domain/errors.py", "storewarden.ports.clock", "Rooms"),
    ("flows/audit.py", "storewarden.adapters.clock", "Rooms"),
    ("adapters/clock.py", "storewarden.adapters.waivers", "Adapters know nothing"),
    ("adapters/extensions.py", "storewarden.adapters.clock", "Adapters know nothing"),
    ("adapters/tickets/rt.py", "storewarden.adapters.notify.wecom", "Adapters know n"),
    ("cli/audit.py", "ansible_runner", "ansible-runner has one owner"),
    ("flows/audit.py", "sqlalchemy", "database has one owner"),
    ("cli/audit.py", "ansible_collections", "never imports it"),
]


@pytest.fixture(scope="module")
def said(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the check says of a house with all violations at once: a run takes seconds."""
    house = _copy(project_root, tmp_path_factory.mktemp("house"))
    for room, imported, _contract in _VIOLATIONS:
        with (house / "python/storewarden" / room).open("a") as target:
            target.write(f"\nimport {imported}\n")
    done = _lint_imports(house)
    assert done.returncode != 0, done.stdout
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("room", "imported", "contract"), _VIOLATIONS)
def test_a_seeded_violation_is_caught(said: str, room: str, imported: str, contract: str) -> None:
    summary, _, details = said.partition("Broken contracts")
    [broken] = [row for row in summary.splitlines() if contract in row]
    name, verdict, _ = broken.partition(" BROKEN")
    assert verdict, summary
    importer = "storewarden." + room.removesuffix(".py").replace("/", ".")
    [about] = [part for part in _sections(details) if part.startswith(name)]
    assert f"{importer} -> {imported} " in about, about[-2000:]


def _sections(details: str) -> list[str]:
    """The parts about the single contracts, each from its name on."""
    lines = details.splitlines(keepends=True)
    underlined = [n - 1 for n, line in enumerate(lines) if n and set(line.strip()) == {"-"}]
    starts = [n for n in underlined if len(lines[n].strip()) == len(lines[n + 1].strip())]
    return ["".join(lines[a:b]) for a, b in zip(starts, [*starts[1:], None], strict=True)]


@pytest.mark.slow
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
