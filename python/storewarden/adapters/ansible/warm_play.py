# SPDX-License-Identifier: GPL-3.0-or-later
"""A play that is forked from a warm supervisor instead of being executed by ansible-runner.

ansible-runner still makes the command; what it would do then is done by the process that waits for
it (``ready_play``), step by step the same: a terminal of its own that nobody uses, SIGHUP and
SIGINT ignored, a bare environment, the working directory, the leases (``lease``), no descriptor but
its own. Only then does it become ansible-playbook, which is in its memory already. It leases its
hosts, and begins to connect them, while its supervisor is still making the command, or sooner, when
its run was announced.
"""

from __future__ import annotations

import os
import select

from storewarden.adapters.ansible.play import configured, make_scratch
from storewarden.adapters.ansible.ready_play import Ready
from storewarden.adapters.ansible.rundir import Request, RunDir


class WarmPlay:
    """One play below this supervisor; the same to its supervisor as ``play.Play``.

    ``kept`` are the descriptors that belong to what was loaded: Ansible's own log, if it has one.
    ``ready`` is a process that was forked for it before, if there is one.
    """

    def __init__(
        self, run: RunDir, request: Request, kept: frozenset[int], ready: Ready | None = None
    ) -> None:
        self.rc: int | None = None
        self.trouble: BaseException | None = None
        self._run = run
        self._request = request
        self._kept = kept
        self._ready = ready
        self._ended = True  # not begun is over as well

    def start(self) -> None:
        """Begin it; what cannot be prepared or forked is told as ``trouble``.

        It leases its hosts and connects them while its command is made here.
        """
        try:
            self._ready = ready = self._begun()
        except OSError as error:  # handed to the supervisor, which reports it
            self.trouble = error
            return
        self._ended = False
        try:
            ready.command(configured(self._run, self._request).command)
        except Exception as error:  # noqa: BLE001 - handed to the supervisor, which reports it
            self.trouble = error
        ready.close()

    def _begun(self) -> Ready:
        """The process that is this run's play now. Raises OSError."""
        ready, run_id = self._ready, self._request.run_id
        if ready is not None and ready.run_id not in ("", run_id):
            ready.end()  # it has leases of a run that did not come
            ready = None
        if ready is None or not ready.run_id:
            make_scratch(self._request)
        if ready is None or not ready.begin(self._run):
            ready = self._forked(ready)
        return ready

    def _forked(self, gone: Ready | None) -> Ready:
        if gone is not None:
            gone.end()
            if gone.run_id:
                make_scratch(self._request)
        ready = Ready(self._kept)
        ready.begin(self._run)
        return ready

    def is_alive(self) -> bool:
        """Whether it still runs."""
        self.join(0)
        return not self._ended

    def join(self, timeout: float) -> None:
        """Wait for its end, for at most so many seconds."""
        if self._ended or self._ready is None:
            return
        waiting = select.poll()
        waiting.register(self._ready.handle, select.POLLIN)
        if not waiting.poll(timeout * 1000):
            return
        _pid, status = os.waitpid(self._ready.pid, 0)
        os.close(self._ready.handle)
        self._ended = True
        # No status, as with ansible-runner, of a play that a signal ended, or that never was one.
        if os.WIFEXITED(status) and self.trouble is None:
            self.rc = os.WEXITSTATUS(status)
