# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that waits to become a play: forked before there is a run, ready when there is one.

A run may be announced to it (``announced``) while the controller still makes sure that it may
begin. It then leases the run's hosts and begins to connect them, and nothing else: no command goes
to a host before the run has begun. When the run does not come, it gives everything back and ends;
so it does when whoever would be its supervisor is gone.

Until then it is its supervisor's to tell it what happens, by messages on a socket: an announcement,
perhaps; the run; the command that ansible-runner made of it. Then it is that command.
"""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from storewarden.adapters.ansible import collection, lease, preloaded, processes, shown
from storewarden.adapters.ansible.ahead import Masters, written
from storewarden.adapters.ansible.announced import LIMIT, MESSAGE_BEGINS, Announced
from storewarden.adapters.ansible.module_zips import ModuleZips
from storewarden.adapters.ansible.play import make_scratch, play_environment
from storewarden.adapters.ansible.rundir import ZIPS, RunDir, scratch_dir

_BROKEN = 250  # ansible-playbook's own status for a fault of its own
_GRACE = 1.0  # seconds in which one that is not needed gives back what it has
_TERMINAL = frozenset({0, 1, 2})


class Ready:
    """Such a process, as whoever forked it has it. ``run_id`` is the run that was announced."""

    def __init__(self, kept: frozenset[int]) -> None:
        """Fork it; ``kept`` are descriptors that it keeps. Raises OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.run_id = ""
        self._link = ours
        sys.stdout.flush()
        sys.stderr.flush()
        # A TERM for the child must not be taken for one for this process, whose handler it has.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            # The terminal's other end stays open as long as we live, as pexpect keeps it.
            self.pid, self._terminal = pty.fork()
        except OSError:
            ours.close()
            theirs.close()
            raise
        else:
            if self.pid == 0:
                ours.close()
                raise SystemExit(_Waiting(theirs, kept).become())
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        theirs.close()
        self.handle = os.pidfd_open(self.pid)

    def announce(self, announced: Announced) -> None:
        """Have it get ready for this run."""
        if self._told(announced.text()):
            self.run_id = announced.request.run_id

    def begin(self, run: RunDir) -> bool:
        """Whether it hears that it is this run's play now."""
        found = {"begin": str(run.path), "environment": dict(os.environ)}
        return self._told(json.dumps(found).encode())

    def command(self, words: Sequence[str]) -> None:
        """What it is to become; one that is gone by now has left the reason in its output."""
        self._told(json.dumps(list(words)).encode())

    def close(self) -> None:
        """No more messages. One that has not become a play by now gives up, and ends."""
        self._link.close()

    def end(self) -> None:
        """It is not needed: it gives back what it has. Returns when it is gone."""
        self.close()
        waiting = select.poll()
        waiting.register(self.handle, select.POLLIN)
        if not waiting.poll(_GRACE * 1000):  # stopped, or out of its mind
            with suppress(OSError):
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)
        if self.run_id:  # one that was killed has left something
            processes.sweep(self.run_id)
            shutil.rmtree(scratch_dir(self.run_id), ignore_errors=True)
        os.close(self.handle)
        os.close(self._terminal)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def _told(self, text: bytes) -> bool:
        if len(text) > LIMIT:
            return False
        try:
            self._link.send(text)
        except OSError:  # it is gone
            return False
        return True


class _Waiting:
    """The process itself, which must never get back into the work of the one that forked it."""

    def __init__(self, link: socket.socket, kept: frozenset[int]) -> None:
        self._link = link
        self._kept = kept

    def become(self) -> int:
        """What it comes to: its exit status."""
        try:
            self._settle()
            return self._heard()
        except Exception:  # noqa: BLE001 - the last line of defence of a process of its own
            traceback.print_exc()
            return _BROKEN

    def _settle(self) -> None:
        """Nothing of the one that forked us but what we need; signals as ansible-runner leaves
        them."""
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        os.umask(0o077)
        _close_all_but(self._kept | _TERMINAL | {self._link.fileno()})

    def _heard(self) -> int:
        early, text = None, self._link.recv(LIMIT)
        if text.startswith(MESSAGE_BEGINS):
            early = _Early(Announced.read(text))
            text = early.until(self._link)
        if not text:  # nobody needs us
            return 0
        found = json.loads(text)
        run = RunDir(Path(found["begin"]))
        return self._played(run, early or _Early(_begun(run, found["environment"])))

    def _played(self, run: RunDir, early: _Early) -> int:
        lease.leave_terminal(run.output)
        os.chdir(run.work)
        limit = lease.told(run, early.leased())
        if limit is None:
            return lease.NOTHING_FREE
        preloaded.renew()
        try:
            if early.connected():
                preloaded.before_ssh(early.masters.settle)
            command = json.loads(self._link.recv(LIMIT) or b"[]")
            self._link.close()
            return _with_what_was_kept(run, [*command, *limit]) if command else _BROKEN
        finally:
            early.masters.end()


class _Early:
    """What a play has before it is one: its run's mark and environment, leases, connections."""

    def __init__(self, announced: Announced) -> None:
        run, request = RunDir(announced.path), announced.request
        shown.mark(request.run_id)  # first: from here on it can be found
        _become(announced.environment)
        _become(play_environment(run, request))  # made of the one that its supervisor has
        tempfile.tempdir = None  # TMPDIR is another one now
        self.masters = Masters()
        self._announced = announced
        self._leases = lease.Leases(run.state, request)
        self._taken = False
        self._connected: bool | None = None

    def until(self, link: socket.socket) -> bytes:
        """Be ready for the run that was announced; the next message, nothing when it is off."""
        make_scratch(self._announced.request)
        try:
            self.leased()
            self.connected()
            text = link.recv(LIMIT)
        except Exception:
            self._give_back()
            raise
        if not text:
            self._give_back()
        return text

    def leased(self) -> lease.Leases:
        """What could be leased."""
        if not self._taken:
            self._taken = True
            self._leases.take_all()
        return self._leases

    def connected(self) -> bool:
        """Whether hosts that are leased, and no others, are being connected."""
        if self._connected is None:
            free = frozenset(self._leases.free)
            self._connected = self.masters.begin(self._announced.hosts, free, preloaded.reached)
        return self._connected

    def _give_back(self) -> None:
        self.masters.end()
        self._leases.give_back()
        shutil.rmtree(scratch_dir(self._announced.request.run_id), ignore_errors=True)


def _begun(run: RunDir, environment: Mapping[str, str]) -> Announced:
    """A run that was not announced, as if it had been."""
    return Announced(
        path=run.path, request=run.request(), hosts=written(run), environment=environment
    )


def _become(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def _with_what_was_kept(run: RunDir, command: Sequence[str]) -> int:
    """With modules from earlier plays."""
    shown.call([sys.executable, *command])
    sys.argv = list(command)
    began = time.time_ns()
    builder = preloaded.builder(collection.search_root())
    zips = ModuleZips(run.state / ZIPS, builder) if builder else None
    if zips:
        zips.lay()
    try:
        return preloaded.play(command)
    finally:
        if zips:
            zips.keep(began)


def _close_all_but(kept: frozenset[int]) -> None:
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names are enough
        handle = int(name)
        if handle not in kept:
            try:
                os.close(handle)
            except OSError:  # the listing's own
                continue
