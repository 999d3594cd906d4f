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


def _text(value: object, words: Mapping[str, str]) -> str:
    if value is None or value in ("", [], {}):
        return words["value_absent"]
    if isinstance(value, bool):
        return words["true_word" if value else "false_word"]
    if isinstance(value, Mapping):
        return "\n".join(f"{clean(str(key))}: {_flat(part)}" for key, part in value.items())
    if isinstance(value, list | tuple):
        return _list(list(value))
    return clean(str(value))


def _list(parts: list[object]) -> str:
    if any(isinstance(part, Mapping | list | tuple) for part in parts):
        return "\n".join(_flat(part) for part in parts)
    return ", ".join(clean(str(part)) for part in parts)


def _flat(part: object) -> str:
    """One part of a value on one line."""
    if isinstance(part, str):
        return clean(part)
    if isinstance(part, Mapping):
        return " ".join(f"{clean(str(key))}={_leaf(leaf)}" for key, leaf in part.items())
    if isinstance(part, list | tuple):
        return ", ".join(_leaf(leaf) for leaf in part)
    return _leaf(part)


def _leaf(leaf: object) -> str:
    if isinstance(leaf, str):
        return clean(leaf)
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
