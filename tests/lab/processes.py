# SPDX-License-Identifier: GPL-3.0-or-later
"""Running commands, and telling our own processes from strangers with the same number.

A process id in a file says nothing after the process ended: the number is used again. A process
is ours only when its start time and the machine's boot are the recorded ones too, and it is
signalled through a pidfd, which cannot change its meaning in between.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.lab.places import LabError

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One process for ever: number, start (clock ticks since boot), boot id."""

    pid: int
    start: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """The identity of a running process; None when there is none (or only a zombie)."""
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The command may hold spaces and brackets; the fields start after the last ')'.
        fields = text.rpartition(")")[2].split()
        if fields[0] == "Z":
            return None
        return cls(pid=pid, start=int(fields[19]), boot=_BOOT_ID.read_text().strip())

    @classmethod
    def load(cls, path: Path) -> Identity | None:
        """The identity recorded in `path`; None when missing or half written."""
        try:
            return cls(**json.loads(path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def save(self, path: Path) -> None:
        """Record the identity (whole or not at all)."""
        replace_text(path, json.dumps(asdict(self)))

    def alive(self) -> bool:
        return Identity.of(self.pid) == self

    def send(self, number: signal.Signals) -> None:
        """Signal this process if it still is this process."""
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(self.pid)
            try:
                if self.alive():
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)


def replace_text(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a file so that readers see the old text or the new one, nothing between."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text)
    fresh.chmod(mode)
    fresh.replace(path)


def run(
    argv: Sequence[str | Path], *, stdin: str | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a command of this machine; LabError with its last error line when it fails."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words, input=stdin, capture_output=True, text=True, check=False, env=environment()
        )
    except FileNotFoundError as error:
        raise LabError(f"{words[0]} is not installed") from error
    if check and done.returncode != 0:
        raise LabError(f"{shlex.join(words)}: {last_line(done.stderr or done.stdout)}")
    return done


def environment() -> dict[str, str]:
    """This process's environment with the system folders found and messages in English."""
    path = os.environ.get("PATH", "")
    return {**os.environ, "PATH": f"{path}:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def last_line(text: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
