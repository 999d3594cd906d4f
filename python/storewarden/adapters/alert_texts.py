# SPDX-License-Identifier: GPL-3.0-or-later
"""What strangers write, made fit to be kept: JSON, texts, labels, moments.

A webhook's body is data from outside. It may nest too deep, count too far, hold halves of
characters or end the line of a log. An odd value must not lose an alert, and no value may become
anything but printable text. A character that has no place in a text becomes U+FFFD: left out, it
would make one name of two.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from storewarden.ports.alerts import AlertsMalformed

LABELS = 64
"""Labels of one alert; with more it is not taken: a matcher might miss the one that matters."""
LABEL_NAME, LABEL_VALUE = 200, 1024
ANNOTATIONS = 64
ANNOTATION_VALUE = 4000
FINGERPRINT = 200
NAME = 300
URL = 4000
EXPRESSION = 20_000
_DIGITS = 30  # of a whole number; longer ones stay text
_DEPTH = 40
_ODD = {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}
_MARK = "\ufffd"
_MILLISECOND = 1000  # microseconds
_MILLISECONDS = 10**11  # a number of seconds above it (year 5138) is one of milliseconds


class Unfit(Exception):
    """One alert that cannot be taken; the text says why, without repeating it."""


def read_json(body: bytes) -> Any:
    """The body's JSON; AlertsMalformed when it is none. NaN and infinities are null."""
    try:
        read = json.loads(body.decode("utf-8-sig"), parse_constant=lambda _: None, parse_int=_whole)
    except (ValueError, RecursionError):
        raise AlertsMalformed("is no JSON", where="body", hint="UTF-8, not compressed") from None
    if _too_deep(read):
        raise AlertsMalformed(f"nests deeper than {_DEPTH} levels", where="body")
    return read


def read_object(body: bytes) -> Mapping[str, Any]:
    """The body's JSON object; AlertsMalformed when it is something else."""
    read = read_json(body)
    if not isinstance(read, dict):
        raise AlertsMalformed("is no JSON object", where="body")
    return read


def line(value: object, longest: int) -> str:
    """One line of at most ``longest`` characters: a name, a word, an address."""
    return _cut(_printable(_plain(value), ""), longest).strip()


def lines(value: object, longest: int) -> str:
    """The same with its line breaks and tabs: what people read."""
    plain = _plain(value).replace("\r\n", "\n")
    return _cut(_printable(plain, "\n\t"), longest)


def labels(value: object) -> dict[str, str]:
    """Labels, whole or not at all. Raises Unfit for too many, or one that is too long."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Unfit("labels are no object")
    if len(value) > LABELS:
        raise Unfit(f"has more than {LABELS} labels")
    found = {}
    for name, text in value.items():
        told = _printable(_plain(text), "").strip()
        if len(str(name)) > LABEL_NAME or len(told) > LABEL_VALUE:
            raise Unfit(f"has a label of more than {LABEL_VALUE} characters")
        found[line(name, LABEL_NAME)] = told
    return found


def remarks(value: object) -> dict[str, str]:
    """Annotations, as much of them as people may want to read."""
    if not isinstance(value, Mapping):
        return {}
    names = sorted(value, key=str)[:ANNOTATIONS]
    return {line(name, LABEL_NAME): lines(value[name], ANNOTATION_VALUE) for name in names}


def moment(value: object, zone: tzinfo = UTC) -> datetime | None:
    """A moment in UTC, of a text (ISO 8601; without a zone it is in ``zone``) or of a number of
    seconds or milliseconds since 1970; None for what is none.

    To the millisecond: Alertmanager writes more digits into a webhook than its API shows.
    """
    try:
        found = _moment(value, zone)
        if found is None:
            return None
        utc = found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return utc.replace(microsecond=utc.microsecond // _MILLISECOND * _MILLISECOND)


def fingerprint(given: object, known: Mapping[str, str]) -> str:
    """The sender's own, or one made of the labels when it sent none (or one of any length)."""
    told = line(given, FINGERPRINT + 1)
    if told and len(told) <= FINGERPRINT:
        return told
    whole = json.dumps([told, sorted(known.items())])
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def _moment(value: object, zone: tzinfo) -> datetime | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        if text.isdecimal() and len(text) <= _DIGITS:
            return _since_1970(float(text))
        found = datetime.fromisoformat(text) if text else None
        return found.replace(tzinfo=zone) if found is not None and found.tzinfo is None else found
    return _since_1970(float(value)) if isinstance(value, int | float) else None


def _since_1970(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds / 1000 if seconds > _MILLISECONDS else seconds, UTC)


def _whole(text: str) -> int | str:
    return int(text) if len(text) <= _DIGITS else text


def _plain(value: object) -> str:
    """Anything of JSON as text."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _printable(text: str, kept: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        letter if letter in kept or unicodedata.category(letter) not in _ODD else _MARK
        for letter in text
    )


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _too_deep(data: object) -> bool:
    level = [data]
    for _ in range(_DEPTH):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True
