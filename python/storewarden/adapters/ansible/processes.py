# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding and ending the processes of a play, and nobody else's.

Ansible's workers lead sessions of their own, and so may anything a task starts,
so neither a process group nor a parent pid finds them all (measured: killing
the main group left two workers and their children). Two nets together do:

- the environment is inherited: a process of a play carries ``STOREWARDEN_RUN=<id>``,
  whoever its parent has become;
- what drops its environment (``sudo``, ``env -i``) is still a descendant of one that
  carries the mark, or, once its parents are gone, of the supervisor, which is the
  reaper of its orphans (``adopt_orphans``).

A job that a play only handed over, on this very machine, carries ``STOREWARDEN_JOB`` and is none of
the play's: it lives on, with all that it starts (on other machines the line ends there anyway).

A process is signalled through its pidfd, and only if it is still the one that was
found: pids are reused.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

MARKER = "STOREWARDEN_RUN"
_JOB = b"STOREWARDEN_JOB="  # plugins/module_utils/payload/jobs.py
# Where Ansible's ssh plugin tells ssh's password prompter which shared memory holds the password.
_PASSWORD_MEMORY = b"_ANSIBLE_SSH_ASKPASS_SHM="
_MEMORY_NAME = re.compile(rb"/?(psm_[0-9a-f]+)")
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where the kernel has it; nothing is made there
_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h

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


def adopt_orphans() -> None:
    """Become the parent of every process below this one that loses its own."""
    _prctl(_SET_CHILD_SUBREAPER, 1, "prctl(PR_SET_CHILD_SUBREAPER)")


def die_with_parent(number: int) -> None:
    """Get the signal ``number`` when the parent ends, even while stopped; 0: no more."""
    _prctl(_SET_PDEATHSIG, number, "prctl(PR_SET_PDEATHSIG)")


def _prctl(option: int, value: int, name: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), name)


@dataclass(frozen=True, slots=True)
class _Process:
    """One process as ``/proc/<pid>/stat`` shows it; pid and start name it for good."""

    pid: int
    state: str
    parent: int
    started: int  # kernel ticks since boot


def _process(pid: int) -> _Process | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may hold spaces
    return _Process(pid, fields[0], int(fields[1]), int(fields[19]))


def _pids() -> Iterable[int]:
    own = os.getpid()
    names = os.listdir("/proc")  # noqa: PTH208 - called in a loop: names are enough
    return (int(name) for name in names if name.isdigit() and int(name) != own)


def _below(roots: Iterable[int], everything: Mapping[int, _Process]) -> Iterator[int]:
    """The roots and all their descendants, but for jobs with what they started."""
    children: dict[int, list[int]] = defaultdict(list)
    for process in everything.values():
        children[process.parent].append(process.pid)
    waiting, seen = list(roots), set()
    while waiting:
        pid = waiting.pop()
        if pid not in seen and not _is_job(pid):
            seen.add(pid)
            yield pid
            waiting += children[pid]


def _of_play(run_id: str, *, mine: bool) -> tuple[_Process, ...]:
    """Every living process of a play; with ``mine`` also every descendant of this process."""
    everything = {pid: found for pid in _pids() if (found := _process(pid))}
    roots = [pid for pid in everything if carries(pid, run_id)]
    if mine:
        roots += [one.pid for one in everything.values() if one.parent == os.getpid()]
    tree = (everything[pid] for pid in _below(roots, everything))
    return tuple(process for process in tree if process.state not in "ZX")


def _is_job(pid: int) -> bool:
    return any(item.startswith(_JOB) for item in _environ(pid))


def carries(pid: int, run_id: str) -> bool:
    """Whether the process was started by the play of ``run_id`` (zombies carry nothing)."""
    return f"{MARKER}={run_id}".encode() in _environ(pid)


def marked(run_id: str) -> tuple[int, ...]:
    """Every living process of the play of ``run_id``, this one left out."""
    return tuple(process.pid for process in _of_play(run_id, mine=False))


def live_runs() -> frozenset[str]:
    """The ids of all runs of which some process lives."""
    prefix = f"{MARKER}=".encode()
    found = (item for pid in _pids() for item in _environ(pid) if item.startswith(prefix))
    return frozenset(item[len(prefix) :].decode(errors="replace") for item in found)


def start_ticks(pid: int) -> int | None:
    """When a process started, in kernel ticks since boot; None when it is gone.

    Together with the pid this names one process for good: pids are reused.
    """
    found = _process(pid)
    return found.started if found else None


def _signal(found: Iterable[_Process], number: signal.Signals) -> None:
    for process in found:
        with contextlib.suppress(OSError):
            handle = os.pidfd_open(process.pid)
            try:
                if start_ticks(process.pid) == process.started:  # not reused since the scan
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)


def _forget_passwords(found: Iterable[_Process]) -> None:
    """A worker that is killed leaves its ssh password in shared memory (Python 3.13 and later)."""
    for process in found:
        for item in _environ(process.pid):
            name = _MEMORY_NAME.fullmatch(item.removeprefix(_PASSWORD_MEMORY))
            if name and item.startswith(_PASSWORD_MEMORY):
                with contextlib.suppress(OSError):
                    (_SHARED_MEMORY / os.fsdecode(name[1])).unlink()


def _signal_group(run_id: str, leader: int, number: signal.Signals) -> None:
    """Signal the play's own group, if its leader is still the play."""
    if carries(leader, run_id):
        with contextlib.suppress(OSError):
            os.killpg(leader, number)


def _wait_gone(run_id: str, seconds: float, *, mine: bool) -> bool:
    deadline = time.monotonic() + seconds
    while _of_play(run_id, mine=mine):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL)
    return True


def sweep(run_id: str, *, mine: bool = False, grace: float = SWEEP_GRACE) -> tuple[int, ...]:
    """End whatever is left of the play; the pids that survived even KILL.

    Used at the normal end too: ssh masters and what a local task left behind. ``mine``
    is for the play's supervisor alone, which has no other children.
    """
    found = _of_play(run_id, mine=mine)
    _forget_passwords(found)  # first: a process that is gone can no longer be asked
    _signal(found, signal.SIGTERM)
    if not found or _wait_gone(run_id, grace, mine=mine):
        return ()
    deadline = time.monotonic() + KILL_LIMIT
    while found := _of_play(run_id, mine=mine):
        _forget_passwords(found)
        _signal(found, signal.SIGKILL)
        if time.monotonic() >= deadline:
            return tuple(process.pid for process in found)
        time.sleep(_POLL)
    return ()


def stop(
    run_id: str, leader: int | None, *, mine: bool = False, grace: float = TERM_GRACE
) -> tuple[int, ...]:
    """The ladder: TERM to the play's group, ``grace`` seconds, then the whole tree."""
    _forget_passwords(_of_play(run_id, mine=mine))
    if leader is not None:
        _signal_group(run_id, leader, signal.SIGTERM)
        deadline = time.monotonic() + grace
        while carries(leader, run_id) and time.monotonic() < deadline:
            time.sleep(_POLL)
    return sweep(run_id, mine=mine)
