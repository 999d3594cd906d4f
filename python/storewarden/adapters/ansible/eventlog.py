# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and writing a run's event file.

The play appends most lines, the controller the first and the supervisor the
last. A line that a crash or a full disk tore is skipped, never fatal: what
is missing shows in the verdict, because the recap counts.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from storewarden.ports.runner import RunEvent

Record = Mapping[str, object]

# What a follower sees; the other kinds are for the verdict alone.
PUBLIC = frozenset(
    {"started", "play", "task", "finished"}
    | {"host_ok", "host_changed", "host_failed", "host_unreachable", "host_skipped"}
)
_POLL = 0.1  # seconds between looks at a file that has not grown
_CHUNK = 1 << 20


def append(path: Path, kind: str, at: float, **fields: object) -> None:
    """One line in one write, so that lines of several writers never mix."""
    line = json.dumps({"kind": kind, "at": at, **fields}).encode("ascii") + b"\n"
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


def _parsed(line: bytes) -> Record | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return cast("Record", record) if isinstance(record, dict) and "kind" in record else None


@dataclass(slots=True)
class Tail:
    """Reads whole lines as they come, from where it stopped."""

    path: Path
    offset: int = 0
    _rest: bytes = b""

    def new(self) -> Iterator[Record]:
        """Every whole record written since the last call."""
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            while chunk := os.pread(handle, _CHUNK, self.offset):
                self.offset += len(chunk)
                *lines, self._rest = (self._rest + chunk).split(b"\n")
                yield from (record for line in lines if (record := _parsed(line)) is not None)
        finally:
            os.close(handle)


def records(path: Path) -> Iterator[Record]:
    """Every record of a file as it stands."""
    return Tail(path).new()


def follow(path: Path, over: Callable[[], bool]) -> Iterator[Record]:
    """Every record from the beginning, as written, until ``finished`` or until ``over()``."""
    tail = Tail(path)
    while True:
        last_look = over()  # asked before reading: what was written until then is read below
        grew = False
        for record in tail.new():
            grew = True
            yield record
            if record["kind"] == "finished":
                return
        if last_look:
            return
        if not grew:
            time.sleep(_POLL)


def event(record: Record) -> RunEvent:
    """A record as the port knows it."""
    report = record.get("report")
    return RunEvent(
        kind=str(record["kind"]),
        at=moment(record.get("at")),
        host=str(record.get("host", "")),
        task=str(record.get("task", "")),
        message=str(record.get("message", "")),
        report=cast("Mapping[str, object]", report) if isinstance(report, dict) else {},
    )


def moment(seconds: object) -> datetime:
    """Seconds since the epoch as a moment in UTC."""
    return datetime.fromtimestamp(seconds if isinstance(seconds, int | float) else 0, UTC)
