# SPDX-License-Identifier: GPL-3.0-or-later
"""The warm process: everything a run has to load is loaded, and nothing has begun.

It waits for the controller at the other end of a socket, and forks one child per run: ahead, so
that a run finds one that waits for it. The child becomes what a cold start makes: the run's
supervisor (``supervisor``) in a session of its own, with the run's lock and log and nothing else of
ours, and that forks the play. So two seconds of reading Python files are left out and nothing else:
no connection, no variable, no secret and no state of Ansible is shared, because this process never
runs a play.

The child has forked the run's play, too, before there is a run (``ready_play``). A run may be
announced to it: the play then leases and connects the hosts while the controller still asks whether
the run may begin. A run that does not come within two seconds is forgotten.

A start happens once or not at all. The child first says that it is there; only when the controller
answers does it begin. A controller that heard nothing starts the run the cold way, and the child,
which hears nothing either, ends.

What was loaded may have changed on disk since. Before each run is handed to its child every file
that it came from is looked at; after a change this process ends, and the run starts cold. The same
happens when one of them changed while everything was being loaded: what is in memory may be half
old and half new.

It ends with its controller: the socket closes, whatever the controller died of. Its children are
processes of their own by then, and the one that waits for a run ends with it.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from storewarden.adapters.ansible import environment, preloaded, processes, shown, supervisor
from storewarden.adapters.ansible.announced import LIMIT, Announced
from storewarden.adapters.ansible.play import Play, places_of, shared_environment
from storewarden.adapters.ansible.ready_play import Ready
from storewarden.adapters.ansible.rundir import Request, RunDir
from storewarden.adapters.ansible.warm_play import WarmPlay

READY, GO = b"r", b"g"
NAME = "storewarden.adapters.ansible.warm_process"
_FILES = 3  # descriptors that come with it: lock, log, the run's own end of the talk
_LOOK_HOLDS = 1.0  # seconds from an announcement's look at the files in which its run begins
_FORGOTTEN = 2.0  # seconds that what was announced is waited for
_CALM = 0.5  # seconds that a run has the machine for itself before the next child is made

type _Seen = Mapping[str, tuple[int, int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One run to be started, in the child that is to become its supervisor."""

    run: RunDir
    environment: Mapping[str, str]
    link: socket.socket
    lock: int
    log: int
    ready: Ready


def _look(path: str) -> tuple[int, int, int]:
    """What tells a file from another one of the same name; zeros when there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - hundreds of files before every run
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def _sources() -> Iterable[str]:
    """Every file that this process has in its memory, and the settings that it has read."""
    modules = [getattr(each, "__file__", None) for each in list(sys.modules.values())]
    yield from (path for path in modules if path)
    yield from preloaded.looked_at()


def _touched(path: str) -> int:
    """When a file was last put in its place or written, in nanoseconds since the epoch; 0 for a
    folder and for what is not there. An installer may set mtime to anything, ctime it may not."""
    try:
        found = os.stat(path)  # noqa: PTH116 - as above
    except OSError:
        return 0
    return found.st_ctime_ns if stat.S_ISREG(found.st_mode) else 0


class Files:
    """The files that everything was loaded from; made when it has been.

    ``began`` is when loading began, in nanoseconds since the epoch.
    """

    def __init__(self, paths: Iterable[str], began: int) -> None:
        self._seen: _Seen = {path: _look(path) for path in paths}
        self._torn = any(_touched(path) >= began for path in self._seen)

    def changed(self) -> bool:
        """Whether any of them is, or was while it was loaded, another one."""
        return self._torn or any(_look(path) != found for path, found in self._seen.items())


def _started() -> int:
    """When this process was made, in nanoseconds since the epoch: its first modules were read
    before any line of ours. Rounded up to a tick of the kernel, in which no module is read."""
    fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace")
    ticks = int(fields.rpartition(")")[2].split()[19]) + 1  # proc(5): 22, starttime
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time_ns() - int(age * 1e9)


def _open_files() -> frozenset[int]:
    """Descriptors that are open; the one that lists them is gone when this returns."""
    names = os.listdir("/proc/self/fd")  # noqa: PTH208 - names are enough
    return frozenset(int(name) for name in names if Path(f"/proc/self/fd/{name}").exists())


class Warm:
    """The loop. ``serve`` returns an order in each child, and None in the process itself."""

    def __init__(self, control: socket.socket, files: Files, waiting: Waiting) -> None:
        """``waiting`` is what each child does until it has an order."""
        self._control = control
        self._files = files
        self._waiting = waiting
        self._looked = -_LOOK_HOLDS

    def serve(self) -> Order | None:
        """Have a child ready for every order; ends with the controller, or when what was loaded is
        stale."""
        self._control.send(READY)
        while True:
            select.select([self._control], [], [], _CALM)
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            if os.fork() == 0:
                self._control.close()
                ours.close()
                return self._waiting(theirs)
            theirs.close()
            with ours:
                if not self._handed_on(ours):
                    return None

    def _handed_on(self, child: socket.socket) -> bool:
        """Give what is announced and the next order to the child that waits; no more orders when
        there is none."""
        while True:
            data, files, _flags, _sender = socket.recv_fds(self._control, LIMIT, _FILES)
            announced = bool(data) and not files
            if announced:
                with suppress(OSError):  # the order will find out
                    child.send(data)
            elif len(files) != _FILES:
                return False  # the controller's end
            if self._stale(announced=announced):
                return False  # all ends of the talk close with us
            if not announced:
                return _passed(child, data, files)

    def _stale(self, *, announced: bool) -> bool:
        """Whether the files have changed; looked at for an announcement, they count as looked at
        for its run."""
        began = time.monotonic()
        if not announced and began - self._looked < _LOOK_HOLDS:
            return False
        self._looked = began if announced else -_LOOK_HOLDS
        return self._files.changed()


def _passed(child: socket.socket, data: bytes, files: list[int]) -> bool:
    try:
        socket.send_fds(child, [data], files)
    except OSError:  # it died while it waited
        return False
    for handle in files:
        os.close(handle)
    return True


type Waiting = Callable[[socket.socket], Order | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A child until it has an order. Plays of ``places`` can be run here, when all that they share
    is ``shared``."""

    places: environment.PlayPlaces
    shared: Mapping[str, str]
    kept: frozenset[int]

    def __call__(self, link: socket.socket) -> Order | None:
        """What it is to become, None when the warm process has ended before.

        A child that hangs must not keep the lock of a run that it never took.
        """
        processes.die_with_parent(signal.SIGKILL)
        with link:
            ready = Ready(self.kept)
            while True:
                link.settimeout(_FORGOTTEN if ready.run_id else None)
                try:
                    data, files, _flags, _sender = socket.recv_fds(link, LIMIT, _FILES)
                except TimeoutError:
                    ready.end()
                    ready = Ready(self.kept)
                    continue
                if not data or files:
                    break
                self._announce(ready, data)
        processes.die_with_parent(0)
        if len(files) == _FILES:
            return _order(data, files, ready)
        ready.end()
        return None

    def _announce(self, ready: Ready, data: bytes) -> None:
        """Only one run at a time, and none with other settings than ours."""
        announced = Announced.read(data)
        if not ready.run_id and places_of(announced.request) == self.places:
            ready.announce(announced)


def _order(data: bytes, files: list[int], ready: Ready) -> Order:
    found = json.loads(data)
    lock, log, link = files
    return Order(
        run=RunDir(Path(str(found["run"]))),
        environment=cast("Mapping[str, str]", found["environment"]),
        link=socket.socket(fileno=link),
        lock=lock,
        log=log,
        ready=ready,
    )


def _agreed(order: Order) -> bool:
    """Whether the controller leaves the run to us. It may have gone, or grown tired of waiting."""
    try:
        order.link.send(READY)
        return order.link.recv(1) == GO
    except OSError:
        return False
    finally:
        order.link.close()


def _alone(order: Order) -> None:
    """What ``subprocess`` gives a cold supervisor: session, directory, files, environment."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for source, target in ((null, 0), (order.log, 1), (order.log, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(order.log)
    os.chdir(order.run.path)
    os.environ.clear()
    os.environ.update(order.environment)
    tempfile.tempdir = None  # the warm process may have asked for its own
    shown.call([sys.executable, "-P", "-m", supervisor.__name__, str(order.run.path)])


def _supervise(order: Order, child: Child) -> int:
    if not _agreed(order):
        order.ready.end()
        return 0
    _alone(order)

    def play(run: RunDir, request: Request) -> supervisor.Watched:
        if shared_environment(places_of(request)) == child.shared:
            return WarmPlay(run, request, child.kept, order.ready)
        order.ready.end()
        return Play(run, request)  # other settings than ours: Ansible must read them anew

    return supervisor.main([str(order.run.path)], play)


def _same_python(tool: str) -> bool:
    """Whether a script is run by this very Python: only then are its modules ours."""
    try:
        first = Path(tool).read_bytes().partition(b"\n")[0]
    except OSError:
        return False
    interpreter = Path(os.fsdecode(first.removeprefix(b"#!").split(b" ")[0]))
    return first.startswith(b"#!") and interpreter.parent == environment.bin_directory()


def _settings(control: socket.socket) -> environment.PlayPlaces:
    """The settings of the site; the first word we hear."""
    given = json.loads(control.recv(LIMIT))
    del os.environ[processes.MARKER]  # it did its work: it is where others see it
    return environment.PlayPlaces(**{**given, "collections": tuple(given["collections"])})


def main(argv: list[str]) -> int:
    """``warm_process DESCRIPTOR FILLER``: the control socket; the filler is room for a name."""
    began = _started()
    control = socket.socket(fileno=int(argv[0]))
    control.set_inheritable(False)
    if not shown.can_be_marked():
        return 1
    places = _settings(control)
    shared = shared_environment(places)  # as a supervisor works it out
    playbook = environment.tool("ansible-playbook", shared)
    if not _same_python(playbook):
        return 1
    os.environ.update(shared)
    preloaded.load()
    gc.collect()
    gc.freeze()  # what is never looked at again is never written to, and stays shared
    kept = _open_files() - {control.fileno()}
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps: nobody asks how they ended
    shown.call([sys.executable, "-P", "-m", NAME])
    child = Child(places=places, shared=shared, kept=kept)
    order = Warm(control, Files((*_sources(), playbook), began), child).serve()
    return 0 if order is None else _supervise(order, child)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
