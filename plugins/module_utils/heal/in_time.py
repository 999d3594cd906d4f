# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Work that ends in time even when the kernel does not answer.

A file on a dead mount holds its reader inside the kernel, where no alarm arrives. So the work is a
child's; one that overstays is killed, and when not even that reaches it, it is left: the kill waits
for it where it hangs, so that it does nothing more when it comes back.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
import traceback
from typing import Any, Callable, Optional

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import HealError

_GRACE = 10.0  # seconds beyond the work's own limit, which its alarm keeps
_PIECE = 65536


class Broken(Exception):
    """The work failed in a way that nobody had foreseen; with its traceback."""

    def __init__(self, line: str, trace: str) -> None:
        super().__init__(line)
        self.trace = trace


def in_time(
    work: Callable[[], dict[str, Any]], seconds: float, grace: float = _GRACE
) -> dict[str, Any]:
    """What ``work`` returns, JSON data. HealError as it raised it, or when it has not ended
    ``grace`` seconds after ``seconds`` (0: whenever); Broken for everything else."""
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _worker(work, writer)
    os.close(writer)
    try:
        said = _all_of(reader, time.monotonic() + seconds + grace if seconds else None)
    finally:
        os.close(reader)
        _ended(child)
    if said is None:
        raise HealError(
            "the host's kernel did not answer within {0:g} s (a dead mount?)".format(seconds),
            "主机内核未在 {0:g} 秒内响应（挂载点失效？）".format(seconds),
        )
    return _told(said)


def _told(said: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(said.decode("utf-8"))
    except ValueError:
        raise Broken("the work ended without an answer", "") from None
    if "error" in answer:
        raise HealError(answer["error"], answer["reason_zh"])
    if "broken" in answer:
        raise Broken(answer["broken"], answer["trace"])
    found: dict[str, Any] = answer["told"]
    return found


def _worker(work: Callable[[], dict[str, Any]], writer: int) -> None:
    """The child: one answer, and never back into the parent's program."""
    try:
        try:
            answer: dict[str, Any] = {"told": work()}
        except HealError as error:
            answer = {"error": str(error), "reason_zh": error.reason_zh}
        except BaseException as error:
            line = "{0}: {1}".format(type(error).__name__, error)
            answer = {"broken": line, "trace": traceback.format_exc()}
        data = json.dumps(answer).encode("utf-8")
        while data:
            data = data[os.write(writer, data) :]
    finally:
        os._exit(0)


def _all_of(reader: int, end: Optional[float]) -> Optional[bytes]:
    """What the child says until it is silent; None when it is not in time."""
    said = []
    while True:
        left = None if end is None else max(0.0, end - time.monotonic())
        if not select.select([reader], [], [], left)[0]:
            return None
        piece = os.read(reader, _PIECE)
        if not piece:
            return b"".join(said)
        said.append(piece)


def _ended(child: int) -> None:
    """The child is gone, or killed and left."""
    end = time.monotonic() + 1.0
    killed = False
    while True:
        done, _status = os.waitpid(child, os.WNOHANG)
        if done:
            return
        if time.monotonic() >= end:
            if killed:
                return
            with contextlib.suppress(OSError):
                os.kill(child, signal.SIGKILL)
            killed, end = True, time.monotonic() + 1.0
        time.sleep(0.01)
