# SPDX-License-Identifier: GPL-3.0-or-later
"""One control group per host: the only sure list of what belongs to it.

Started side by side with ``--keep-unit``, all containers land in one group ``/payload``: the
systemd of one host then sees, and on ``systemctl stop`` kills, the processes of another. And a
killed systemd-nspawn leaves its host's processes running. A group of its own per host cures
both: hosts are apart, and ending a host is ending its group, whatever is in it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from tests.lab.places import LabError

_MOUNTINFO = Path("/proc/self/mountinfo")
_BRANCH = "storewarden-lab"


def _hierarchies() -> list[Path]:
    """The trees systemd keeps its groups in: cgroup2, and name=systemd of a hybrid machine."""
    found = []
    for line in _MOUNTINFO.read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(maxsplit=2)
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options):
            found.append(Path(before.split()[4]))
    if not found:
        raise LabError("no cgroup hierarchy is mounted here: systemd hosts cannot run")
    return found


def folders(key: str, host: str = "") -> list[Path]:
    """The groups of lab `key` (all its hosts), or of one host."""
    return [tree / _BRANCH / key / host for tree in _hierarchies()]


def create(key: str, host: str) -> list[Path]:
    """Fresh, empty groups for a host; returns their ``cgroup.procs`` to write a pid into."""
    end(key, host)
    made = folders(key, host)
    for folder in made:
        folder.mkdir(parents=True, exist_ok=True)
        _share_controllers(folder)
    return [folder / "cgroup.procs" for folder in made]


def _share_controllers(folder: Path) -> None:
    """On cgroup2, let the host account memory, processes and CPU (only what the parent has)."""
    for parent in (folder.parents[1], folder.parent):
        for controller in ("memory", "pids", "cpu"):
            with contextlib.suppress(OSError):
                (parent / "cgroup.subtree_control").write_text(f"+{controller}")


def end(key: str, host: str = "") -> None:
    """Kill every process in the groups and remove them; returns once they are gone.

    Raises LabError when something survives SIGKILL for a minute.
    """
    deadline = time.monotonic() + 60.0
    groups = [folder for folder in folders(key, host) if folder.exists()]
    while any(_kill(folder) for folder in groups):
        if time.monotonic() > deadline:
            raise LabError(f"processes in {groups[0]} do not end; look at them with ps")
        time.sleep(0.02)
    for folder in groups:
        _remove(folder)


def _kill(folder: Path) -> bool:
    """Kill all members; True while there were any."""
    members = _members(folder)
    for pid in members:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(members)


def _members(folder: Path) -> set[int]:
    found: set[int] = set()
    for path, _, _ in os.walk(folder):
        with contextlib.suppress(OSError):
            listing = (Path(path) / "cgroup.procs").read_text()
            # 0 stands for a process outside this pid namespace: none of ours.
            found.update(int(word) for word in listing.split() if word != "0")
    return found - {os.getpid()}


def _remove(folder: Path) -> None:
    below = [Path(path) for path, _, _ in os.walk(folder, topdown=False)]
    for group in [*below, *folder.parents[:2]]:
        # The parents go with the last host; a busy or missing one is somebody else's matter.
        if _BRANCH in group.parts:
            with contextlib.suppress(OSError):
                group.rmdir()
