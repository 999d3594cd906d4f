# SPDX-License-Identifier: GPL-3.0-or-later
"""Foreign servers as child processes: started in a group of their own, awaited, ended with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

_PATIENCE = 400.0  # seconds; these start in 3 to 10 on an idle machine


def free_port() -> int:
    """A port that was free a moment ago, for servers that cannot take one from the system."""
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether somebody listens."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def serving[T](
    argv: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    cwd: Path,
    ready: Callable[[str], T | None],
) -> Iterator[T]:
    """What ``ready`` found in the program's output, asked until it is there; the program ends
    with the block.

    Its output goes to ``folder/server.log``. RuntimeError with the end of it when the program
    ends early or does not get ready.
    """
    log = folder / "server.log"
    with log.open("wb") as out:
        # setpriv: a test run that is killed must not leave its servers behind.
        program = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "--", *argv],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=cwd,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    try:
        yield _awaited(program, log, ready)
    finally:
        _end(program)


def run(argv: Sequence[str], environment: Mapping[str, str], cwd: Path, what: str) -> str:
    """What a short program printed; RuntimeError with it when it failed."""
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        check=False, cwd=cwd, env={**os.environ, **environment}, timeout=300,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{what}: {done.stderr[:1000]} ... {done.stderr[-1000:]}")
    return done.stdout


def _awaited[T](program: subprocess.Popen[bytes], log: Path, ready: Callable[[str], T | None]) -> T:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        written = log.read_text(errors="replace")
        if found := ready(written):
            return found
        if program.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"{program.args!r} is not ready: {log.read_text(errors='replace')[-2000:]}")


def _end(program: subprocess.Popen[bytes]) -> None:
    """The whole group: pre-forking servers leave children behind otherwise."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(program.pid, number)
        except ProcessLookupError:
            break
        try:
            program.wait(10)
        except subprocess.TimeoutExpired:
            continue
    program.wait()
