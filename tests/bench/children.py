# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.bench.children FILE COMMAND...``: run a command and count the CPU of all that
it started, also of what it left behind in the background (which ends then).

FILE gets ``{"wall": s, "cpu": s, "code": n}``. The wall time is the command's own.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of linux/prctl.h: orphans become ours
_GENTLE = 5.0  # seconds between TERM and KILL


def main() -> int:
    """The command's exit code."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1)
    began = time.monotonic()
    code = subprocess.run(sys.argv[2:], check=False).returncode
    wall = time.monotonic() - began
    _end_the_rest()
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = {"wall": wall, "cpu": spent.ru_utime + spent.ru_stime, "code": code}
    Path(sys.argv[1]).write_text(json.dumps(told))
    return code


def _end_the_rest() -> None:
    begun = time.monotonic()
    while left := psutil.Process().children(recursive=True):
        late = time.monotonic() - begun > _GENTLE
        for each in left:
            try:
                each.send_signal(signal.SIGKILL if late else signal.SIGTERM)
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.2)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return


if __name__ == "__main__":
    sys.exit(main())
