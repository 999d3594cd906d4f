# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host as the restore point sees it: where its files begin and how its programs are run.

A fixed search path and the C locale: undo is started by a timer, with no login's environment, and
must behave as it did when it was tried at capture.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from typing import NamedTuple

from .failures import RestoreError

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Done(NamedTuple):
    """How a program ended: status, output, error output."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line that was said, for a message."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[-1] if lines else "status {0}".format(self.code)


def _leave(child: subprocess.Popen[bytes]) -> None:
    """End a program with all that it started. One that hangs in the kernel cannot be ended, and
    nobody waits for it: the kill does."""
    with contextlib.suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(1.0)
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


class Host:
    """This machine, or a folder that stands for its files."""

    def __init__(self, root: str = "/", path: str = _PATH) -> None:
        self.root = root.rstrip("/")
        self.search = path

    def at(self, path: str) -> str:
        """Where a path of the host really lies."""
        return self.root + path

    def has(self, program: str) -> bool:
        return shutil.which(program, path=self.search) is not None

    def run(self, argv: list[str], seconds: float = 60.0, text: str = "") -> Done:
        """Run a program to its end; one that is missing or too slow ends with status 127 or 124."""
        found = shutil.which(argv[0], path=self.search)
        if found is None:
            return Done(127, "", "{0} is not installed".format(argv[0]))
        child = subprocess.Popen(
            [found, *argv[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env=self._environment(),
            start_new_session=True,
        )
        try:
            said = child.communicate(text.encode("utf-8", "surrogateescape"), timeout=seconds)
        except subprocess.TimeoutExpired:
            _leave(child)
            return Done(124, "", "{0} did not end within {1:g} s".format(argv[0], seconds))
        except BaseException:
            _leave(child)
            raise
        out, err = (part.decode("utf-8", "surrogateescape") for part in said)
        return Done(child.returncode, out, err)

    def must(self, argv: list[str], seconds: float = 60.0, text: str = "") -> str:
        """Output of a program that has to succeed; RestoreError with its last line otherwise."""
        done = self.run(argv, seconds, text)
        if done.code != 0:
            raise RestoreError("{0}: {1}".format(" ".join(argv[:3]), done.last))
        return done.out

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": self.search,
            "LC_ALL": "C",
            "HOME": "/root",
            "DEBIAN_FRONTEND": "noninteractive",
            "DEBIAN_PRIORITY": "critical",
            # Without it, needrestart may ask a question that nobody answers.
            "NEEDRESTART_SUSPEND": "1",
        }

    def has_systemd(self) -> bool:
        """Whether systemd runs this machine (its package alone says nothing)."""
        return os.path.isdir(self.at("/run/systemd/system")) and self.has("systemctl")
