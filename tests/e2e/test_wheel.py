# SPDX-License-Identifier: GPL-3.0-or-later
"""What a customer installs: one wheel that brings the Python package and the collection."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def installed(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that holds nothing but the built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = str(Path(sys.executable).parent / "uv")
    env = {**os.environ, "VIRTUAL_ENV": str(folder / "venv")}
    _must([uv, "build", "--quiet", "--wheel", "--out-dir", str(folder), str(project_root)], env)
    _must([uv, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")], env)
    (wheel,) = folder.glob("*.whl")
    _must([uv, "pip", "install", "--quiet", str(wheel)], env)
    return folder / "venv" / "bin"


def _must(argv: list[str], env: dict[str, str]) -> None:
    done = subprocess.run(argv, env=env, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _run(bin_folder: Path, tmp_path: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    env = {
        "PATH": f"{bin_folder}:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
    }
    words = [str(bin_folder / argv[0]), *argv[1:]]
    return subprocess.run(
        words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=600
    )


def test_one_install_brings_the_collection_that_ansible_finds(
    installed: Path, tmp_path: Path
) -> None:
    listed = _run(installed, tmp_path, "ansible-galaxy", "collection", "list", "storewarden.ops")
    assert listed.returncode == 0, listed.stderr
    assert "storewarden.ops" in listed.stdout
    documented = _run(installed, tmp_path, "ansible-doc", "storewarden.ops.baseline_audit")
    assert documented.returncode == 0, documented.stderr


def test_what_only_developers_of_a_role_need_stays_out(installed: Path) -> None:
    (roles,) = installed.parent.glob(
        "lib/*/site-packages/ansible_collections/storewarden/ops/roles"
    )
    assert {path.name for path in roles.glob("baseline_ssh/*")} >= {"controls", "tasks"}
    assert [*roles.glob("*/molecule"), *roles.glob("*/.*")] == []


def test_the_installed_playbook_runs_under_plain_ansible(installed: Path, tmp_path: Path) -> None:
    done = _run(
        installed, tmp_path, "ansible-playbook", "-i", "localhost,", "-c", "local",
        "storewarden.ops.baseline_audit", "-e", "ansible_become=false",
        "-e", '{"baseline_audit_controls": ["A01", "C01"]}',
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed=0" in done.stdout
    assert "changed=0" in done.stdout


def test_the_installed_command_sets_up_a_site_and_audits_this_machine(
    installed: Path, tmp_path: Path
) -> None:
    made = _run(installed, tmp_path, "storewarden", "init", "chain")
    assert made.returncode == 0, made.stderr
    done = _run(
        installed, tmp_path, "storewarden", "audit", "--local", "--controls", "A01,C01",
        "--format", "json", "--fail-under", "0",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '"A01"' in done.stdout
