# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding and ending the processes of a play, and nobody else's.

Ansible's workers lead sessions of their own, and so may anything a task starts,
so neither a process group nor a parent pid finds them all (measured: killing
the main group left two workers and their children). The environment is
inherited by all of them: every process of a play carries ``STOREWARDEN_RUN=<id>``
and only a process that carries it, looked at again through its pidfd, is ever
signalled.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

MARKER = "STOREWARDEN_RUN"

TERM_GRACE = 10.0  # seconds the play's own group gets to end (reference: platforms 1.2)
SWEEP_GRACE = 2.0  # seconds what is left gets between TERM and KILL
KILL_LIMIT = 10.0  # seconds after which a process that survives KILL is reported instead
_POLL = 0.05


def _environ(pid: int) -> tuple[bytes, ...]:
    """The environment a process was started with; empty when it may not be read or is gone."""
    try:
        return tuple(Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
    except OSError:
        return ()


def _pids() -> Iterable[int]:
    own = os.getpid()
    names = os.listdir("/proc")  # noqa: PTH208 - called in a loop: names are enough
    return (int(name) for name in names if name.isdigit() and int(name) != own)


def carries(pid: int, run_id: str) -> bool:
    """Whether the process was started by the play of ``run_id`` (zombies carry nothing)."""
    return f"{MARKER}={run_id}".encode() in _environ(pid)


def marked(run_id: str) -> tuple[int, ...]:
    """Every living process of the play of ``run_id``, this one left out."""
    return tuple(pid for pid in _pids() if carries(pid, run_id))


def live_runs() -> frozenset[str]:
    """The ids of all runs of which some process lives."""
    prefix = f"{MARKER}=".encode()
    found = (item for pid in _pids() for item in _environ(pid) if item.startswith(prefix))
    return frozenset(item[len(prefix) :].decode(errors="replace") for item in found)


def start_ticks(pid: int) -> int | None:
    """When a process started, in kernel ticks since boot; None when it is gone.

    Together with the pid this names one process for good: pids are reused.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return int(text.rpartition(")")[2].split()[19])  # field 22; the name may hold spaces


def signal_marked(run_id: str, number: signal.Signals) -> tuple[int, ...]:
    """Send a signal to every process of the run; the pids that were found."""
    found = marked(run_id)
    for pid in found:
        with contextlib.suppress(OSError):
            handle = os.pidfd_open(pid)
            try:
                if carries(pid, run_id):  # the pid may have been reused since the scan
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)
    return found


def _signal_group(run_id: str, leader: int, number: signal.Signals) -> None:
    """Signal the play's own group, if its leader is still the play."""
    if carries(leader, run_id):
        with contextlib.suppress(OSError):
            os.killpg(leader, number)


def _wait_gone(run_id: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while marked(run_id):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL)
    return True


def sweep(run_id: str, grace: float = SWEEP_GRACE) -> tuple[int, ...]:
    """End whatever still carries the marker; the pids that survived even KILL.

    Used at the normal end too: ssh masters and what a local task left behind.
    """
    if not signal_marked(run_id, signal.SIGTERM) or _wait_gone(run_id, grace):
        return ()
    deadline = time.monotonic() + KILL_LIMIT
    while signal_marked(run_id, signal.SIGKILL):
        if time.monotonic() >= deadline:
            return marked(run_id)
        time.sleep(_POLL)
    return ()


def stop(run_id: str, leader: int | None, grace: float = TERM_GRACE) -> tuple[int, ...]:
    """The ladder: TERM to the play's group, ``grace`` seconds, then the whole tree."""
    if leader is not None:
        _signal_group(run_id, leader, signal.SIGTERM)
        deadline = time.monotonic() + grace
        while carries(leader, run_id) and time.monotonic() < deadline:
            time.sleep(_POLL)
    return sweep(run_id)
