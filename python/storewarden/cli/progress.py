# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress on stderr: bars for people, lines for logs, JSON for programs.

The report alone goes to stdout, so that it can be piped and redirected.
"""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager
from enum import StrEnum
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from storewarden.flows.audit_progress import Progress, Step


class ProgressStyle(StrEnum):
    """How progress is shown."""

    AUTO = "auto"  # bars on a terminal, lines otherwise
    BAR = "bar"  # always bars
    LINES = "lines"  # always lines
    JSON = "json"  # one JSON object per line
    NONE = "none"  # nothing but warnings' effects on the exit code


class Display(AbstractContextManager["Display"]):
    """Shows nothing; the others say more."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def show(self, progress: Progress) -> None:
        """Take one step."""


class JsonLines(Display):
    """``{"step": "host", "audit": ..., "host": ..., "done": 3, "total": 12, ...}`` per line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, progress: Progress) -> None:
        """Write the step as one object; empty fields are left out."""
        fields = {name: getattr(progress, name) for name in progress.__slots__}
        line = {name: value for name, value in fields.items() if value != ""}
        line["step"] = progress.step.value
        print(json.dumps(line, ensure_ascii=False), file=self._stream, flush=True)


class PlainLines(Display):
    """A line per host that was not audited, and one per tenth of the way."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._tenth = 0

    def show(self, progress: Progress) -> None:
        """Write what a log should keep; nothing for an ordinary step."""
        for line in self._lines(progress):
            print(f"storewarden: {line}", file=self._stream, flush=True)

    def _lines(self, progress: Progress) -> list[str]:
        match progress.step:
            case Step.RESOLVED:
                return [f"{progress.audit}: {progress.total} hosts"]
            case Step.COLLECTED | Step.WARNING:
                return [progress.message]
            case Step.HOST:
                return self._host(progress)
            case _:
                return []

    def _host(self, progress: Progress) -> list[str]:
        lines = []
        if progress.state != "audited":
            lines.append(f"{progress.host}: {progress.state}: {progress.message}")
        tenth = 10 * progress.done // max(progress.total, 1)
        if tenth > self._tenth:
            self._tenth = tenth
            missed = f", {progress.missed} not audited" if progress.missed else ""
            lines.append(f"{progress.done} of {progress.total} hosts{missed}")
        return lines


class LiveBars(Display):
    """One bar for the fleet and one per running shard, which go away when they end."""

    def __init__(self, stream: TextIO) -> None:
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=Console(file=stream, stderr=stream is sys.stderr),
            transient=True,
        )
        self._fleet = self._bars.add_task("hosts", total=None, note="")
        self._shards: dict[str, tuple[TaskID, int]] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def show(self, progress: Progress) -> None:
        """Move the bars; failures and warnings stay on the screen above them."""
        match progress.step:
            case Step.RESOLVED:
                self._bars.update(self._fleet, total=progress.total)
            case Step.STARTED:
                self._open(progress)
            case Step.PHASE if progress.run in self._shards:
                self._bars.update(self._row(progress.run), note=progress.message)
            case Step.HOST:
                self._host(progress)
            case Step.COLLECTED | Step.WARNING:
                self._say(progress.message)
            case _:
                pass

    def _row(self, run: str) -> TaskID:
        return self._shards[run][0]

    def _open(self, progress: Progress) -> None:
        number = len(self._shards) + 1
        row = self._bars.add_task(f"shard {number}", total=progress.total, note="connecting")
        self._shards[progress.run] = (row, progress.total)

    def _host(self, progress: Progress) -> None:
        note = f"{progress.missed} not audited" if progress.missed else ""
        self._bars.update(self._fleet, completed=progress.done, total=progress.total, note=note)
        if progress.run in self._shards:
            self._advance(progress.run)
        if progress.state != "audited":
            self._say(f"{progress.host}: {progress.state}: {progress.message}")

    def _advance(self, run: str) -> None:
        row, left = self._shards[run]
        self._shards[run] = (row, left - 1)
        self._bars.advance(row)
        if left <= 1:
            self._bars.update(row, visible=False)

    def _say(self, line: str) -> None:
        self._bars.console.print(f"storewarden: {line}", markup=False, highlight=False)


def display(style: ProgressStyle, stream: TextIO) -> Display:
    """The display for ``style``; AUTO asks the stream whether a person is looking."""
    if style is ProgressStyle.AUTO:
        style = ProgressStyle.BAR if stream.isatty() else ProgressStyle.LINES
    match style:
        case ProgressStyle.JSON:
            return JsonLines(stream)
        case ProgressStyle.BAR:
            return LiveBars(stream)
        case ProgressStyle.LINES:
            return PlainLines(stream)
        case _:
            return Display()
