# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Parameters of controls: their defaults, a site's values, and where they go.

A parameter is an Ansible variable with a default in the role. A site's value must be of the
default's kind; text that is a number counts as one, because `-e name=5` is text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# "${NAME}" is a shell's or a daemon's own variable, and stays.
_PLACE = re.compile(r"(?<!\$)\{(\w+)\}")
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


class BadValue(Exception):
    """A site's value of the wrong kind; the message is one line."""


def substituted(node: Any, values: Mapping[str, Any]) -> Any:
    """``node`` with every ``{param: NAME}`` replaced by its value."""
    if isinstance(node, dict):
        if is_param(node):
            return values[node["param"]]
        return {key: substituted(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [substituted(one, values) for one in node]
    return node


def is_param(node: Any) -> bool:
    return isinstance(node, dict) and set(node) == {"param"}


def used_params(node: Any) -> set[str]:
    """Names in every ``{param: NAME}`` below ``node``."""
    if is_param(node):
        return {str(node["param"])}
    below = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return set().union(*(used_params(one) for one in below))


def filled(text: str, values: Mapping[str, Any]) -> str:
    """``text`` with ``{NAME}`` of known parameters filled in for reading."""
    return _PLACE.sub(lambda m: _said(values[m[1]]) if m[1] in values else m[0], text)


def places(text: str) -> list[str]:
    """Names that ``text`` wants filled in."""
    return _PLACE.findall(text)


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_said(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_said(one)}" for key, one in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)


def fitted(variable: str, value: Any, default: Any) -> Any:
    """``value`` as plain data of the default's kind. Raises BadValue."""
    value = plain(value)
    if isinstance(value, list) and isinstance(default, list):
        return _fitted_elements(variable, value, default)
    if default is None or _kind(value) == _kind(default):
        return value
    number = isinstance(default, (int, float)) and not isinstance(default, bool)
    word = value.strip() if isinstance(value, str) else ""
    if isinstance(default, bool) and word.lower() in _TRUE + _FALSE:
        return word.lower() in _TRUE
    if number and re.fullmatch(r"-?\d+(\.\d+)?", word):
        return float(word) if "." in word else int(word)
    if isinstance(default, str) and _kind(value) == "number":
        return str(value)
    raise BadValue(
        f"{variable} must be a {_kind(default)} like its default {default!r}, not {value!r}"
    )


def _fitted_elements(variable: str, values: list[Any], default: list[Any]) -> list[Any]:
    """Each element of the kind that all elements of the default have, if they have one."""
    if len({_kind(one) for one in default}) != 1:
        return values
    return [fitted(f"{variable}[{place}]", one, default[0]) for place, one in enumerate(values)]


def _kind(value: Any) -> str:
    kinds = ((bool, "boolean"), ((int, float), "number"), (str, "text"), (list, "list"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "mapping")


def plain(value: Any) -> Any:
    """Ordinary lists, mappings and scalars, without the marks Ansible puts on its data."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return str(value)


def prepare(control: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What the host gets: ``{id, check, when}`` with parameters filled in."""
    return {
        "id": control["id"],
        "check": _with_specs(substituted(control["check"], values), values),
        "when": [
            {
                "check": _with_specs(substituted(one["check"], values), values),
                "reason": {name: filled(text, values) for name, text in one["reason"].items()},
            }
            for one in control.get("when") or ()
        ],
    }


def _with_specs(node: Any, values: Mapping[str, Any]) -> Any:
    """sshd leaves without ``specs`` get the ``connection_specs`` parameter, if declared."""
    if "connection_specs" not in values or not isinstance(node, dict):
        return node
    for word in ("all", "any"):
        if word in node:
            return {**node, word: [_with_specs(one, values) for one in node[word]]}
    if "not" in node:
        return {**node, "not": _with_specs(node["not"], values)}
    if node.get("get") == "sshd" and "specs" not in node.get("q", {}):
        return {**node, "q": {**node["q"], "specs": values["connection_specs"]}}
    return node
