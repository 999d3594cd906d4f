# SPDX-License-Identifier: GPL-3.0-or-later
"""One line out of the page that an Ansible tool prints when it gives up.

ansible-core prints ``[ERROR]: sentence``, perhaps causes, and ``Origin:
file:line:column`` on lines of their own. The operator needs the sentence and
the place.
"""

from __future__ import annotations

import re
from pathlib import Path

_ERROR = re.compile(r"^(?:\[ERROR\]:|ERROR!)\s*(?P<text>.*)$")
_ORIGIN = re.compile(r"^Origin: (?P<place>\S.*)$")
_NOT_LOADED = re.compile(r"nothing was loaded, (?P<count>\d+) problems?:\n(?P<problems>(?:.+\n?)+)")
_TRIED = re.compile(
    r"^\[WARNING\]: Failed to parse inventory with '(?!ini')[^']+' plugin: (?P<why>.+)\n"
    r"(?P<rest>(?:(?!\[(?:WARNING|ERROR)\]:).*\n)*)",
    re.MULTILINE,
)
_SCRIPT_SAID = re.compile(r"^Standard error from inventory script:\n(?P<lines>[\s\S]*)", re.M)
_LIMIT = 400  # characters
_TAIL = 64 << 10  # bytes of a log that are looked at


def one_line(text: str) -> str:
    """The last error with its place; else the last line that says anything; else ""."""
    said, place = "", ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in lines:
        error = _ERROR.match(line)
        origin = _ORIGIN.match(line)
        if error:
            said, place = error["text"], ""
        elif origin and not place:
            place = origin["place"]
    if not said:
        said, place = (lines[-1] if lines else ""), ""
    whole = f"{place}: {said}" if place and place not in said else said
    return whole[:_LIMIT]


def of_inventory(text: str) -> str:
    """The same of an inventory that failed: the error says only that it did.

    Why stands in what Ansible takes for a warning, one for each plugin that it tried. What
    counts is what a script itself said last, else the complaint of the first plugin: the
    others, above all ``ini``, complain of a file that was never theirs.
    """
    listed = _NOT_LOADED.search(text)
    if listed is None:
        why, failed = _first_warning(text), one_line(text)
        return f"{failed}: {why}"[:_LIMIT] if why and why not in failed else failed
    first = listed["problems"].splitlines()[:3]
    others = int(listed["count"]) - len(first)
    return "; ".join(first)[:_LIMIT] + (f"; and {others} more" if others else "")


def _first_warning(text: str) -> str:
    """Why the first plugin gave up, with the last words of a script; "" when none did."""
    tried = _TRIED.search(text)
    if tried is None:
        return ""
    said = _SCRIPT_SAID.search(tried["rest"])
    lines = said["lines"].strip().splitlines() if said else []
    why = tried["why"].rstrip(".")
    return f"{why}: {lines[-1].strip()}" if lines else why


def first_line(error: BaseException | None) -> str:
    """What an exception says first; pexpect's go on for a page."""
    if error is None:
        return ""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}"[:_LIMIT] if said else type(error).__name__


def from_file(path: Path) -> str:
    """The same from the end of a log file; "" when there is none."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - _TAIL))
            return one_line(stream.read().decode(errors="replace"))
    except OSError:
        return ""
