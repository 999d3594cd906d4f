# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lines merged into a file of ours, which several controls share.

A line is found again by its key: the text before the first ``=`` or blank. Sections ("[Journal]",
and "Match" of sshd) are kept apart. Lines of other keys stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

KeyOf = Callable[[str], str]
_SECTION = re.compile(r"\[[^\]]+\]$|match\s+\S", re.I)
_COMMENT = ("#", ";")
HEADER = "# Written by storewarden's hardening baseline; a line is found again by its key.\n"


def key_of(rule: Any, sep: Any) -> KeyOf:
    """How to find a line again: ``rule`` False = the whole line, a text = what it matches."""
    if rule is False:
        return lambda line: " ".join(line.split())
    if isinstance(rule, str):
        pattern = re.compile(rule)
        return lambda line: _matched(pattern, line.strip())
    mark = str(sep).strip() if sep else ""
    split = re.compile(re.escape(mark)) if mark else re.compile(r"\s*=\s*|\s+")
    return lambda line: split.split(line.strip(), maxsplit=1)[0].strip()


def _matched(pattern: Any, line: str) -> str:
    found = pattern.search(line)
    return found.group(0) if found else " ".join(line.split())


def merged(
    text: str, wanted: list[str], key: KeyOf
) -> tuple[str, list[tuple[str, str | None, str]]]:
    """The new text, and (key, line before, line after) for each line that is different."""
    sections = _sections(text)
    differences: list[tuple[str, str | None, str]] = []
    current = sections[0]
    for line in wanted:
        if _SECTION.match(line.strip()):
            current = _section(sections, line.strip())
            continue
        before = _put(current, line, key)
        if before != line:
            differences.append((key(line), before, line))
    if not differences:
        return text, []
    return "".join(line + "\n" for section in sections for line in section), differences


def _sections(text: str) -> list[list[str]]:
    """The lines before the first section, then each section with its head first."""
    found: list[list[str]] = [[]]
    for line in text.splitlines():
        if _SECTION.match(line.strip()):
            found.append([])
        found[-1].append(line)
    return found


def _section(sections: list[list[str]], head: str) -> list[str]:
    for section in sections[1:]:
        if section[0].strip() == head:
            return section
    sections.append([head])
    return sections[-1]


def _put(section: list[str], line: str, key: KeyOf) -> str | None:
    """Replace the line with this key, or add it; what stood there before (None: nothing)."""
    places = [
        place
        for place, one in enumerate(section)
        if one.strip() and not one.lstrip().startswith(_COMMENT) and key(one) == key(line)
    ]
    if not places:
        section.insert(_end(section), line)
        return None
    before = section[places[0]]
    section[places[0]] = line
    for place in reversed(places[1:]):
        del section[place]
        before = before + " (and again)"
    return before


def _end(section: list[str]) -> int:
    """Behind the last line that is not empty."""
    count = len(section)
    while count and not section[count - 1].strip():
        count -= 1
    return count
