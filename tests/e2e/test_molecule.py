# SPDX-License-Identifier: GPL-3.0-or-later
"""Every role's molecule scenario, on a real host, as a developer runs it.

Roles are found by scan, so one without a scenario fails here. A scenario proves something only if
it can fail: one of them runs against a host that it was kept from breaking, and must say so.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.fixtures import built
from tests.lab.fleet import Lab, LabHost
from tests.lab.software_layer import BACKUP, DATABASES, WEB

pytestmark = [pytest.mark.lab, pytest.mark.slow]

_ROOT = Path(__file__).resolve().parents[2]
_CONFIG = _ROOT / ".config/molecule/config.yml"
# What these fix is asked on real hosts by tests of their own (`test_fix_*`, `test_*_controls`), and
# their scenarios take longest.
_LONG = {
    "backup_agent",
    "backup_drill",
    "backup_files",
    "backup_postgresql",
    "backup_sqlite",
    "backup_verify",
    "baseline_accounts",
    "baseline_kernel",
    "baseline_logs",
    "baseline_mariadb",
    "baseline_network",
    "baseline_nginx",
    "baseline_ports",
    "baseline_postgresql",
    "baseline_redis",
}
# They are asked with real servers and real places (tests/e2e/test_backup_*_cli.py,
# tests/contract/test_backup_{mariadb,redis,places}.py).
_BARE = {"backup_copy", "backup_mariadb", "backup_prune", "backup_redis"}
_ROLES = [
    pytest.param(name, marks=pytest.mark.full if name in _LONG else ())
    for name in sorted(path.parent.parent.name for path in _ROOT.glob("roles/*/tasks/main.yml"))
    if name not in _BARE
]
# Their phases are asked much closer in tests of their own; one of them shows that scenarios work.
_PAYLOADS = [
    pytest.param(name, marks=() if name == "payload_config" else pytest.mark.full)
    for name in sorted(path.parent.parent.name for path in _ROOT.glob("roles/*/meta/payload.yml"))
]
# So are heal actions; their faults need software that not every host has.
_HEALS = [
    pytest.param(name, marks=() if name == "heal_service" else pytest.mark.full)
    for name in sorted(path.parent.parent.name for path in _ROOT.glob("roles/*/meta/heal.yml"))
]
_STEPS = ("syntax", "converge", "idempotence", "verify")


# Roles whose scenario breaks and repairs a server need a host that has it.
_SOFTWARE = {
    "baseline_postgresql": DATABASES, "baseline_mariadb": DATABASES,
    "backup_agent": BACKUP, "backup_drill": BACKUP, "backup_files": BACKUP, "backup_verify": BACKUP,
    "backup_postgresql": DATABASES, "backup_sqlite": BACKUP,
    "baseline_redis": WEB, "baseline_nginx": WEB,
    "heal_postgresql": DATABASES, "heal_redis": WEB, "heal_nginx": WEB, "heal_certificate": WEB,
}  # fmt: skip


@pytest.fixture(scope="module")
def plain(lab: Lab) -> Iterator[LabHost]:
    """One host for all scenarios, which leave it as they found it; a failed one may not."""
    host = next((host for host in lab.hosts if host.role == "pos"), lab.hosts[0])
    yield host
    host.reset()


@pytest.fixture
def till(plain: LabHost, request: pytest.FixtureRequest) -> Iterator[LabHost]:
    """The host, with the software that the role of this test looks at."""
    parameters = getattr(getattr(request.node, "callspec", None), "params", {})
    layer = _SOFTWARE.get(str(parameters.get("role")))
    if layer is None:
        yield plain
        return
    plain.reset(above=built(layer))
    plain.run("systemctl is-system-running --wait", user="root", check=False)
    yield plain
    plain.reset()


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder with a short name: ssh's sockets lie below it, and their paths have a limit."""
    with tempfile.TemporaryDirectory(prefix="mol-") as name:
        yield Path(name)


def _molecule(role: str, till: LabHost, home: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """``molecule ARGV`` in the folder of ``role``; whatever it caches goes below ``home``."""
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.defpath}:/usr/sbin:/sbin",
        "HOME": str(home),
        "ANSIBLE_HOME": str(home / "a"),
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
        "MOLECULE_COMMAND_BORDERS": "false",
        "MOLECULE_LAB_INVENTORY": str(till.lab.inventory_path),
        "MOLECULE_LAB_LIMIT": till.name,
    }
    return subprocess.run(
        ["molecule", "-c", str(_CONFIG), *argv],
        cwd=_ROOT / "roles" / role, env=env, check=False, timeout=900, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def _copies(home: Path, role: str) -> list[Path]:
    """Copies of our collection where Ansible would find one before the checkout."""
    places = (home, _ROOT / ".ansible", _ROOT / "roles" / role)
    return [copy for place in places for copy in place.rglob("ansible_collections/storewarden")]


@pytest.mark.parametrize("role", [*_ROLES, *_PAYLOADS, *_HEALS])
def test_every_role_passes_its_scenario(role: str, till: LabHost, home: Path) -> None:
    done = _molecule(role, till, home, "test")
    assert done.returncode == 0, done.stdout
    # Molecule goes past a step whose playbook it does not find, and ends with 0.
    taken = re.findall(r"default > (\w+): Executed: Successful", done.stdout)
    assert tuple(taken[-len(_STEPS) :]) == _STEPS, done.stdout
    # Nor does an inventory that leaves no host make it fail.
    assert len(re.findall(rf"^{till.name} +: ok=[1-9]", done.stdout, re.MULTILINE)) == 3, (
        done.stdout
    )
    assert _copies(home, role) == []
    left = "find /etc /run /var/lib -name '*molecule*'; systemctl list-units -q '*molecule*'"
    assert till.run(left, user="root").stdout == ""


def test_a_scenario_fails_when_its_role_is_not_right(till: LabHost, home: Path) -> None:
    only_verify = home / "only_verify.yml"
    only_verify.write_text("scenario: {test_sequence: [verify]}")
    # No port is opened, so the role rightly finds nothing, which is wrong for a broken host.
    argv = ("-c", str(only_verify), "test", "--", "-e", "scenario_break=true")
    done = _molecule("baseline_ports", till, home, *argv)
    assert done.returncode != 0
    assert "D01 on the broken host" in done.stdout, done.stdout
