# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's packages, downloaded and unpacked without being installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.servers.programs import run

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "debian"


def unpacked(package: str, folder: Path) -> bool:
    """Whether apt had the package and it lies in ``folder`` now; a fresh machine has no lists yet:
    then they are fetched."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        return False
    fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    if not _apt(fresh, "download", package):
        _apt(fresh, "update", "-q")
        if not _apt(fresh, "download", package):
            return False
    (file,) = fresh.glob("*.deb")
    run(["dpkg", "-x", str(file), str(fresh)], {}, fresh, f"unpacking {package}")
    file.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    return True


def _apt(folder: Path, *words: str) -> bool:
    done = subprocess.run(
        ["apt-get", "-q", *words], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
        check=False, timeout=300,
    )  # fmt: skip
    return done.returncode == 0 and (words[0] != "download" or any(folder.glob("*.deb")))
