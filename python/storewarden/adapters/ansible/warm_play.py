# SPDX-License-Identifier: GPL-3.0-or-later
"""A play that is forked from a warm supervisor instead of being executed by ansible-runner.

ansible-runner still makes the command; what it would do then is done here, step by step the same:
a terminal of its own that nobody uses, SIGHUP and SIGINT ignored, a bare environment, the working
directory, the leases (``lease``), no descriptor but its own. Only then does it become
ansible-playbook, which is in its memory already. The command comes through a pipe: the play leases
its hosts, and begins to connect them, while its supervisor is still making it.
"""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import cast

from storewarden.adapters.ansible import collection, lease, preloaded, shown
from storewarden.adapters.ansible.ahead import Masters
from storewarden.adapters.ansible.module_zips import ModuleZips
from storewarden.adapters.ansible.play import configured, make_scratch, play_environment
from storewarden.adapters.ansible.rundir import ZIPS, Request, RunDir, read_json

_BROKEN = 250  # ansible-playbook's own status for a fault of its own
_TERMINAL = frozenset({0, 1, 2})


class WarmPlay:
    """One play below this supervisor; the same to its supervisor as ``play.Play``.

    ``kept`` are the descriptors that belong to what was loaded: Ansible's own log, if it has one.
    """

    def __init__(self, run: RunDir, request: Request, kept: frozenset[int]) -> None:
        self.rc: int | None = None
        self.trouble: BaseException | None = None
        self._run = run
        self._request = request
        self._kept = kept
        self._pid = 0
        self._handle = -1
        self._ended = True  # not begun is over as well

    def start(self) -> None:
        """Fork it; what cannot be prepared or forked is told as ``trouble``.

        It leases its hosts and connects them while its command is made here.
        """
        try:
            make_scratch(self._request)
            waiting, telling = os.pipe()
        except OSError as error:  # handed to the supervisor, which reports it
            self.trouble = error
            return
        sys.stdout.flush()
        sys.stderr.flush()
        # A TERM for the child must not be taken for one for its supervisor, whose handler it has.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        # The terminal's other end stays open as long as we live, as pexpect keeps it.
        try:
            self._pid, _terminal = pty.fork()
        except OSError as error:  # no memory, or more processes than there may be
            self.trouble = error
        if self.trouble is None and self._pid == 0:
            os.close(telling)
            raise SystemExit(self._become(waiting))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        os.close(waiting)
        if self.trouble is None:
            self._handle = os.pidfd_open(self._pid)
            self._ended = False
            self._tell(telling)
        os.close(telling)

    def _tell(self, telling: int) -> None:
        """The play's command; one that hears none ends."""
        try:
            command = json.dumps(configured(self._run, self._request).command).encode()
        except Exception as error:  # noqa: BLE001 - handed to the supervisor, which reports it
            self.trouble = error
            return
        with suppress(BrokenPipeError):  # nothing was free: it has ended
            os.write(telling, command)  # a pipe takes 64 KiB, and paths are what is in it

    def is_alive(self) -> bool:
        """Whether it still runs."""
        self.join(0)
        return not self._ended

    def join(self, timeout: float) -> None:
        """Wait for its end, for at most so many seconds."""
        if self._ended:
            return
        waiting = select.poll()
        waiting.register(self._handle, select.POLLIN)
        if not waiting.poll(timeout * 1000):
            return
        _pid, status = os.waitpid(self._pid, 0)
        os.close(self._handle)
        self._ended = True
        # No status, as with ansible-runner, of a play that a signal ended, or that never was one.
        if os.WIFEXITED(status) and self.trouble is None:
            self.rc = os.WEXITSTATUS(status)

    def _become(self, waiting: int) -> int:
        """In the child, which must never get back into the supervisor's work."""
        try:
            return self._played(waiting)
        except Exception:  # noqa: BLE001 - the last line of defence of a process of its own
            traceback.print_exc()
            return _BROKEN

    def _played(self, waiting: int) -> int:
        shown.mark(self._request.run_id)  # first: from here on it can be found
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        own = play_environment(self._run, self._request)
        os.environ.clear()
        os.environ.update(own)
        os.chdir(self._run.work)
        tempfile.tempdir = None  # TMPDIR is another one now
        _close_all_but(self._kept | _TERMINAL | {waiting})
        limit = lease.taken(self._run)
        if limit is None:
            return lease.NOTHING_FREE
        preloaded.renew()
        masters = Masters()
        try:
            if masters.begin(self._run, _leased(self._run), preloaded.reached):
                preloaded.before_ssh(masters.settle)
            command = _told(waiting)
            return self._with_what_was_kept([*command, *limit]) if command else _BROKEN
        finally:
            masters.end()

    def _with_what_was_kept(self, command: Sequence[str]) -> int:
        """With modules from earlier plays."""
        shown.call([sys.executable, *command])
        sys.argv = list(command)
        began = time.time_ns()
        builder = preloaded.builder(collection.search_root())
        zips = ModuleZips(self._run.state / ZIPS, builder) if builder else None
        if zips:
            zips.lay()
        try:
            return preloaded.play(command)
        finally:
            if zips:
                zips.keep(began)


def _told(waiting: int) -> list[str]:
    """The play's command from its supervisor; nothing when that could not make one, or is gone."""
    with open(waiting, encoding="utf-8") as stream:
        text = stream.read()
    return list(json.loads(text)) if text else []


def _leased(run: RunDir) -> frozenset[str]:
    """Hosts that this play has for itself; no other may be connected."""
    found = read_json(run.lease_file) or {}
    return frozenset(map(str, cast("Sequence[str]", found.get("free", ()))))


def _close_all_but(kept: frozenset[int]) -> None:
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names are enough
        handle = int(name)
        if handle not in kept:
            try:
                os.close(handle)
            except OSError:  # the listing's own
                continue
