# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's own restic, rclone and sshd, installed or unpacked below ``.cache``."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.servers.packages import CACHE, unpacked

PACKAGES = {"restic": "restic", "rclone": "rclone", "sshd": "openssh-server"}
_FOLDERS = ("usr/bin", "usr/sbin", "bin", "sbin")


def tool(name: str, package: str = "") -> Path | None:
    """Where a program is; None when it is neither installed nor to be had from apt."""
    if installed := shutil.which(name, path="/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin"):
        return Path(installed)
    folder = package_folder(package or PACKAGES[name])
    found = [folder / place / name for place in _FOLDERS] if folder else []
    return next((each for each in found if each.exists()), None)


def package_folder(package: str) -> Path | None:
    """Where a package lies unpacked; None when apt does not have it."""
    folder = CACHE / package
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{package}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "usr").exists() and not unpacked(package, folder):
            return None
    return folder


def search_path(names: Sequence[str]) -> str | None:
    """PATH with these programs in front of the system's; None when one cannot be had."""
    found = [tool(name) for name in names]
    if None in found:
        return None
    folders = dict.fromkeys(str(each.parent) for each in found if each)
    return ":".join([*folders, "/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin"])
