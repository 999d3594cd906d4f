# SPDX-License-Identifier: GPL-3.0-or-later
"""A small file system of its own, so that a disk can be full without being the machine's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(disk: Path, size: str = "2m") -> Iterator[Path]:
    """A file system at ``disk``; skips the test where nobody may mount one."""
    if os.geteuid() != 0:
        pytest.skip("making a small file system needs root")
    disk.mkdir()
    options = f"size={size},mode=700"
    mount = ["mount", "-t", "tmpfs", "-o", options, "storewarden-test", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Leave no room; the file that takes it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream:
        for size in (1 << 20, 4096, 1):
            try:
                while stream.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
    return filler
