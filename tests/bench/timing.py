# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole commands, timed from outside: wall time, CPU, peak memory.

CPU is what the whole machine was busy with meanwhile: plays are detached from
the command that started them, and lab hosts share the kernel, so no account of
a process tree would be complete. It asks for an otherwise quiet machine.
"""

from __future__ import annotations

import statistics
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """One run of one command: seconds, CPU seconds, peak memory in bytes.

    ``memory`` is the command's own process, ``tree`` that and all it started.
    """

    wall: float
    cpu: float
    memory: int
    tree: int


class _Memory(threading.Thread):
    """Samples the proportional memory of a process and its tree four times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak = self.tree = 0
        self._root = psutil.Process(pid)
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.25):
            self._look()

    def stop(self) -> None:
        self._over.set()
        self.join()

    def _look(self) -> None:
        try:
            tree = [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        shares = [_share(process) for process in tree]
        self.peak = max(self.peak, shares[0])
        self.tree = max(self.tree, sum(shares))


def _share(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError):
        return 0


def busy() -> float:
    """CPU seconds that the machine has spent on anything since it was started."""
    spent = psutil.cpu_times()
    return sum(spent) - spent.idle - spent.iowait - spent.guest - spent.guest_nice


def timed(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    log: Path,
    memory: bool = False,
    ok: Sequence[int] = (0,),
) -> Timed:
    """Run ``argv`` to its end, output into ``log``. RuntimeError for another exit code."""
    before = busy()
    start = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(argv, env=dict(env), stdout=out, stderr=subprocess.STDOUT)
        sampler = _Memory(process.pid) if memory else None
        if sampler:
            sampler.start()
        code = process.wait()
    wall = time.monotonic() - start
    cpu = busy() - before
    if code not in ok:
        raise RuntimeError(f"{' '.join(argv[:3])} ended with {code}: {log.read_text()[-600:]}")
    if sampler is None:
        return Timed(wall=wall, cpu=cpu, memory=0, tree=0)
    sampler.stop()
    return Timed(wall=wall, cpu=cpu, memory=sampler.peak, tree=sampler.tree)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """All counted runs of one contender."""

    name: str
    runs: tuple[Timed, ...]

    @property
    def wall(self) -> float:
        """Median wall seconds."""
        return statistics.median(run.wall for run in self.runs)

    @property
    def cpu(self) -> float:
        """Median CPU seconds."""
        return statistics.median(run.cpu for run in self.runs)

    @property
    def spread(self) -> str:
        """Fastest to slowest, as text."""
        walls = [run.wall for run in self.runs]
        return f"{min(walls):.2f}-{max(walls):.2f}"
