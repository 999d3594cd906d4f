# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that stays with one run, whatever becomes of the controller.

It leads its own session without a terminal, holds the run's lock while it
lives, watches for the cancel file and the deadline, and at the end leaves a
result, by rename, and nothing else: no process, no secret, no lease record.

``--sweep`` is the other way in: end a play whose supervisor was killed.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from storewarden.adapters.ansible import complaint, processes
from storewarden.adapters.ansible.evidence import gathered
from storewarden.adapters.ansible.lease import clear_records
from storewarden.adapters.ansible.play import Play
from storewarden.adapters.ansible.results import write_result
from storewarden.adapters.ansible.rundir import Request, RunDir
from storewarden.adapters.ansible.verdict import Ending

_POLL = 0.2  # seconds between looks at the cancel file and the clock
_RUNNER_GRACE = 15.0  # seconds ansible-runner gets to notice that its child is gone
_AGAIN = 0.1  # seconds between looks for processes of a play that is being stopped


class _Stop:
    """SIGTERM to the supervisor means the same as the cancel file."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGTERM, self._note)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def _note(self, _number: int, _frame: object) -> None:
        self.asked = True


class Watched(Protocol):
    """A play as its supervisor sees it; ``rc`` and ``trouble`` as in ``play.Play``."""

    rc: int | None
    trouble: BaseException | None

    def start(self) -> None:
        """Begin; a play that cannot is over at once, and its ``trouble`` says why."""
        ...

    def is_alive(self) -> bool:
        """Whether it still runs."""
        ...

    def join(self, timeout: float) -> None:
        """Wait for its end, for at most so many seconds."""
        ...


type Player = Callable[[RunDir, Request], Watched]


def _watch(run: RunDir, request: Request, play: Watched, stop: _Stop) -> Ending:
    """Wait for the play; the reason why it has to be stopped, if it has to be."""
    deadline = time.monotonic() + request.timeout
    while play.is_alive():
        play.join(_POLL)
        if stop.asked or run.cancel_file.exists():
            return Ending.CANCELLED
        if time.monotonic() >= deadline:
            return Ending.TIMED_OUT
    return Ending.ENDED


def _finish(run: RunDir, request: Request, play: Watched, ending: Ending) -> tuple[int, ...]:
    """Leave no process behind; the pids that could not be ended.

    A stop may come before ansible-runner has started its child, so it is repeated
    until ansible-runner is done: else the play would begin after it was cancelled.
    """
    if ending is not Ending.ENDED:
        deadline = time.monotonic() + _RUNNER_GRACE
        while play.is_alive() and time.monotonic() < deadline:
            processes.stop(request.run_id, run.leader(), mine=True)
            play.join(_AGAIN)
    return processes.sweep(request.run_id, mine=True)


def supervise(run: RunDir, player: Player) -> None:
    """One run from its start to its result."""
    stop = _Stop()
    processes.adopt_orphans()
    request = run.request()
    play = player(run, request)
    if run.cancel_file.exists():
        ending = Ending.CANCELLED
    else:
        play.start()
        ending = _watch(run, request, play, stop)
    left = _finish(run, request, play, ending)
    cause = complaint.from_file(run.output) or complaint.first_line(play.trouble)
    evidence = gathered(run, request, ending, rc=play.rc, cause=cause)
    if not left:
        clear_records(run.state, request.hosts)
    run.forget_secrets()
    write_result(run, request, evidence, left)


def _supervise_or_say(run: RunDir, player: Player) -> int:
    """A fault of ours is a result too; the traceback goes to the log."""
    try:
        supervise(run, player)
    except Exception as error:  # noqa: BLE001 - the last line of defence of a detached process
        traceback.print_exc()
        request = run.request()
        left = processes.stop(request.run_id, run.leader(), mine=True)
        cause = f"the supervisor failed: {type(error).__name__}: {error}"
        evidence = gathered(run, request, Ending.ENDED, rc=None, cause=cause)
        run.forget_secrets()
        write_result(run, request, evidence, left)
        return 1
    return 0


def _sweep(run: RunDir) -> int:
    request = run.request()
    left = processes.stop(request.run_id, run.leader())
    run.forget_secrets()
    return 1 if left else 0


def main(argv: Sequence[str], player: Player = Play) -> int:
    """``supervisor RUN_DIR [--sweep]``; the lock comes as an inherited descriptor."""
    run = RunDir(Path(argv[0]))
    os.umask(0o077)
    if "--sweep" in argv:
        return _sweep(run)
    return _supervise_or_say(run, player)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
