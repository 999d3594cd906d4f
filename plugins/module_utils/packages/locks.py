# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Another package program at work is waited for, but not for ever, and then named.

A file of a lock is always there; only the kernel knows whether somebody holds it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import time
from typing import Sequence

from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

from .failures import PackageError

# struct flock of Linux with 64-bit offsets: type, whence, start, length, process.
_FLOCK = "hhqqi4x"


def wait(host: Host, locks: Sequence[str], seconds: float) -> None:
    """Return when nobody is at work; PackageError names who still is after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        at_work = holders(host, locks)
        if not at_work:
            return
        if time.monotonic() >= end:
            who = ", ".join(at_work)
            raise PackageError(
                "another package program is at work: {0} (waited {1:.0f} s)".format(who, seconds),
                "另一个软件包程序正在运行：{0}（已等待 {1:.0f} 秒）".format(who, seconds),
            )
        time.sleep(0.5)


def holders(host: Host, locks: Sequence[str]) -> list[str]:
    """``PROGRAM (process N)`` of everybody who holds one of the locks."""
    pids = {
        _noted(host, path) if path.endswith(".pid") else _holder(host.at(path)) for path in locks
    } - {0}
    return sorted("{0} (process {1})".format(_program(host, pid), pid) for pid in pids)


def _holder(path: str) -> int:
    """Number of the process that holds the lock, 0 when nobody does."""
    try:
        with open(path, "rb") as file:
            asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, _whence, _start, _length, pid = struct.unpack(
                _FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked)
            )
    except OSError:
        return 0
    return 0 if kind == fcntl.F_UNLCK else pid


def _noted(host: Host, path: str) -> int:
    """As `_holder`, for a lock that is a file with a process number."""
    try:
        with open(host.at(path)) as source:
            pid = int(source.read().split()[0])
    except (OSError, ValueError, IndexError):
        return 0
    return pid if os.path.isdir(host.at("/proc/{0}".format(pid))) else 0


def _program(host: Host, pid: int) -> str:
    with contextlib.suppress(OSError), open(host.at("/proc/{0}/comm".format(pid))) as source:
        return source.read().strip()
    return "a program"
