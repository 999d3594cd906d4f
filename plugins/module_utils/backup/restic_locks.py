# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Locks that a dead run of ours left in the repository on this host.

A lock goes only when its process is proven dead: this host wrote it, one of our jobs on this
target started that process (the trail says so, work.py), and the process of that beginning is
gone. All others stay, however old: somebody may be at work.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket

from .clock import boot_id, born
from .restic_runs import Restic
from .work import Work


def free_dead(work: Work, restic: Restic) -> list[str]:
    """Names of the locks that were removed. The target's flock has to be held."""
    folder = os.path.join(work.order.repository, "locks")
    names = _names(folder) if restic.local else []
    # Our own calls add to the trail while it is read.
    dead = _dead(work.trail) if names else set()
    gone = []
    for name in names:
        pid = _holder(restic, name) if dead else 0
        if pid in dead:
            os.unlink(os.path.join(folder, name))
            gone.append(name)
    _begin_anew(work.trail)
    if gone:
        work.note(
            "{0} lock(s) of a run that had died were removed".format(len(gone)),
            "已移除先前异常终止任务留下的 {0} 个锁".format(len(gone)),
        )
    return gone


def _begin_anew(trail: str) -> None:
    """What died is dealt with; the programs of this job have all ended, or come later."""
    with contextlib.suppress(OSError):
        os.unlink(trail)


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _dead(trail: str) -> set[int]:
    """Processes that our jobs started, and that are no more; a number that is used again by
    somebody else counts as dead as well: the lock is not theirs."""
    try:
        with open(trail, encoding="ascii") as source:
            lines = [line.split() for line in source]
    except OSError:
        return set()
    boot = boot_id()
    known = [(int(one[0]), one[1], one[2]) for one in lines if len(one) == 3]
    return {
        pid for pid, beginning, when in known
        if when != boot or beginning == "-" or born(pid) != beginning
    }  # fmt: skip


def _holder(restic: Restic, name: str) -> int:
    """The process that wrote a lock, 0 when another host did, or nobody can say."""
    ran = restic.call("--no-lock", "cat", "lock", name)
    try:
        lock = json.loads(ran.out)
        return int(lock["pid"]) if lock["hostname"] == socket.gethostname() else 0
    except (ValueError, KeyError, TypeError):
        return 0
