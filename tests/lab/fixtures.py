# SPDX-License-Identifier: GPL-3.0-or-later
"""Pytest fixtures: one small lab for the whole test run, and a host a test may break.

The lab is tied to the pytest process: however that ends (also by SIGKILL), the lab's supervisor
notices and removes the lab. STOREWARDEN_LAB_SIZE (``1x3``: one store with three tills) changes
its size, STOREWARDEN_LAB_REUSE=NAME borrows a lab that is up already and leaves it up.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.fleet import Lab, LabHost
from tests.lab.places import source_root
from tests.lab.software_layer import DATABASES, Layer
from tests.lab.tools import root_prefix

_SMALL = "1x3"


def lab_size() -> tuple[int, int]:
    """(stores, tills per store) wished for the tests' lab."""
    text = os.environ.get("STOREWARDEN_LAB_SIZE") or _SMALL
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match:
        raise pytest.UsageError(
            f"STOREWARDEN_LAB_SIZE={text!r}: STORESxTILLS is meant, such as 1x3"
        )
    return int(match[1]), int(match[2])


def lab_command(*words: str) -> list[str]:
    """The words that run the lab's command line as root; skips the test when that is impossible."""
    prefix = root_prefix(ask=False)
    if prefix is None:
        pytest.skip("the lab needs root, or sudo without a password")
    return [*prefix, sys.executable, "-m", "tests.lab", *words]


def _call(*words: str) -> None:
    done = subprocess.run(
        lab_command(*words), cwd=source_root(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.fail(f"lab {' '.join(words)}:\n{done.stdout}{done.stderr}", pytrace=False)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The lab all tests share. Leave its hosts as they were, or use `lab_host`."""
    if borrowed := os.environ.get("STOREWARDEN_LAB_REUSE"):
        yield Lab(borrowed)
        return
    name = f"test-{os.getpid()}"
    stores, pos = lab_size()
    size = ("--stores", str(stores), "--pos", str(pos))
    try:
        _call("up", "--name", name, *size, "--owner", str(os.getpid()))
        yield Lab(name)
    finally:
        # Also after Ctrl-C during `up`: a lab that was never made is fine to take down.
        _call("down", "--name", name)


def built(layer: Layer) -> Path:
    """Where a layer of software lies; it is built first when it is missing."""
    _call("layer", layer.name)
    return layer.path()


@pytest.fixture(scope="module")
def database_host(lab: Lab) -> Iterator[LabHost]:
    """The store's server with PostgreSQL and MariaDB as Debian installs them, both running."""
    host = lab.hosts[0]
    host.reset(above=built(DATABASES))
    host.run(
        "until pg_lsclusters -h | grep -q online && mariadb -e 'SELECT 1' >/dev/null 2>&1; "
        "do sleep 0.1; done",
        user="root",
    )
    yield host
    host.reset()


@pytest.fixture
def lab_host(lab: Lab) -> Iterator[LabHost]:
    """A till that the test may change as it likes; it is reset afterwards (one to two seconds)."""
    host = next((host for host in lab.hosts if host.role == "pos"), lab.hosts[0])
    yield host
    host.reset()
