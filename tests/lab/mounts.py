# SPDX-License-Identifier: GPL-3.0-or-later
"""Overlay mounts of hosts, and removing folders that may have mounts inside.

Deleting a folder with something mounted below deletes what is mounted. So a folder goes only
after the kernel's own list shows no mount under it any more.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import time
from pathlib import Path

from tests.lab.places import LabError
from tests.lab.processes import run

_MOUNTINFO = Path("/proc/self/mountinfo")
_MNT_DETACH = 2


def mounts_below(folder: Path) -> list[Path]:
    """Mount points at or under `folder`, deepest (and latest) first."""
    wanted = str(folder.resolve())
    points = [_unescape(line.split()[4]) for line in _MOUNTINFO.read_text().splitlines()]
    below = [point for point in points if point == wanted or point.startswith(wanted + "/")]
    return [Path(point) for point in reversed(below)]


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def unmount_below(folder: Path) -> None:
    """Unmount everything at or under `folder`; a busy mount is detached after two seconds."""
    deadline = time.monotonic() + 2.0
    while points := mounts_below(folder):
        for point in points:
            _unmount(point, lazily=time.monotonic() > deadline)
        if time.monotonic() > deadline + 30.0 and mounts_below(folder):
            raise LabError(f"{points[0]} cannot be unmounted; end what uses it and try again")
        if mounts_below(folder):
            time.sleep(0.05)


def _unmount(point: Path, *, lazily: bool) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.umount2(os.fsencode(point), _MNT_DETACH if lazily else 0)


def remove_tree(folder: Path) -> None:
    """Delete a folder and all under it, after unmounting; a missing one is fine."""
    if not folder.exists():
        return
    unmount_below(folder)
    shutil.rmtree(folder)


def mount_overlay(
    *, lower: Path, layer: Path, root: Path, above: Path | None = None, passing: bool = False
) -> None:
    """Mount `lower` at `root`, with what changes kept in `layer` (folders upper and work).

    `above` is laid over `lower` first, and stays as it is too. A `passing` layer is thrown away
    with its lab: nobody waits for a disk when something in there is to be on it for sure.
    """
    lowers = f"{above}:{lower}" if above else str(lower)
    for folder in (layer / "upper", layer / "work", root):
        folder.mkdir(parents=True, exist_ok=True)
    (layer / "upper").chmod(0o755)
    options = f"lowerdir={lowers},upperdir={layer / 'upper'},workdir={layer / 'work'}"
    mount = ["mount", "-t", "overlay", "storewarden-lab", "-o"]
    # Linux knows "volatile" since 5.10.
    if passing and run([*mount, f"{options},volatile", root], check=False).returncode == 0:
        return
    try:
        run([*mount, options, root])
    except LabError as error:
        raise LabError(
            f"{error}; does {layer} lie on ext4, xfs, btrfs or tmpfs? "
            "(STOREWARDEN_LAB_STATE moves it)"
        ) from error


def mount_tmpfs(folder: Path, *, megabytes: int) -> None:
    """Give `folder` a memory disk of that size, so that a full disk is this host's alone."""
    folder.mkdir(parents=True, exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "storewarden-lab", folder])
