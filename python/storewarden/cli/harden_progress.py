# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress of a hardening on stderr: a bar and lines for people, lines for logs, JSON."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from storewarden.cli.printing import printable
from storewarden.cli.progress import ProgressStyle
from storewarden.flows.harden_progress import HardenProgress, Step

_GOOD = ("well", "answered")
_QUIET = ("fixed", "unchanged", "planned", "restored")


class HardenDisplay(AbstractContextManager["HardenDisplay"]):
    """Shows nothing; the others say more."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to put away."""

    def show(self, progress: HardenProgress) -> None:
        """Take one step."""


class JsonLines(HardenDisplay):
    """One object per step; empty fields are left out."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, progress: HardenProgress) -> None:
        """Write the step."""
        fields = {name: getattr(progress, name) for name in progress.__slots__}
        line = {name: value for name, value in fields.items() if value != ""}
        line["step"] = progress.step.value
        print(json.dumps(line, ensure_ascii=False), file=self._stream, flush=True)


def line_of(progress: HardenProgress) -> str:
    """What a log should keep of a step; "" for nothing."""
    why = f": {progress.message}" if progress.message else ""
    match progress.step:
        case Step.AUDIT if progress.done in (0, progress.total):
            return f"audit {progress.message}: {progress.done} of {progress.total} hosts"
        case Step.BEGUN:
            return f"{progress.session}: {progress.total} hosts"
        case Step.GROUP:
            return f"{progress.host}: {progress.group}: {progress.state}{why}"
        case Step.HOST:
            done = f"{progress.done} of {progress.total}"
            return f"{progress.host}: {progress.state} ({done}){why}"
        case Step.COLLECTED | Step.WARNING:
            return progress.message
        case _:
            return ""


class PlainLines(HardenDisplay):
    """A line per host and apply group."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, progress: HardenProgress) -> None:
        """Write it."""
        line = line_of(progress)
        if line:
            print(f"storewarden: {printable(line)}", file=self._stream, flush=True)


class LiveBar(HardenDisplay):
    """One bar that says what goes on; what did not go well stays above it."""

    def __init__(self, stream: TextIO) -> None:
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=Console(file=stream, stderr=stream is sys.stderr),
            transient=True,
        )
        self._row = self._bars.add_task("hosts", total=None, note="")

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        self._bars.stop()

    def show(self, progress: HardenProgress) -> None:
        """Move the bar."""
        match progress.step:
            case Step.AUDIT:
                self._to(progress, f"audit {progress.message}", "")
            case Step.BEGUN:
                self._to(progress, progress.session, "")
            case Step.GROUP:
                note = f"{progress.host} {progress.group} {progress.state}"
                self._bars.update(self._row, note=printable(note))
                self._keep(progress, good=progress.state in _QUIET)
            case Step.HOST:
                self._to(progress, "hosts", f"{progress.bad} not well" if progress.bad else "")
                self._keep(progress, good=progress.state in _GOOD)
            case Step.COLLECTED | Step.WARNING:
                self._keep(progress, good=False)
            case _:
                pass

    def _to(self, progress: HardenProgress, what: str, note: str) -> None:
        done, total = progress.done, progress.total
        self._bars.update(self._row, description=what, completed=done, total=total, note=note)

    def _keep(self, progress: HardenProgress, *, good: bool) -> None:
        if not good:
            line = f"storewarden: {printable(line_of(progress))}"
            self._bars.console.print(line, markup=False, highlight=False)


def display(style: ProgressStyle, stream: TextIO) -> HardenDisplay:
    """The display for ``style``; AUTO asks the stream whether a person is looking."""
    if style is ProgressStyle.AUTO:
        style = ProgressStyle.BAR if stream.isatty() else ProgressStyle.LINES
    match style:
        case ProgressStyle.JSON:
            return JsonLines(stream)
        case ProgressStyle.BAR:
            return LiveBar(stream)
        case ProgressStyle.LINES:
            return PlainLines(stream)
        case _:
            return HardenDisplay()
