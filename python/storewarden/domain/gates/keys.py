# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a gate's settings: strict, and every refusal is one line with the gate and the key.

A misspelt key must never mean "no limit": what nobody asked for is refused at the end
(``done``). Values are not repeated, because somebody may have written a secret where its
reference belongs.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import NoReturn

from storewarden.domain.errors import ConfigInvalid

# As in the rest of a rollout file, and parts of a second for patience.
_SPAN = re.compile(
    r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m(?:in)?)?(?:(\d{1,6}(?:\.\d{1,3})?)s)?"
)
_REFERENCE = re.compile(r"(file|env|vault):\S.*")
# A host may hold {address}: probes put it in.
_URL = re.compile(r"https?://([\w.{}-]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?([/?]\S*)?")
_LONGEST = timedelta(days=366)


class Keys:
    """One section; every key is taken once, then ``done`` refuses the rest."""

    def __init__(self, values: object, where: str) -> None:
        """``where`` names the section ("gates.sales"). ConfigInvalid when it has no keys."""
        self.where = where
        if not isinstance(values, Mapping):
            self._refuse("must be keys with values")
        self._values = {str(key): value for key, value in values.items() if value is not None}
        self._known: list[str] = []

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return key in self._values

    def take(self, key: str, default: object = None) -> object:
        """The value as it is."""
        self._known.append(key)
        return self._values.get(key, default)

    def wrong(self, key: str, what: str, hint: str = "") -> NoReturn:
        """Refuse this key."""
        raise ConfigInvalid(what, where=f"{self.where}.{key}" if key else self.where, hint=hint)

    def text(self, key: str, default: str = "", *, required: bool = False) -> str:
        """One line of text."""
        value = self.take(key, default)
        if required and value == "":
            self.wrong(key, "is missing")
        if not isinstance(value, str) or "\n" in value.strip():
            self.wrong(key, "must be text (in quotes)")
        return value.strip()

    def choice(self, key: str, default: str, known: Collection[str]) -> str:
        """One of a few words."""
        value = self.text(key, default)
        if value not in known:
            self.wrong(key, f"must be {' or '.join(known)}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; none is an empty one."""
        value = self.take(key, ())
        if not isinstance(value, (list, tuple)):
            self.wrong(key, "must be a list of texts")
        if not all(isinstance(each, str) and each.strip() for each in value):
            self.wrong(key, "must be a list of texts (in quotes)")
        return tuple(value)

    def number(self, key: str, default: float | None = None) -> float | None:
        """A finite number."""
        value = self.take(key, default)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.wrong(key, "must be a number")
        if not math.isfinite(value):
            self.wrong(key, "must be a number")
        return value

    def real(self, key: str, default: float, *, least: float = 0.0) -> float:
        """A finite number that is ``least`` or more."""
        value = self.number(key, default)
        if value is None or value < least:
            self.wrong(key, f"must be {least:g} or more")
        return value

    def whole(self, key: str, default: int, *, least: int = 0) -> int:
        """A whole number that is ``least`` or more."""
        value = self.take(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            self.wrong(key, "must be a whole number")
        if value < least:
            self.wrong(key, f"must be {least} or more")
        return value

    def span(self, key: str, default: str) -> timedelta:
        """A length of time: "90s", "30m", "1h30m", "7d"."""
        value = self.text(key, default).replace(" ", "")
        match = _SPAN.fullmatch("0s" if value == "0" else value)
        if match is None or not value:
            self.wrong(key, 'must be a length of time like "90s", "30m", "1h30m" or "7d"')
        days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
        length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if length > _LONGEST:
            self.wrong(key, "must be 366 days or less")
        return length

    def seconds(self, key: str, default: str, *, most: int) -> float:
        """A patience: above nothing, ``most`` seconds at most."""
        length = self.span(key, default).total_seconds()
        if not 0 < length <= most:
            self.wrong(key, f"must be above 0 and at most {most} s")
        return length

    def pattern(self, key: str, *, required: bool = False) -> str:
        """A regular expression."""
        value = self.text(key, required=required)
        try:
            re.compile(value)
        except re.error as error:
            self.wrong(key, f"is no regular expression: {error}")
        return value

    def url(self, key: str, *, required: bool = True) -> str:
        """An address of the web, without a password in it."""
        value = self.text(key, required=required)
        if not value and not required:
            return ""
        if re.match(r"https?://[^/]*@", value):
            self.wrong(key, "must hold no password", "use token: a reference to a secret")
        if not _URL.fullmatch(value):
            self.wrong(key, "must be a url that begins with https:// or http://")
        return value

    def secret(self, key: str) -> str:
        """A reference to a secret, never the secret; "" for none."""
        value = self.text(key)
        if value and not _REFERENCE.fullmatch(value):
            self.wrong(
                key,
                "must be a reference: file:PATH, env:NAME or vault:MOUNT/PATH#FIELD",
                "a secret itself never belongs into this file",
            )
        return value

    def section(self, key: str) -> Keys:
        """The keys below a key."""
        return Keys(self.take(key, {}), f"{self.where}.{key}")

    def sections(self, key: str) -> tuple[Keys, ...]:
        """A list of keys with values."""
        value = self.take(key, ())
        if not isinstance(value, (list, tuple)):
            self.wrong(key, "must be a list, one entry per line after '- '")
        return tuple(Keys(each, f"{self.where}.{key}[{n}]") for n, each in enumerate(value, 1))

    def done(self) -> None:
        """Refuse every key that nobody asked for."""
        for key in self._values:
            if key not in self._known:
                close = difflib.get_close_matches(key, self._known, n=1)
                meant = f"did you mean {close[0]}?" if close else f"known: {', '.join(self._known)}"
                self.wrong(key, "unknown key", meant)

    def _refuse(self, what: str) -> NoReturn:
        raise ConfigInvalid(what, where=self.where)
