# SPDX-License-Identifier: GPL-3.0-or-later
"""How a note carries its key, so that it is written once in systems that know no keys.

The first line of every note is ``[storewarden KEY]``. A text above the server's limit goes
into several notes, ``[storewarden KEY 2/3]``; the key counts as noted only when all parts
are there, so a note that was interrupted is completed and not repeated. The mark is only
believed at the very beginning of a text: quoted somewhere else it means nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_MARK = re.compile(r"\s*\[storewarden (?P<key>\S+)(?: (?P<part>\d+)/(?P<of>\d+))?\]")
_BREAKS = re.compile(r"\r\n?|\u2028|\u2029")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Mark:
    """Which note, and which part of it."""

    key: str
    part: int = 1
    of: int = 1

    @property
    def line(self) -> str:
        """As it stands in a ticket."""
        parts = f" {self.part}/{self.of}" if self.of > 1 else ""
        return f"[storewarden {self.key}{parts}]"


def mark_of(text: str) -> Mark | None:
    """The mark with which a text begins; None for other people's notes."""
    found = _MARK.match(text)
    if found is None:
        return None
    return Mark(found["key"], int(found["part"] or 1), int(found["of"] or 1))


def marked(key: str, text: str, limit: int, size: Callable[[str], int] = len) -> tuple[str, ...]:
    """The texts to write for one note, each with its mark and at most ``limit`` in ``size``.

    ``size`` is how the server counts: characters by default. Nothing is lost: what follows
    the marks' lines, joined, is ``text`` with ``normal`` line breaks.
    """
    text = normal(text)
    whole = f"{Mark(key).line}\n{text}"
    if size(whole) <= limit:
        return (whole,)
    room = limit - size(f"{Mark(key, 9999, 9999).line}\n")
    pieces = cut(text, room, size)
    return tuple(
        f"{Mark(key, n, len(pieces)).line}\n{piece}" for n, piece in enumerate(pieces, start=1)
    )


def cut(text: str, limit: int, size: Callable[[str], int] = len) -> tuple[str, ...]:
    """``text`` in pieces of at most ``limit``, cut after line breaks where that is possible."""
    if limit < size("\U0001f600"):
        raise ValueError("a piece must have room for a character")
    pieces = []
    while size(text) > limit:
        end = _longest(text, limit, size)
        after_break = text.rfind("\n", 0, end) + 1
        end = after_break if after_break > end // 2 else end
        pieces.append(text[:end])
        text = text[end:]
    return (*pieces, text)


def _longest(text: str, limit: int, size: Callable[[str], int]) -> int:
    """How many characters of ``text`` fit, by bisection."""
    low, high = 1, min(len(text), limit)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(text[:middle]) <= limit else (low, middle - 1)
    return low


def noted_keys(texts: Iterable[str]) -> tuple[str, ...]:
    """The keys of the notes that are complete, in the order of their first parts."""
    parts: dict[Mark, set[int]] = {}
    for text in texts:
        if mark := mark_of(text):
            parts.setdefault(Mark(mark.key, 0, mark.of), set()).add(mark.part)
    whole = (mark.key for mark, seen in parts.items() if seen >= set(range(1, mark.of + 1)))
    return tuple(dict.fromkeys(whole))


def normal(text: str) -> str:
    """``text`` as every system can keep it: line breaks are ``\\n``, no control characters."""
    return _UNPRINTABLE.sub("", _BREAKS.sub("\n", text))


def same_text(sent: str, read: str) -> bool:
    """Whether what was read back is what was sent.

    Systems change line breaks and trim the ends of lines and texts; that is no lie.
    """
    return _essence(sent) == _essence(read)


def _essence(text: str) -> list[str]:
    return [line.rstrip() for line in normal(text).strip().split("\n")]
