# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of values in bodies and parameters, and what is refused in them.

Text that a database, a ticket system or a terminal stumbles over (control characters,
halves of surrogate pairs) is refused at the door; so are moments that no calendar holds.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Header
from pydantic import AfterValidator, AwareDatetime, StringConstraints

_FIRST, _LAST = datetime(2000, 1, 2, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


_REFUSED = {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}  # controls, marks of direction, half pairs


def _one_line(text: str) -> str:
    if any(unicodedata.category(letter) in _REFUSED for letter in text):
        raise ValueError("must be one line of printable text")
    return text


def _no_path(text: str) -> str:
    if not text.strip() or text.strip(".") == "" or set(text) & {"/", "\\"}:
        raise ValueError("must be the name of a file, without a folder")
    return text


def _lines(text: str) -> str:
    plain = text.replace("\r\n", "\n")
    if any(unicodedata.category(letter) in _REFUSED for letter in plain if letter not in "\n\t"):
        raise ValueError("must be printable text")
    return plain


def _believable(moment: datetime) -> datetime:
    if not _FIRST <= moment <= _LAST:
        raise ValueError("must lie between 2000 and 2200")
    return moment.astimezone(UTC)


Line = Annotated[str, StringConstraints(max_length=300), AfterValidator(_one_line)]
FileName = Annotated[Line, AfterValidator(_no_path)]
Text = Annotated[str, StringConstraints(max_length=50_000), AfterValidator(_lines)]
Moment = Annotated[AwareDatetime, AfterValidator(_believable)]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        description="One per request, 1-100 of A-Z a-z 0-9 . _ : -; again: nothing is done twice",
    ),
]
