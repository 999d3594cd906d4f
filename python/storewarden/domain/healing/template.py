# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts with labels in them: ``pos-{store}-{terminal}``.

``{label}`` is replaced by the label's text, and nothing else happens: no expression, no format, and
what was put in is not looked at again. Alert texts come from outside; a template language on them
would run their words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_FIELD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_CODE = ("{{", "{%", "{#")


class LabelMissing(Exception):
    """The alert has no such label, or it is empty; the text is its name."""


def labels_in(template: str) -> tuple[str, ...]:
    """The labels that it names, in order. ValueError for what looks like a template language."""
    if any(sign in template for sign in _CODE):
        raise ValueError(f"only {{label}} is replaced, nothing is computed: {template}")
    return tuple(_FIELD.findall(template))


def fill(template: str, labels: Mapping[str, str]) -> str:
    """The text with its labels. Raises LabelMissing."""

    def value(found: re.Match[str]) -> str:
        told = labels.get(found.group(1), "")
        if not told:
            raise LabelMissing(found.group(1))
        return told

    return _FIELD.sub(value, template)


def fill_data(value: object, labels: Mapping[str, str]) -> object:
    """The same in every text of nested lists and mappings; keys stay as they are."""
    if isinstance(value, str):
        return fill(value, labels)
    if isinstance(value, Mapping):
        return {str(key): fill_data(inner, labels) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [fill_data(inner, labels) for inner in value]
    return value
