# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML as plain data together with the line of every key, so that a refusal can say where.

The rule: a key given twice is refused, because YAML itself would silently take the last.
Whatever the parser stumbles over is a fault of the file: a service reads some of them again
while it runs, and must not stumble with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import yaml

from storewarden.domain.errors import ConfigInvalid

_LARGEST = 16 << 20  # bytes; more was given by mistake (a device, a log)

type Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedYaml:
    """`data` as YAML gives it; `lines` maps a place like `("audit", "forks")` to its line."""

    data: object
    lines: dict[Place, int] = field(default_factory=dict)

    def line(self, place: Place) -> int:
        """The line of `place`, or of the nearest thing that contains it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read_marked(path: Path, shown: str) -> MarkedYaml:
    """The content of the file that messages call `shown`.

    Raises ConfigInvalid, with the line, when it cannot be read or is not YAML.
    """
    try:
        text = _read(path, shown)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigInvalid(
            "is not UTF-8", where=f"{shown}:{line}", hint="save it as UTF-8"
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigInvalid(f"cannot be read: {reason}", where=shown) from error
    try:
        return _marked(text, shown)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigInvalid(
            f"not valid YAML: {error.problem or 'cannot be parsed'}",
            where=f"{shown}:{line}",
            hint=_hint(text, line),
        ) from error
    except yaml.YAMLError as error:
        raise ConfigInvalid(f"not valid YAML: {error}", where=shown) from error
    except RecursionError:
        raise ConfigInvalid("is nested too deep", where=shown) from None
    except (ValueError, ArithmeticError, LookupError, AttributeError, TypeError) as error:
        # A day that no calendar has, a tag that does not fit its value: the parser lets them out.
        raise ConfigInvalid(f"not valid YAML: {error}", where=shown) from error


_WIDE = str.maketrans(dict.fromkeys("：，［］｛｝“”", "*"))


def _hint(text: str, line: int) -> str:
    """What is most often wrong where the parser stopped, or in the line above."""
    near = text.splitlines()[max(line - 2, 0) : line]
    if any("\t" in each for each in near):
        return "indent with spaces, not with tabs"
    if any(each.translate(_WIDE) != each for each in near):
        return "a full-width sign, like ：or ，, is no sign of YAML: type : and ,"
    return ""


def _read(path: Path, shown: str) -> str:
    with path.open("rb") as stream:
        content = stream.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ConfigInvalid("is too large (16 MiB)", where=shown)
    return content.decode("utf-8-sig")


def _marked(text: str, shown: str) -> MarkedYaml:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        lines: dict[Place, int] = {}
        if node is not None:
            _walk(node, (), lines, shown)
        data = loader.construct_document(node) if node is not None else None
    finally:
        loader.dispose()
    return MarkedYaml(data=data, lines=lines)


def _walk(node: yaml.Node, place: Place, lines: dict[Place, int], shown: str) -> None:
    if len(place) > 20:  # an alias that contains itself
        return
    if isinstance(node, yaml.SequenceNode):
        for index, entry in enumerate(node.value):
            lines[(*place, index)] = entry.start_mark.line + 1
            _walk(entry, (*place, index), lines, shown)
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        here = (*place, str(key.value))
        line = key.start_mark.line + 1
        if here in lines:
            raise ConfigInvalid(
                f"{key.value}: given twice",
                where=f"{shown}:{line}",
                hint=f"first in line {lines[here]}",
            )
        lines[here] = line
        _walk(value, here, lines, shown)
