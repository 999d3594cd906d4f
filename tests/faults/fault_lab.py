# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab of the fault tests: five stores of two hosts, shared out to lanes of scenes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.lab.fixtures import lab_command
from tests.lab.fleet import Lab, LabHost
from tests.lab.places import source_root

_SIZE = ("--stores", "5", "--pos", "1")


@contextmanager
def fault_lab() -> Iterator[Lab]:
    """A lab of its own, gone with the block; STOREWARDEN_LAB_REUSE=NAME borrows one, whose hosts
    are as new afterwards."""
    if borrowed := os.environ.get("STOREWARDEN_LAB_REUSE"):
        lab = Lab(borrowed)
        try:
            yield lab
        finally:
            with ThreadPoolExecutor(len(lab.hosts)) as pool:
                list(pool.map(LabHost.reset, lab.hosts))
        return
    name = f"faults-{os.getpid()}"
    try:
        _call("up", "--name", name, *_SIZE, "--owner", str(os.getpid()))
        yield Lab(name)
    finally:
        _call("down", "--name", name)


def _call(*words: str) -> None:
    done = subprocess.run(
        lab_command(*words), cwd=source_root(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.fail(f"lab {' '.join(words)}:\n{done.stdout}{done.stderr}", pytrace=False)
