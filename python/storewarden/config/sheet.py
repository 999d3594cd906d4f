# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a file of the site entry by entry, and noting everything that is wrong with its line.

A file is corrected once, not once per mistake; so whoever reads one goes on after a mistake, and
tells all of them at the end.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Any

from storewarden.config.marked_yaml import MarkedYaml, Place
from storewarden.config.rollout_words import length, share

_AS_LENGTH = "as 30m, 24h, 1h30m or 7d"


@dataclass(slots=True, kw_only=True)
class Sheet:
    """A file with what was found wrong in it so far."""

    content: MarkedYaml
    shown: str
    mistakes: list[tuple[int, str]] = field(default_factory=list)

    def wrong(self, place: Place, what: str, hint: str = "") -> None:
        """Note a mistake."""
        line = self.content.line(place)
        name = ".".join(f"{part + 1}" if isinstance(part, int) else part for part in place)
        told = f"{self.shown}:{line}: {name}: {what}" if name else f"{self.shown}:{line}: {what}"
        self.mistakes.append((line, f"{told} ({hint})" if hint else told))

    def told(self) -> list[str]:
        """All mistakes in the order of the file."""
        return [text for _, text in sorted(self.mistakes, key=lambda each: each[0])]

    def keys(self, place: Place, value: object, known: Collection[str]) -> dict[str, Any]:
        """The keys of a mapping that are known and have a value; others are mistakes."""
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.wrong(place, "must be keys with values")
            return {}
        found = {}
        for key, inner in value.items():
            if key in known:
                found[str(key)] = inner
            else:
                close = difflib.get_close_matches(str(key), known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
                self.wrong((*place, str(key)), "unknown key", hint)
        return {key: inner for key, inner in found.items() if inner is not None}

    def entries(self, place: Place, value: object) -> list[Any]:
        """The entries of a list."""
        if isinstance(value, list):
            return value
        self.wrong(place, "must be a list, one entry per line after '- '")
        return []

    def length(self, place: Place, value: object) -> timedelta | None:
        """A length of time."""
        text = "0" if value == 0 and not isinstance(value, bool) else value
        found = length(text) if isinstance(text, str) else None
        if found is None:
            self.wrong(place, "must be a length of time", value_is(value, _AS_LENGTH))
        return found

    def share(self, place: Place, value: object) -> Fraction | None:
        """A share in percent."""
        found = share(value) if isinstance(value, str) else None
        if found is None:
            self.wrong(place, "must be a share in percent", value_is(value, "as 10%"))
        return found

    def whole(self, place: Place, value: object, between: tuple[int, int]) -> int | None:
        """A whole number."""
        low, high = between
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.wrong(place, f"must be a whole number, {low}-{high}", value_is(value))
        return None

    def yes_no(self, place: Place, value: object) -> bool | None:
        """True or false."""
        if isinstance(value, bool):
            return value
        self.wrong(place, "must be true or false", value_is(value))
        return None

    def text(self, place: Place, value: object) -> str | None:
        """One line of text."""
        if isinstance(value, str) and value.strip() and value.isprintable():
            return value.strip()
        self.wrong(place, "must be text (in quotes)", value_is(value))
        return None

    def texts(self, place: Place, value: object) -> tuple[str, ...]:
        """A list of texts."""
        found = [self.text((*place, n), each) for n, each in enumerate(self.entries(place, value))]
        return tuple(each for each in found if each is not None)

    def word[E: StrEnum](self, place: Place, value: object, kind: type[E]) -> E | None:
        """One of a few words."""
        known = [each.value for each in kind]
        if isinstance(value, str) and value in known:
            return kind(value)
        close = difflib.get_close_matches(str(value), known, n=1)
        hint = f"did you mean {close[0]}?" if close else value_is(value)
        self.wrong(place, f"must be {', '.join(known[:-1])} or {known[-1]}", hint)
        return None


def value_is(value: object, hint: str = "") -> str:
    """What a refusal says of a value, and what would be right."""
    told = str(value) if isinstance(value, str | int | float) else type(value).__name__
    told = told if len(told) <= 40 and told.isprintable() else f"{ascii(told)[:37]}..."
    return f"is {told}; {hint}" if hint else f"is {told}"


def is_data(value: object) -> bool:
    """Whether it is JSON data: a date of YAML is none, and would look different later."""
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and is_data(each) for key, each in value.items())
    if isinstance(value, list):
        return all(is_data(each) for each in value)
    return value is None or isinstance(value, str | int | float | bool)
