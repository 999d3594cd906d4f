# SPDX-License-Identifier: GPL-3.0-or-later
"""Label matchers, word for word those of Alertmanager, so that one text means one thing.

``severity=~"critical|warning"``: a name, one of four operators, a value. Regular expressions are
anchored on both sides; a label that is missing is the empty text. Names and values may be bare
words, or stand in double quotes with the escapes of Go; names may hold any letters of Unicode.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

_RESERVED = "{}!=~,\\\"'`"
_BARE = re.compile(rf"[^\s{re.escape(_RESERVED)}]+")
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\\"'])|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([0-7]{3})|(.?))",
    re.DOTALL,
)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_FOREIGN = re.compile(r"(?<!\\)(?:\\\\)*(\(\?(?:=|!|<=|<!|P=|>|\()|\\[1-9]|\[\[:)")
"""What only one of Python's regular expressions and Alertmanager's knows, or reads otherwise."""


class Op(StrEnum):
    """How a label is compared."""

    EQUAL = "="  # is the text
    NOT_EQUAL = "!="  # is another text, or missing
    MATCH = "=~"  # the whole of it fits the regular expression
    NO_MATCH = "!~"  # it does not


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """One condition on one label. ValueError for a regular expression that is none."""

    name: str
    op: Op
    value: str
    _compiled: re.Pattern[str] | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        """Compiled once; a rule is asked ten thousand times in a storm."""
        if not self.name:
            raise ValueError("a matcher needs the name of a label")
        if self.op in (Op.MATCH, Op.NO_MATCH):
            object.__setattr__(self, "_compiled", _pattern(self.value))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels fit."""
        found = labels.get(self.name, "")
        if self._compiled is None:
            return (found == self.value) is (self.op is Op.EQUAL)
        return (self._compiled.fullmatch(found) is not None) is (self.op is Op.MATCH)

    def __str__(self) -> str:
        bare = _BARE.fullmatch(self.name) is not None
        return f"{self.name if bare else _quoted(self.name)}{self.op.value}{_quoted(self.value)}"


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """One or several matchers, with a comma between them, with or without braces around them.

    Raises ValueError with what is wrong and at which character.
    """
    reader = _Reader(text=text)
    braced = reader.take("{")
    found: list[Matcher] = []
    while not reader.ends() and not (braced and reader.sees("}")):
        found.append(reader.matcher())
        if not reader.take(","):
            break
    if braced and not reader.take("}"):
        raise ValueError(f"the brace is not closed: {text}")
    if not reader.ends():
        raise ValueError(f"character {reader.place + 1} does not belong to a matcher: {text}")
    if not found:
        raise ValueError('holds no matcher; write one like severity="critical"')
    return tuple(found)


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Reads from left to right; blanks between the parts mean nothing."""

    text: str
    place: int = 0

    def matcher(self) -> Matcher:
        name, op, value = self.word("name"), self.operator(), self.word("value")
        if not name:
            raise ValueError(f"the name of the label is empty: {self.text}")
        return Matcher(name=name, op=op, value=value)

    def operator(self) -> Op:
        self.blanks()
        for each in (Op.MATCH, Op.NO_MATCH, Op.NOT_EQUAL, Op.EQUAL):
            if self.take(each.value):
                return each
        raise ValueError(f"=, !=, =~ or !~ is missing at character {self.place + 1}: {self.text}")

    def word(self, what: str) -> str:
        self.blanks()
        if self.sees('"'):
            return self.quoted()
        found = _BARE.match(self.text, self.place)
        if found is None:
            raise ValueError(
                f"the {what} is missing at character {self.place + 1}, "
                f"or must stand in double quotes: {self.text}"
            )
        self.place = found.end()
        return found.group()

    def quoted(self) -> str:
        begin = self.place + 1
        end = begin
        while end < len(self.text) and self.text[end] != '"':
            end += 2 if self.text[end] == "\\" else 1
        if end >= len(self.text):
            raise ValueError(f"the double quote at character {begin} is not closed: {self.text}")
        self.place = end + 1
        return _ESCAPE.sub(_unescaped, self.text[begin:end])

    def take(self, word: str) -> bool:
        self.blanks()
        found = self.text.startswith(word, self.place)
        self.place += len(word) if found else 0
        return found

    def sees(self, word: str) -> bool:
        self.blanks()
        return self.text.startswith(word, self.place)

    def ends(self) -> bool:
        self.blanks()
        return self.place >= len(self.text)

    def blanks(self) -> None:
        while self.place < len(self.text) and self.text[self.place].isspace():
            self.place += 1


def _unescaped(found: re.Match[str]) -> str:
    letter, two, four, eight, octal, other = found.groups()
    if letter:
        return _LETTERS.get(letter, letter)
    if other is not None:
        raise ValueError(f"\\{other} is no escape; a backslash in quotes is written \\\\")
    number = int(octal, 8) if octal else int(two or four or eight, 16)
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        raise ValueError(f"{found.group()} is no character")
    return chr(number)


def _quoted(text: str) -> str:
    told = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + told.replace("\n", "\\n").replace("\t", "\\t") + '"'


def _pattern(text: str) -> re.Pattern[str]:
    foreign = _FOREIGN.search(text)
    if foreign is not None:
        raise ValueError(f"{foreign.group(1)} is not known to both kinds of regular expressions")
    try:
        return re.compile(text, re.ASCII)  # \d and \w mean ASCII there
    except (re.error, OverflowError) as error:
        raise ValueError(f"is no regular expression: {error}: {text}") from None
