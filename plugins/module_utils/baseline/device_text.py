# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the file of a saved device configuration to its blocks, or to a refusal.

A configuration that was captured from a terminal holds what a terminal does: pagers that were
wiped out with backspaces, escape sequences, prompts, line ends of three kinds. What a screen
would have shown is what counts. Where that cannot be known any more, or where the file stops
before the configuration does, nothing is guessed: half a configuration has half the findings.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    RECORD,
    ProbeError,
)

_TOKEN = re.compile(r"\x1b\[(\d*)[;\d]*([A-Za-z])|(\x1b.?)|([\x08\r])|([^\x1b\x08\r]+)")
_PAGER = re.compile(r"^\s*<?-{2,4}\s?more\s?-{2,4}>?(?P<rest>.*)$", re.I)
# after the end: "SW1#", "SW1#exit", "<SW1>quit", "[SW1]"
_PROMPT = re.compile(r"^\s*([\w.()@/:-]+[#>]|[<\[][~*]?[^>\]]+[>\]]).{0,80}$")


class Block(NamedTuple):
    """A line of the top level and the lines below it, all without indentation."""

    text: str
    lines: tuple[str, ...] = ()


class FreeText(NamedTuple):
    """A command that is followed by text of people (a banner): ``begin`` matches it, and its
    group 1 is the sign that ends the text; without a group the text ends with ``end``."""

    begin: str
    end: str = ""


class Grammar(NamedTuple):
    """What differs between dialects in the shape of the file."""

    name: str
    end: str  # the last line of a whole configuration
    named: str  # how the line with the device's own name begins
    comment: str  # a line with this sign at its beginning ends a block
    free: tuple[FreeText, ...]


def blocks_of(text: str, grammar: Grammar) -> list[Block]:
    """The configuration's blocks. Raises ProbeError when it is not whole or not this dialect."""
    lines = _without_free_text(shown_lines(text), grammar)
    whole = _whole(lines, grammar)
    if not any(line.strip().startswith(grammar.named) for line in whole):
        raise ProbeError(RECORD, "this is no configuration of {0}".format(grammar.name))
    return _blocks(whole, grammar.comment)


def shown_lines(text: str) -> list[str]:
    """The lines as a screen would have shown them, pager lines left out."""
    text = text.lstrip("\ufeff").replace("\r\n", "\n")
    lines = text.split("\n") if "\n" in text else text.split("\r")
    found = []
    for number, raw in enumerate(lines, 1):
        line = _screen(raw)
        pager = _PAGER.match(line)
        if pager and pager.group("rest").strip():
            what = "line {0} holds a pager's mark whose end is lost (save without paging)"
            raise ProbeError(RECORD, what.format(number))
        if not pager:
            found.append(line)
    return found


def _screen(raw: str) -> str:
    """One line on a terminal: text overwrites what it was moved back over."""
    if not re.search(r"[\x08\r\x1b]", raw):
        return raw.rstrip()
    cells: list[str] = []
    column = 0
    for count, move, _escape, back, words in _TOKEN.findall(raw):
        if words:
            cells += [" "] * (column - len(cells))
            cells[column : column + len(words)] = list(words)
            column += len(words)
        elif back:
            column = max(0, column - 1) if back == "\x08" else 0
        elif move == "D":
            column = max(0, column - int(count or 1))
        elif move == "K":
            cells = [] if count == "2" else cells[: 0 if count == "1" else column]
    return "".join(cells).rstrip()


def _without_free_text(lines: list[str], grammar: Grammar) -> list[str]:
    """The lines without banners and the like: what people wrote there is no configuration."""
    kept: list[str] = []
    closing = ""
    for line in lines:
        if closing:
            closing = "" if _closes(line, closing) else closing
            continue
        begun = _begun(line, grammar)
        if begun is None:
            kept.append(line)
        else:
            closing = begun
    if closing:
        raise ProbeError(RECORD, "the saved configuration stops inside a banner")
    return kept


def _begun(line: str, grammar: Grammar) -> str | None:
    """What ends the free text that this line begins, "" when it ends here; None for no text."""
    for one in grammar.free:
        match = re.match(one.begin, line)
        if match and one.end:
            return "\n" + one.end
        if match:
            sign = match.group(1)
            return "" if sign in line[match.end(1) :] else sign
    return None


def _closes(line: str, closing: str) -> bool:
    return line == closing[1:] if closing.startswith("\n") else closing in line


def _whole(lines: list[str], grammar: Grammar) -> list[str]:
    """Everything up to the line that ends a configuration, which must be there, once."""
    ends = [place for place, line in enumerate(lines) if line == grammar.end]
    if not ends:
        what = "the saved configuration is cut off (its last line, {0!r}, is missing)"
        raise ProbeError(RECORD, what.format(grammar.end))
    rest = [line for line in lines[ends[0] + 1 :] if line.strip()]
    if any(not _PROMPT.match(line) for line in rest):
        what = "there is more behind the end of the saved configuration (two in one file?)"
        raise ProbeError(RECORD, what)
    return lines[: ends[0]]


def _blocks(lines: list[str], comment: str) -> list[Block]:
    found: list[tuple[str, list[str]]] = []
    inside = False
    for line in lines:
        if not line.strip() or line.startswith(comment):
            # a comment ends the block; VRP indents the lines of its top level after one
            inside = inside and not line.startswith(comment)
        elif line[0] in " \t" and inside:
            found[-1][1].append(line.strip())
        else:
            found.append((line.strip(), []))
            inside = line[0] not in " \t"
    return [Block(text, tuple(below)) for text, below in found]
