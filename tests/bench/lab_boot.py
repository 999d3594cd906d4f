# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the lab takes until every host of it has booted and answers SSH.

It stands before every work on real hosts, by tests and by hand, so it must stay short. The base
image is there already; making that is a matter of the distribution's mirror.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.bench.timing import Series, Timed, timed
from tests.lab.fleet import Lab

_LAB = (sys.executable, "-m", "tests.lab")
_NAME = ("--name", "bench")


def measure(folder: Path, rounds: int) -> tuple[Series, int]:
    """``up`` from nothing, ``rounds`` times; and the number of hosts."""
    subprocess.run([*_LAB, "image"], check=True)
    runs: list[Timed] = []
    hosts = 0
    for number in range(rounds):
        try:
            owner = ("--owner", str(os.getpid()))
            run = timed([*_LAB, "up", *_NAME, *owner], env=os.environ, log=folder / "up.log")
            hosts = len(Lab("bench").hosts)
        finally:
            subprocess.run([*_LAB, "down", *_NAME], check=False)
        print(f"  round {number + 1}  {hosts} hosts: {run.wall:.1f} s", flush=True)
        runs.append(run)
    return Series(name="`python -m tests.lab up`", runs=tuple(runs)), hosts
