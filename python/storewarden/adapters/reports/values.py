# SPDX-License-Identifier: GPL-3.0-or-later
"""Observed values as people read them.

A value is JSON data from a host that may be hostile: it is cut to a length,
and characters that would move a terminal's cursor are shown, not sent.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping

_LAYOUT = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def shown(value: object, words: Mapping[str, str], *, limit: int = 300) -> str:
    """``value`` as text of at most ``limit`` characters, on as many lines as it has parts."""
    text = _text(value, words)
    text = text.rstrip() or words["value_absent"]
    return text if len(text) <= limit else text[:limit] + words["value_cut"]


def contrast(before: object, after: object) -> tuple[object, object]:
    """Both values without the parts that are the same in both: what a transition is about."""
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return before, after
    same = {key for key in before.keys() & after.keys() if before[key] == after[key]}
    rest = [{k: v for k, v in value.items() if k not in same} for value in (before, after)]
    return (rest[0], rest[1]) if any(rest) else (before, after)


def _text(value: object, words: Mapping[str, str]) -> str:
    plain = _plain(value, words)
    if plain is not None:
        return plain
    if isinstance(value, Mapping):
        return "\n".join(f"{clean(str(key))}: {_flat(part, words)}" for key, part in value.items())
    parts = list(value) if isinstance(value, list | tuple) else [value]
    if any(isinstance(part, Mapping | list | tuple) for part in parts):
        return "\n".join(_flat(part, words) for part in parts)
    return ", ".join(_flat(part, words) for part in parts)


def _plain(value: object, words: Mapping[str, str]) -> str | None:
    """A value that is one word: nothing, an empty list, yes or no, a text, a number."""
    if value is None or value == "":
        return words["value_absent"]
    if isinstance(value, bool):
        return words["true_word" if value else "false_word"]
    if isinstance(value, Mapping | list | tuple):
        return None if value else words["value_none"]
    return clean(str(value))


def _flat(part: object, words: Mapping[str, str]) -> str:
    """One part of a value on one line."""
    plain = _plain(part, words)
    if plain is not None:
        return plain
    if isinstance(part, Mapping):
        return " ".join(f"{clean(str(key))}={_leaf(leaf, words)}" for key, leaf in part.items())
    return ", ".join(_leaf(leaf, words) for leaf in part)  # type: ignore[attr-defined]


def _leaf(leaf: object, words: Mapping[str, str]) -> str:
    plain = _plain(leaf, words)
    if plain is not None:
        return plain
    return clean(json.dumps(leaf, ensure_ascii=False, default=str))


def clean(text: str) -> str:
    """``text`` with control and layout characters spelled out (``\\x1b``)."""
    return text if text.isprintable() else "".join(_spelled(char) for char in text)


def _spelled(char: str) -> str:
    if char == "\t":
        return " "
    if unicodedata.category(char) not in _LAYOUT:
        return char
    return char.encode("unicode_escape", "backslashreplace").decode("ascii")


def key_of(value: object) -> str:
    """Equal for equal values: what findings are grouped by."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
