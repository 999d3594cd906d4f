# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An audit that ends in time even when the kernel does not answer.

A file on a dead network mount holds its reader inside the kernel, where no alarm arrives. So the
looking is done by a child that hands over every result as it comes; a child that overstays is
killed, and what it did not reach is an error, never a pass and never silence.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from typing import Any, Callable, Iterator

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.evaluate import (
    evaluate_control,
    report_of,
    unreached,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    OUTPUT,
    TIMEOUT,
    ProbeError,
)

_GRACE = 2.0  # seconds that a child gets beyond the audit's own end, which it keeps by itself
_PIECE = 65536


def guarded_audit(
    make_system: Callable[[], Any], controls: list[dict[str, Any]], content: str, seconds: float
) -> dict[str, Any]:
    """The report of ``evaluate.audit``, at the latest a few seconds after ``seconds``."""
    started = time.monotonic()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _look(make_system, controls, writer)
    os.close(writer)
    try:
        results = list(_handed_over(reader, started + seconds + _GRACE))
    finally:
        os.close(reader)
        signalled = _ended(child)
    why = _why(signalled, seconds)
    results += [unreached(control, why) for control in controls[len(results) :]]
    return report_of(controls, results, content, started)


def _look(make_system: Callable[[], Any], controls: list[dict[str, Any]], writer: int) -> None:
    """The child: one line per control, and never back into the parent's program."""
    status = 1
    try:
        system = make_system()
        with os.fdopen(writer, "w") as stream:
            for control in controls:
                stream.write(json.dumps(evaluate_control(system, control)) + "\n")
                stream.flush()
        status = 0
    finally:
        os._exit(status)


def _handed_over(reader: int, end: float) -> Iterator[dict[str, Any]]:
    """Results until the child has no more, or the time is over."""
    held = b""
    while True:
        left = end - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            return
        piece = os.read(reader, _PIECE)
        if not piece:
            return
        *lines, held = (held + piece).split(b"\n")
        for line in lines:
            yield json.loads(line.decode("ascii"))


def _ended(child: int) -> int | None:
    """The child is gone, or killed; its wait status, None when even a kill does not reach it."""
    status = _status(child, 0.5)
    if status is None:
        with contextlib.suppress(OSError):
            os.kill(child, signal.SIGKILL)
        _status(child, 1.0)
    return status


def _status(child: int, seconds: float) -> int | None:
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        if time.monotonic() >= end:
            return None
        time.sleep(0.01)


def _why(status: int | None, seconds: float) -> ProbeError:
    if status is None:
        return ProbeError(
            TIMEOUT,
            "the host's kernel did not answer within {0:g} s (a dead network mount?)".format(
                seconds
            ),
        )
    return ProbeError(OUTPUT, "the audit's process ended early (status {0})".format(status))
