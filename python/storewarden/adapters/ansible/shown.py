# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``/proc`` shows of this process: its command line, and the run that it belongs to.

Both are the memory in which the kernel left them when the program was started, so a process that
was forked from a warm one would carry the warm one's name, and nobody who looks for the processes
of a run (``processes``) would find it. They are written over in place: never longer than what was
there, so nothing beside them is touched. PostgreSQL and many others name their processes this way.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

from storewarden.adapters.ansible.processes import MARKER

NOBODY = "00000000-0000-0000-0000-000000000000"
"""The run of a process that may become any run: as long as a run's id, and never one."""

# Fields of /proc/self/stat after the name, counted from 0 (proc(5): 48-51).
_ARGUMENTS, _ENVIRONMENT = 45, 47


def _area(first: int) -> tuple[int, int]:
    """Address and length of one of the two areas; the length is 0 where the kernel hides it."""
    fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace")
    start, end = (int(word) for word in fields.rpartition(")")[2].split()[first : first + 2])
    return start, end - start


def _write(address: int, data: bytes) -> None:
    ctypes.memmove(address, data, len(data))


def _mark_at() -> int | None:
    """Where the id stands in the environment that others see; None when it is not NOBODY's."""
    start, length = _area(_ENVIRONMENT)
    if length <= 0:
        return None
    word = f"{MARKER}={NOBODY}".encode()
    there = ctypes.string_at(start, length).split(b"\0")
    if word not in there:
        return None
    before = sum(len(item) + 1 for item in there[: there.index(word)])
    return start + before + len(MARKER) + 1


def can_be_marked() -> bool:
    """Whether ``mark`` will work here, in this process and in what it forks."""
    return _mark_at() is not None


def mark(run_id: str) -> None:
    """From now on this process, and every fork of it, is one of ``run_id``. Raises OSError."""
    place = _mark_at()
    if place is None or len(run_id) != len(NOBODY):
        raise OSError("this process cannot be marked as one of a run")
    _write(place, run_id.encode("ascii"))
    os.environ[MARKER] = run_id


def call(words: Sequence[str]) -> None:
    """Show this command line, cut to the room there is."""
    start, length = _area(_ARGUMENTS)
    if length > 0:
        text = b"\0".join(os.fsencode(word) for word in words)[: length - 1]
        _write(start, text.ljust(length, b"\0"))
