# SPDX-License-Identifier: GPL-3.0-or-later
"""The wrapper that becomes the play: takes the hosts' leases, then execs ansible-playbook.

A lease must live exactly as long as any part of the play, so the play itself
holds it. ansible-runner starts its child through pexpect, which closes
inherited descriptors, so the locks cannot be handed down: they are taken here,
after that point, on descriptors that survive the exec and every fork of a
worker. A module run by ``connection: local`` does not inherit descriptors; its
host still counts as leased, because a host whose recorded holder has a living
process is busy even when the lock is free.

The play also gets rid of the terminal here: its output goes to a file, so no
flood of terminal codes reaches ansible-runner's filter, nothing can prompt, and
a play whose supervisor was killed does not die of a lost terminal in the middle
of a task.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from storewarden.adapters.ansible.processes import live_runs, start_ticks
from storewarden.adapters.ansible.rundir import LEASES, Request, RunDir, write_json

NOTHING_FREE = 75  # sysexits EX_TEMPFAIL: no host could be leased
NOT_INSTALLED = 127
LIMIT_FILE = "free-hosts"
_OWN, _AGAIN = 2.0, 0.01  # seconds to wait for a lease of this very run; between looks
_LONGEST = 200  # characters of a lease file's name; a file name ends at 255 bytes


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds, or last held, a host."""

    run_id: str
    owner: str
    label: str
    exclusive: bool

    def __str__(self) -> str:
        """As an operator reads it."""
        who = self.owner or "another run"
        return f"{who} ({self.label})" if self.label else who


def lease_path(state: Path, host: str) -> Path:
    """The lock file of a host; any host name makes a valid file name, and one of its own.

    A Chinese character takes nine signs in quotes, so long names are common: those are cut,
    and a digest keeps apart two that begin alike.
    """
    name = quote(host, safe="")
    if len(name) > _LONGEST:
        name = f"{name[: _LONGEST - 65]}-{hashlib.sha256(name.encode()).hexdigest()}"
    return state / LEASES / f"{name}.lock"


def _holders(handle: int) -> tuple[Holder, ...]:
    text = os.pread(handle, 1 << 20, 0).decode(errors="replace")
    found = []
    for line in text.splitlines():
        with contextlib.suppress(ValueError, TypeError, KeyError):
            raw = json.loads(line)
            run, owner, label = (str(raw[key]) for key in ("run", "owner", "label"))
            found.append(Holder(run, owner, label, bool(raw["exclusive"])))
    return tuple(found)


def _try_lock(handle: int, mode: int) -> bool:
    try:
        fcntl.flock(handle, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Leases:
    """Takes leases for one run; ``free`` and ``busy`` tell how each host came out."""

    def __init__(self, state: Path, request: Request) -> None:
        self.state = state
        self.request = request
        self.free: list[str] = []
        self.busy: dict[str, str] = {}
        self._live: frozenset[str] | None = None
        self._handles: list[int] = []

    def take_all(self) -> None:
        """Lease what is free of the run's hosts."""
        for host in self.request.hosts:
            self.take(host)

    def give_back(self) -> None:
        """For a play that never began: as if nothing had been leased."""
        for handle in self._handles:
            if self.request.exclusive:  # else others may have written there
                os.ftruncate(handle, 0)
            os.close(handle)
        self._handles.clear()

    def take(self, host: str) -> None:
        """Lease one host or note who has it. The descriptor stays open as long as the play."""
        path = lease_path(self.state, host)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        mode = fcntl.LOCK_EX if self.request.exclusive else fcntl.LOCK_SH
        if not _try_lock(handle, mode) and not self._own_lock(handle, mode):
            self._refuse(host, handle, _holders(handle))
            return
        orphans = self._orphans(_holders(handle))
        if orphans:
            self._refuse(host, handle, orphans)
            return
        self._record(handle)
        os.set_inheritable(handle, True)
        self._handles.append(handle)
        self.free.append(host)

    def _own_lock(self, handle: int, mode: int) -> bool:
        """Whether it was held for this very run, by a process that gives it back: one that had got
        ready for the run, and did not become its play."""
        until = time.monotonic() + _OWN
        while any(each.run_id == self.request.run_id for each in _holders(handle)):
            if _try_lock(handle, mode):
                return True
            if time.monotonic() >= until:
                break
            time.sleep(_AGAIN)
        return False

    def _refuse(self, host: str, handle: int, holders: Sequence[Holder]) -> None:
        os.close(handle)
        self.busy[host] = f"busy: leased by {holders[-1] if holders else 'another run'}"

    def _orphans(self, holders: Sequence[Holder]) -> tuple[Holder, ...]:
        """Recorded holders without a lock of which a process still lives.

        Readers beside readers are no conflict; a change on either side is.
        """
        mine = self.request
        others = [h for h in holders if h.run_id != mine.run_id and (mine.exclusive or h.exclusive)]
        if not others:
            return ()
        if self._live is None:
            self._live = live_runs()
        return tuple(h for h in others if h.run_id in self._live)

    def _record(self, handle: int) -> None:
        if self.request.exclusive:
            os.ftruncate(handle, 0)
        line = {
            "run": self.request.run_id,
            "owner": self.request.owner,
            "label": self.request.label,
            "exclusive": self.request.exclusive,
            "pid": os.getpid(),
            "started": start_ticks(os.getpid()),
        }
        os.write(handle, json.dumps(line).encode() + b"\n")


def clear_records(state: Path, hosts: Sequence[str]) -> None:
    """At the clean end of a run: empty the lease files nobody holds any more."""
    for host in hosts:
        with contextlib.suppress(OSError), _opened(lease_path(state, host)) as handle:
            if _try_lock(handle, fcntl.LOCK_EX):
                os.ftruncate(handle, 0)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def leave_terminal(output: Path) -> None:
    """stdin from nowhere, stdout and stderr to a file, the terminal kept open but unused.

    Were it closed, ansible-runner would see the end of output and spin until the
    play exits.
    """
    os.set_inheritable(os.dup(0), True)
    log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(log)
    os.close(null)


def told(run: RunDir, leases: Leases) -> list[str] | None:
    """Write down what was leased; options that limit the play to that, in its directory.

    None: no host was free. This process must become the play, or end.
    """
    write_json(run.lease_file, {"free": leases.free, "busy": leases.busy})
    if not leases.free:
        return None
    limited: list[str] = []
    if leases.busy:
        Path(LIMIT_FILE).write_text("\n".join(leases.free), encoding="utf-8")
        limited = ["--limit", f"@{LIMIT_FILE}"]
    write_json(run.play_file, {"pid": os.getpid(), "started": start_ticks(os.getpid())})
    return limited


def main(argv: Sequence[str]) -> int:
    """``lease RUN_DIR ansible-playbook ARGS...``: returns only when there is nothing to run."""
    run = RunDir(Path(argv[0]))
    leave_terminal(run.output)
    leases = Leases(run.state, run.request())
    leases.take_all()
    limit = told(run, leases)
    if limit is None:
        return NOTHING_FREE
    command = [*argv[1:], *limit]
    try:
        os.execvp(command[0], command)  # noqa: S606 - the play takes over this process
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return NOT_INSTALLED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
