# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's end of a warm process (``warm_process``): hand it a run, or do without.

Whatever is wrong with it, the answer is only ever "not warm": the caller then starts the run cold,
which comes to the same. A warm process that died or grew stale is replaced in the background, at
most twice a minute, so that a machine on which it cannot live is not kept busy by it. One that
hangs is killed: the descriptors of runs that it never took would stay with it, and their locks.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from storewarden.adapters.ansible import environment, shown
from storewarden.adapters.ansible.announced import LIMIT, Announced, Hosts
from storewarden.adapters.ansible.processes import MARKER
from storewarden.adapters.ansible.rundir import Request
from storewarden.domain.errors import StorewardenError

_MODULE = f"{__package__}.warm_process"
_READY, _GO = b"r", b"g"  # as in warm_process, which only the process itself imports
_PATIENCE = 2.0  # seconds a warm start may take to begin; a cold one takes about as long
_PAUSE = 30.0  # seconds between two attempts to have a warm process
_ROOM = 512  # characters a supervisor's or a play's command line may have where others see it


class WarmStart:
    """One warm process for runs with these ``places``; safe to use from any thread."""

    def __init__(self, places: Callable[[], environment.PlayPlaces], folder: Path) -> None:
        """``folder`` is where it stays: a directory of ours, without an ansible.cfg; what it has
        to complain of is in ``warm.log`` beside that."""
        self._places = places
        self._folder = folder
        self._log = folder.parent / "warm.log"
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ready = False
        self._begun: float | None = None
        self._closed = False

    def begin(self) -> None:
        """Have one, in a second or two. Does nothing while there is one, or was just one."""
        with self._lock:
            self._begin()

    @property
    def pid(self) -> int | None:
        """Its process, once it takes runs; None while there is none."""
        with self._lock:
            ready = self._ready()
            return self._process.pid if ready and self._process is not None else None

    def close(self) -> None:
        """Let it go; runs that it has started are none of its business any more."""
        with self._lock:
            self._closed = True
            self._drop()

    def announce(self, path: Path, request: Request, hosts: Hosts) -> None:
        """Let it get ready for a run that is likely to be started at once."""
        announced = Announced(
            path=path, request=request, hosts=hosts, environment=self._environment()
        ).text()
        with self._lock:
            control = self._ready()
            if control is not None and len(announced) <= LIMIT:
                # It has more to do than it can, or is gone: the start will see.
                with contextlib.suppress(OSError):
                    control.send(announced)

    def start(self, run: Path, lock: int, log: int) -> bool:
        """Whether it has taken the run, for good. The descriptors stay the caller's."""
        try:
            ours, theirs = socket.socketpair()
        except OSError:
            return False
        with ours:
            with theirs:
                asked = self._sent(run, (lock, log, theirs.fileno()))
            taken = asked is not None and _agreed(ours)
        if asked is not None and not taken:
            self._replace(asked)
        return taken

    def _sent(self, run: Path, files: Sequence[int]) -> socket.socket | None:
        """Where the order went, None when it went nowhere."""
        order = {"run": str(run), "environment": self._environment()}
        with self._lock:
            control = self._ready()
            try:
                if control is not None:
                    socket.send_fds(control, [json.dumps(order).encode()], list(files))
                    return control
            except BlockingIOError:
                return None  # it has more to do than it can
            except OSError:
                self._drop()
            self._begin()
        return None

    def _replace(self, asked: socket.socket) -> None:
        """It has ended, hangs, or is stale: have another one. Of several runs that were left alone
        by the same one the first sees to that."""
        with self._lock:
            if self._control is asked:
                self._drop()
            self._begin()

    def _environment(self) -> dict[str, str]:
        return environment.base(environment.bin_directory())

    def _ready(self) -> socket.socket | None:
        """The control socket of a process that has loaded everything."""
        if self._control is None or self._is_ready:
            return self._control
        try:
            said = self._control.recv(1)
        except BlockingIOError:
            return None  # still loading
        except OSError:
            said = b""
        self._is_ready = said == _READY
        if not self._is_ready:
            self._drop()
        return self._control

    def _begin(self) -> None:
        now = time.monotonic()
        early = self._begun is not None and now - self._begun < _PAUSE
        if self._closed or self._control is not None or early:
            return
        self._begun = now
        # No memory, no processes, settings that are wrong: every run will say so, and start cold.
        with contextlib.suppress(OSError, StorewardenError):
            self._control, self._process = self._launched(self._places())

    def _launched(
        self, places: environment.PlayPlaces
    ) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        room = "." * (_ROOM + len(os.fsencode(self._folder)))
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", _MODULE, str(theirs.fileno()), room],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env={**self._environment(), MARKER: shown.NOBODY},
                start_new_session=True,
                pass_fds=(theirs.fileno(),),
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(log)
        threading.Thread(target=process.wait, name="reap", daemon=True).start()
        ours.send(json.dumps(asdict(places)).encode())
        ours.setblocking(False)
        return ours, process

    def _drop(self) -> None:
        if self._control is not None:
            self._control.close()
        # One that still loads has no run's descriptors; it ends by itself, and tidies up before.
        if self._process is not None and self._is_ready:
            self._process.kill()
        self._control = self._process = None
        self._is_ready = False


def _agreed(link: socket.socket) -> bool:
    """Whether the run is in good hands; not when the answer is late, or none will come."""
    link.settimeout(_PATIENCE)
    try:
        if link.recv(1) != _READY:
            return False
        link.send(_GO)
    except OSError:  # TimeoutError is one
        return False
    return True
