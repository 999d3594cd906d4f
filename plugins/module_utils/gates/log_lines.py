# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Counting lines of a log in a span of time; only the numbers leave the host."""

from __future__ import annotations

import glob
import gzip
import os
import re
import shutil
import subprocess
import time
from typing import IO, Any, Iterable, Iterator, NamedTuple, Optional

from .log_times import written_at

_LONGEST = 4096  # characters of a line that are searched
_FILES = 100  # files that one question may read


class NoAnswer(Exception):
    """Why it cannot be counted, in one line."""


class Span(NamedTuple):
    """From when until when, in seconds since 1970; the end is not part of it."""

    since: float
    until: float


class Tally:
    """Lines that were found, and lines in all."""

    def __init__(self, pattern: str, ignore: str) -> None:
        self.count = 0
        self.lines = 0
        self._pattern = _compiled(pattern)
        self._ignore = _compiled(ignore) if ignore else None

    def add(self, line: str) -> None:
        """One line of the span."""
        self.lines += 1
        text = line[:_LONGEST]
        if self._pattern.search(text) and not (self._ignore and self._ignore.search(text)):
            self.count += 1


def _compiled(pattern: str) -> Any:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise NoAnswer("{0!r} is no regular expression: {1}".format(pattern, error)) from None


def count_journal(tally: Tally, span: Span, unit: str) -> None:
    """Messages of a unit, or of the whole journal. NoAnswer when there is no journal to read."""
    found = shutil.which("journalctl", path="/usr/bin:/bin")
    if found is None:
        raise NoAnswer("journalctl is not installed")
    argv = [found, "--quiet", "--no-pager", "--output=cat"]
    argv += ["--since=@{0:.0f}".format(span.since), "--until=@{0:.0f}".format(span.until)]
    argv += ["--unit={0}".format(unit)] if unit else []
    program = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )
    try:
        for raw in program.stdout or ():
            tally.add(_text(raw))
        said = _text(program.stderr.read() if program.stderr else b"")
        if program.wait() != 0 or "permission" in said.lower():
            raise NoAnswer("journalctl: {0}".format(_last(said) or program.returncode))
    finally:
        if program.poll() is None:
            program.kill()
        program.communicate()


def count_files(tally: Tally, span: Span, paths: Iterable[str]) -> None:
    """Lines of files; NoAnswer when there is no file, or one does not say when it was written."""
    files = sorted({path for pattern in paths for path in glob.glob(pattern)})
    if not files:
        raise NoAnswer("there is no such file")
    if len(files) > _FILES:
        raise NoAnswer("{0} files are too many ({1})".format(len(files), _FILES))
    now = time.time()
    for path in files:
        # A file that was last written before the span has nothing of it.
        if os.path.isfile(path) and os.path.getmtime(path) >= span.since:
            _count_file(tally, span, path, now)


def _count_file(tally: Tally, span: Span, path: str, now: float) -> None:
    """A line without a time belongs to the one before it: a traceback has many lines and one
    time. A file in which no line has one cannot be counted."""
    at: Optional[float] = None
    empty = True
    for line in _lines(path):
        empty = False
        at = written_at(line, now) or at
        if at is not None and span.since <= at < span.until:
            tally.add(line)
    if at is None and not empty:
        raise NoAnswer("{0}: no line says when it was written".format(path))


def _lines(path: str) -> Iterator[str]:
    try:
        with _opened(path) as stream:
            for raw in stream:
                yield _text(raw).rstrip("\n")
    except (OSError, EOFError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise NoAnswer("{0}: {1}".format(path, why)) from None


def _opened(path: str) -> IO[bytes]:
    if path.endswith(".gz"):
        return gzip.open(path, "rb")  # type: ignore[return-value]
    return open(path, "rb")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _last(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[-1][:200] if lines else ""
