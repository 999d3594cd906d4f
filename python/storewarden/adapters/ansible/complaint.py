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
    """The same of an inventory that failed: storewarden.ops.stores lists its problems in what
    Ansible takes for a warning, and the error says only that it failed."""
    listed = _NOT_LOADED.search(text)
    if listed is None:
        return one_line(text)
    first = listed["problems"].splitlines()[:3]
    others = int(listed["count"]) - len(first)
    return "; ".join(first)[:_LIMIT] + (f"; and {others} more" if others else "")


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
