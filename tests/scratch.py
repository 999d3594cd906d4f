# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the tests' own files lie: in memory, when this machine has enough of it.

A ledger waits for its disk at every entry, as it must, and thousands of entries on a slow disk are
most of a test run. Memory is taken only when it can do what the tests ask of a file system. With
STOREWARDEN_TESTS_ON_DISK=1, ``--basetemp`` or PYTEST_DEBUG_TEMPROOT they lie where pytest puts
them, and stay there to be looked at.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")
_PREFIX = "swt-"  # short: paths of sockets have 107 bytes
_ENOUGH = 4 * 2**30  # bytes; a run needs much less, for what passed is removed at once
# A POSIX ACL of version 2 that says what mode 0600 says.
_ACL = bytes.fromhex("02000000 01000600ffffffff 04000000ffffffff 20000000ffffffff")


def memory() -> Path | None:
    """A fresh folder in memory for pytest to work in; None where it is to stay on the disk."""
    if {"STOREWARDEN_TESTS_ON_DISK", "PYTEST_DEBUG_TEMPROOT"} & set(os.environ):
        return None
    _clear_away_dead()
    if not _roomy():
        return None
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_MEMORY))
    if not _does_what_disks_do(folder):
        shutil.rmtree(folder)
        return None
    return folder


def leave(folder: Path | None) -> None:
    """Give the memory back."""
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def _clear_away_dead() -> None:
    """What a run left that was killed. Only folders of our own user can be removed."""
    for folder in _MEMORY.glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if not Path("/proc", pid).exists():
            shutil.rmtree(folder, ignore_errors=True)


def _roomy() -> bool:
    try:
        room = os.statvfs(_MEMORY)
    except OSError:
        return False
    free = min(room.f_bavail * room.f_frsize, _available())
    return free > _ENOUGH and not room.f_flag & os.ST_NOEXEC and os.access(_MEMORY, os.W_OK)


def _available() -> int:
    """Bytes of memory that nobody uses: a memory disk may be larger than that."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _does_what_disks_do(folder: Path) -> bool:
    """Programs, attributes of users and access lists (memory has those since Linux 6.6)."""
    probe = folder / "probe"
    probe.write_text("#!/bin/sh\n")
    probe.chmod(0o700)
    try:
        subprocess.run([str(probe)], check=True)
        os.setxattr(probe, "user.storewarden", b"x")
        os.setxattr(probe, "system.posix_acl_access", _ACL)
    except (OSError, subprocess.CalledProcessError):
        return False
    with contextlib.suppress(OSError):
        probe.unlink()
    return True
